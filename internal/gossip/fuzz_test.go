package gossip

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/door"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/rumor"
	"github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// FuzzReceive gives a running node datagrams, made up and real ones that were changed, at any
// times. The seed says which failure detector it has, and whether there are two zones with a budget
// between them; the script is a row of steps, see fuzzed.step.
func FuzzReceive(f *testing.F) {
	real := len(realDatagrams())
	f.Add(uint64(1), []byte{})
	for i := range real { // each as it is, then a while to act on it
		f.Add(uint64(i%8), []byte{stepReal, byte(i), byte(i >> 8), 0, 0, stepWake, 25,
			stepWake, 30, stepWake, 33})
	}
	for i := range 8 { // many in a row, each changed in one place
		var script []byte
		for j := range 30 {
			script = append(script, stepReal, byte(i*31+j*7), byte(j), byte(j*11), byte(i),
				stepWake, byte(20+j%14))
		}
		f.Add(uint64(i), script)
	}
	f.Add(uint64(2), append([]byte{stepRaw, 40}, forge("n1", 1, []byte{6, 0, 1, 0},
		make([]byte, 20))...))
	f.Add(uint64(3), []byte{stepCommand, 0, stepWake, 30, stepCommand, 1, stepWake, 20,
		stepCommand, 2, stepWake, 35, stepCommand, 3, stepWake, 40})
	for which := range byte(7) { // in two zones, something that the user wants and then the answers
		f.Add(uint64(5), []byte{stepCommand, which, stepWake, 30, stepCommand, 4, stepReal, 9,
			0, 0, 0, stepWake, 33})
	}
	f.Fuzz(func(t *testing.T, seed uint64, script []byte) {
		z := newFuzzed(t, seed)
		for steps := 0; len(script) > 0 && steps < 400; steps++ {
			script = z.step(script)
			z.check()
		}
	})
}

const (
	// index (2 bytes), position, value: a real datagram with a byte changed; value 0 leaves it as
	// it is
	stepReal = iota
	stepRaw  // length, bytes: a datagram as it stands
	stepBody // length, bytes: the same behind a good header of a member
	// exponent: turn the clock by 2^exponent nanoseconds and wake while something is due
	stepWake
	stepCommand // which: the user wants something
	stepBack    // the clock goes back
	stepKinds
)

// fuzzed is a node in a cluster of five that gets all this, and a peer that reads what it sends.
type fuzzed struct {
	t      *testing.T
	n      *Node
	reader *Node
	out    Outbox
	sink   Outbox
	now    Time
	in     int // bytes received so far
}

func newFuzzed(t *testing.T, seed uint64) *fuzzed {
	z := &fuzzed{t: t, now: Time(time.Hour)}
	z.n = z.newNode("n0", 0, seed)
	z.reader = z.newNode("n1", 1, seed)
	return z
}

// newNode makes a node that knows n0 to n4.
func (z *fuzzed) newNode(name string, i int, seed uint64) *Node {
	cfg, zone := fuzzedConfig(seed)
	n, err := New(cfg, Self{Name: name, Generation: 1, Addr: addrOf(i), Zone: zone(i)},
		rand.NewPCG(seed, uint64(i)), rand.NewPCG(3, 4))
	if err != nil {
		z.t.Fatal(err)
	}
	n.Wake(z.now, &z.out)
	for j := range 5 {
		if j != i {
			other := fmt.Sprintf("n%d", j)
			r := recordOf(other, 1, addrOf(j))
			r.Zone = zone(j)
			n.Receive(z.now, addrOf(j), forge(other, 1,
				wire.AppendRecord(nil, r, &wire.Claim{})), &z.out)
		}
	}
	z.out.Reset()
	return n
}

// fuzzedConfig is what a seed stands for: a failure detector, and from the number of those on two
// zones with a small budget.
func fuzzedConfig(seed uint64) (cfg *Config, zone func(i int) string) {
	n := uint64(len(allDetectors()))
	cfg = &Config{Detector: allDetectors()[seed%n]}
	if seed/n%2 == 0 {
		return cfg, func(int) string { return "" }
	}
	cfg.ZoneBudget = MinPairBudget
	return cfg, func(i int) string { return []string{"a", "b/r1"}[i/3%2] }
}

// realDatagrams are those that eventful clusters, two with each failure detector, sent to n0.
var realDatagrams = sync.OnceValue(func() (all [][]byte) {
	for seed := range 2 * uint64(len(allDetectors())) {
		cfg, zone := fuzzedConfig(seed)
		all = append(all, eventful(cfg, zone)...)
	}
	return all
})

// eventful runs a cluster to which much happens.
func eventful(cfg *Config, zone func(i int) string) (all [][]byte) {
	w := newWorld(&quietTB{})
	w.zone = zone
	w.loss = 0.2
	seen := map[string]int{}
	w.onSend = func(_ *peer, to netip.AddrPort, data []byte) {
		if to != addrOf(0) {
			return
		}
		_, r, _ := wire.Open(data)
		kinds := ""
		for t, _, ok := r.Next(); ok; t, _, ok = r.Next() {
			kinds += string(rune(t))
		}
		if seen[kinds]++; seen[kinds] <= 4 && len(all) < 300 {
			all = append(all, append([]byte(nil), data...))
		}
	}
	for i := range 5 {
		seeds := []int{i / 2}
		if i == 0 {
			seeds = nil
		}
		w.start(fmt.Sprintf("n%d", i), i, 1, cfg, seeds...)
	}
	w.run(20 * time.Second)
	w.do(w.nodes[2], Publish{Topic: "t", Payload: []byte("hello")})
	w.do(w.nodes[3], Set{Key: "k", Value: []byte("v")})
	w.do(w.nodes[1], Locate{member.IDOf("n0")})
	w.do(w.nodes[0], Publish{Topic: "t", Payload: make([]byte, 40_000)})
	w.nodes[4].down = true
	w.run(20 * time.Second)
	w.start("n0", 9, 7, cfg, 1)
	w.start("n4", 4, 1, cfg, 0)
	w.do(w.nodes[3], Leave{})
	w.cut = func(from, to netip.AddrPort) bool { return from == addrOf(0) || to == addrOf(0) }
	w.run(20 * time.Second)
	w.cut = nil
	w.start("stranger", 8, 1, &Config{Cluster: "other"}, 0)
	w.run(20 * time.Second)
	return all
}

// quietTB stands in for a test where none runs yet.
type quietTB struct{ testing.TB }

func (*quietTB) Helper()               {}
func (*quietTB) Errorf(string, ...any) {}
func (*quietTB) Fatal(args ...any)     { panic(fmt.Sprint(args...)) }

// step takes one step of a script and returns the rest.
func (z *fuzzed) step(script []byte) []byte {
	kind := script[0] % stepKinds
	arg := func(n int) (a [8]byte) {
		script = script[copy(a[:n], script):]
		return a
	}
	arg(1)
	switch kind {
	case stepReal:
		a := arg(4)
		real := realDatagrams()
		d := append([]byte(nil), real[int(binary.LittleEndian.Uint16(a[:]))%len(real)]...)
		if a[3] != 0 {
			d[int(a[2])*len(d)/256] ^= a[3]
		}
		z.receive(d)
	case stepRaw, stepBody:
		n := min(int(arg(1)[0])*6, len(script))
		d := script[:n]
		script = script[n:]
		if kind == stepBody {
			d = forge("n1", 1, d)
		}
		z.receive(d)
	case stepWake:
		z.now = z.now.Add(1 << min(arg(1)[0], 48)) // up to three days
		z.wake()
	case stepCommand:
		z.command(arg(1)[0])
	case stepBack:
		z.n.Wake(z.now-Time(time.Second), &z.out)
		z.sent(-1)
	}
	return script
}

func (z *fuzzed) receive(d []byte) {
	z.in += len(d)
	z.n.Receive(z.now, addrOf(1), d, &z.out)
	z.sent(mostPackets)
}

// mostPackets bounds what one datagram provokes at once: the burst of anti-entropy
// (reconcile.Config.Burst), a few direct answers and a push of news that it brought.
const mostPackets = 64 + 2*maxAnswers

func (z *fuzzed) wake() {
	for turns := 0; z.n.Deadline() <= z.now; turns++ {
		if turns > 200 {
			z.t.Fatal("it wakes again and again")
		}
		z.n.Wake(z.now, &z.out)
		z.sent(-1)
	}
}

func (z *fuzzed) command(which byte) {
	cmds := []Command{
		Publish{Topic: "t", Payload: []byte("hello")},
		SetTags{mustTags(z.t, map[string]string{"k": fmt.Sprint(which)})},
		Join{Seeds: []netip.AddrPort{addrOf(2), addrOf(int(which))}},
		Leave{},
		Publish{Topic: "t", Payload: make([]byte, 3000)},
		Set{Key: fmt.Sprint(which % 16), Value: make([]byte, 200)},
		Locate{member.IDOf(fmt.Sprintf("n%d", which%8))},
	}
	err := z.n.Do(z.now, cmds[int(which)%len(cmds)], &z.out)
	if (err != nil) != z.n.Stopped() {
		z.t.Logf("%d: %v", which, err) // backpressure at most
	}
	z.sent(-1)
}

// sent looks at what the node sent: good datagrams, and not more than most of them if that is not
// negative.
func (z *fuzzed) sent(most int) {
	if most >= 0 && len(z.out.Packets) > most {
		z.t.Fatalf("one datagram provoked %d", len(z.out.Packets))
	}
	for _, p := range z.out.Packets {
		if len(p.Data) > wire.DefaultMTU {
			z.t.Fatalf("a datagram of %d bytes", len(p.Data))
		}
		malformed := z.reader.Stats().Malformed
		z.reader.Receive(z.now, addrOf(0), p.Data, &z.sink)
		z.sink.Reset()
		if z.reader.Stats().Malformed != malformed {
			z.t.Fatalf("it sent what cannot be read: %x", p.Data)
		}
	}
	z.out.Reset()
}

// check looks for what must hold at any time.
func (z *fuzzed) check() {
	n := z.n
	z.wake()
	seeds, claims, rivals := n.door.Held()
	for what, bad := range map[string]bool{
		"the table grew more than records came": n.Table().Len() > 5+z.in/24,
		"too much news waits":                   n.roster.News.Queued() > rumor.MaxItems,
		"too many duties":                       n.relay.Stats().Jobs > 4096,
		"too many pieces are held":              n.streams.Stats().Held > 16384,
		"too many streams":                      n.streams.Stats().Streams > stream.MaxStreams,
		"too many records are wanted":           n.roster.In.Wanted() > wire.MaxRequest,
		"too many locations are asked for":      n.coords.Lookups() > 256,
		"too many wait for loans":               n.quota.Requests() > 5+z.in/24,
		"too many seeds":                        seeds > door.MaxSeeds,
		"too many claims":                       claims > door.MaxClaims,
		"too many namesakes":                    rivals > door.MaxRivals,
		"the node is not what it holds of itself": !n.Stopped() &&
			n.Self().Handle.Value() != n.roster.Record(),
		"the node holds itself dead": !n.Stopped() && !n.door.Leaving() &&
			n.Self().State != member.Alive,
	} {
		if bad {
			z.t.Fatal(what)
		}
	}
}
