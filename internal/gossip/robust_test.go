package gossip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/flow"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// What a node must bear: forged and broken input, odd configurations, pauses, loss, floods. Each
// test of a forged datagram says what an outsider of a cluster without a key, or a faulty insider,
// could do.

// forge makes a datagram of the default cluster as if from a member.
func forge(from string, generation uint32, body ...[]byte) []byte {
	b := wire.AppendHeader(nil, wire.Header{
		Cluster: wire.ClusterHash("starling"), From: member.IDOf(from), Generation: generation,
	})
	for _, m := range body {
		b = append(b, m...)
	}
	return b
}

// carry is a Carry of a message in one piece, for the receiver alone. Of the body, see package
// stream.
func carry(origin member.ID, seq uint64, topic string, payload []byte) []byte {
	return appendCarry(nil, origin, seq, topic, payload)
}

func appendCarry(b []byte, origin member.ID, seq uint64, topic string, payload []byte) []byte {
	var body [512]byte
	x := append(binary.AppendUvarint(body[:0], seq), 0, 0, byte(len(topic)))
	x = append(append(x, topic...), payload...)
	begin := len(b)
	b = wire.BeginCarry(b, &wire.Branch{
		Origin: origin, Generation: 1, First: seq, Span: wire.Span{Bits: wire.SpanSelf}, Count: 1,
	})
	return wire.EndCarry(wire.AppendBody(b, x), begin)
}

// forgedAddr is where forged datagrams come from; nobody is there.
var forgedAddr = netip.MustParseAddrPort("10.9.9.9:9")

// inject hands a datagram to a node as if it came from forgedAddr, and returns how many packets and
// bytes it provoked at once.
func (w *world) inject(p *peer, datagram []byte) (packets, bytes int) {
	before := w.onSend
	defer func() { w.onSend = before }()
	w.onSend = func(_ *peer, _ netip.AddrPort, data []byte) { packets++; bytes += len(data) }
	w.step(p, func(out *Outbox) { p.Receive(w.Now, forgedAddr, datagram, out) })
	return packets, bytes
}

// joinOf is a Join without a cookie.
func joinOf(cluster string, r *member.Record) []byte {
	return wire.AppendJoin(nil, &wire.Join{Detector: uint8(INQUEST), Cluster: []byte(cluster),
		Number: 7}, r, 0)
}

// provenJoin is a Join of a newcomer that got the node's Challenge.
func (w *world) provenJoin(p *peer, r *member.Record) []byte {
	return wire.AppendJoin(nil, w.proof(p, &wire.Join{Detector: uint8(INQUEST),
		Cluster: []byte("starling"), Number: 7}, r), r, 0)
}

// proof puts a node's cookie into a Join: that of the Challenge to one without.
func (w *world) proof(p *peer, j *wire.Join, r *member.Record) *wire.Join {
	w.t.Helper()
	j.HasCookie = true // a wrong one: so the Challenge is no longer than the Join
	var out Outbox
	p.Receive(w.Now, r.Addr, forge(r.Name, uint32(r.Generation), wire.AppendJoin(nil, j, r, 0)),
		&out)
	for _, d := range out.Packets {
		_, m, _ := wire.Open(d.Data)
		if t, body, ok := m.Next(); ok && t == wire.TypeChallenge {
			c, _ := wire.ReadChallenge(body)
			j.Cookie = c.Cookie
			return j
		}
	}
	w.t.Fatal("no Challenge")
	return nil
}

// joins returns the numbers of the last Join from each address, from now on.
func (w *world) joins() map[netip.AddrPort]uint32 {
	last := map[netip.AddrPort]uint32{}
	w.onSend = func(p *peer, _ netip.AddrPort, data []byte) {
		_, r, _ := wire.Open(data)
		if t, body, ok := r.Next(); ok && t == wire.TypeJoin {
			j, _ := wire.ReadJoin(body)
			last[p.addr] = j.Number
		}
	}
	return last
}

func recordOf(name string, generation uint64, addr netip.AddrPort) *member.Record {
	return &member.Record{Name: name, Generation: generation, Addr: addr, Protocol: Version}
}

// A node that leaves while all others are dead has no live member left to draw.
func TestLeaveAmongTheDead(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(2, &Config{Reconnect: 10 * time.Millisecond})
	nodes[1].down = true
	w.until(30*time.Second, "n1 failed", func() bool { return w.allHold("n1", member.Failed) })
	w.do(nodes[0], Leave{})
	w.until(time.Second, "n0 stops", nodes[0].Stopped)
}

// Whatever is claimed of a node, it can go over it.
func TestRefuteLargestIncarnation(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(4, nil)
	self := nodes[0].Self()
	w.inject(nodes[1], forge("n2", 1, wire.AppendUpdate(nil,
		&wire.Update{ID: self.ID, Check: self.Check, Claim: wire.Claim{
			Generation: 1, Incarnation: math.MaxUint32, State: member.Failed,
		}})))
	w.run(30 * time.Second)
	if !w.allSee(4) {
		t.Errorf("one forged datagram put a live member out for good\n%s", w.views())
	}
}

// A generation that nobody can go over is no news.
func TestRefuteLargestGeneration(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(4, nil)
	r := recordOf("n0", math.MaxUint64, addrOf(0))
	w.inject(nodes[1], forge("n2", 1, wire.AppendRecord(nil, r, &wire.Claim{State: member.Left})))
	w.run(30 * time.Second)
	if !w.allSee(4) || nodes[0].Stopped() {
		t.Errorf("one forged datagram put a live member out for good\n%s", w.views())
	}
}

// A join in the name of another than its sender changes nothing, least of all what a node holds of
// itself.
func TestJoinInAnothersName(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(3, nil)
	r := recordOf("n0", 5, addrOf(0))
	w.inject(nodes[0], forge("x", 1, w.provenJoin(nodes[0], r)))
	if self := nodes[0].Self(); self.Handle.Value() != nodes[0].roster.Record() {
		t.Errorf("the node holds itself to be in generation %d", self.Generation())
	}
}

// What a datagram provokes at once is bounded, whatever is packed into it: a forged source address
// must not turn a node into an amplifier. What goes to an address that is nobody's is three times
// at most what came from it. One that has proven its address is welcomed with one datagram, however
// many are to be told of and however much each says of itself.
func TestAmplification(t *testing.T) {
	later := recordOf("n0", 9, netip.MustParseAddrPort("10.6.6.6:6"))
	all := make([]member.ID, 30)
	for i := range all {
		all[i] = member.IDOf(fmt.Sprintf("n%d", i))
	}
	for _, c := range []struct {
		what    string
		from    string
		message func(w *world, p *peer) []byte
	}{
		{"pings", "x", func(*world, *peer) []byte { return wire.AppendPing(nil, 7) }},
		{"pings of another life of a member", "n1",
			func(*world, *peer) []byte { return wire.AppendPing(nil, 7) }},
		{"pings of a member elsewhere", "n2", func(*world,
			*peer) []byte {
			return wire.AppendPing(nil, 7)
		}},
		{"pings of a failed member elsewhere", "n3",
			func(*world, *peer) []byte { return wire.AppendPing(nil, 7) }},
		{"leases", "x", func(*world, *peer) []byte {
			return wire.AppendLease(nil,
				wire.Lease{Seq: 7, Next: time.Second})
		}},
		{"inquiries", "n2", func(*world, *peer) []byte {
			return wire.AppendInquiry(nil, wire.Inquiry{Seq: 7, Target: member.IDOf("n1"),
				Instance: member.Instance(member.IDOf("n1"), 1)})
		}},
		{"ping requests for a member", "x", func(*world, *peer) []byte {
			return wire.AppendPingReq(nil, wire.PingReq{Seq: 7, Target: member.IDOf("n1"),
				Instance: member.Instance(member.IDOf("n1"), 1)})
		}},
		{"ping requests for nobody", "x", func(*world, *peer) []byte {
			return wire.AppendPingReq(nil, wire.PingReq{Seq: 7, Target: 1, Instance: 1})
		}},
		{"joins", "x", func(*world, *peer) []byte {
			return joinOf("starling",
				recordOf("x", 1, forgedAddr))
		}},
		{"joins in the name of a member", "n1", func(*world,
			*peer) []byte {
			return joinOf("starling", recordOf("n1", 1, forgedAddr))
		}},
		{"joins of another cluster", "x", func(*world,
			*peer) []byte {
			return joinOf("other", recordOf("x", 1, forgedAddr))
		}},
		{"requests", "x", func(*world, *peer) []byte {
			return wire.AppendRequest(nil,
				[]member.ID{member.IDOf("n1")})
		}},
		{"one request for all", "x", func(*world,
			*peer) []byte {
			return wire.AppendRequest(nil, all)
		}},
		{"another life of the node itself", "x", func(*world, *peer) []byte {
			return wire.AppendRecord(nil, later, &wire.Claim{Generation: 9})
		}},
		{"a namesake's claims", "n0", func(*world, *peer) []byte {
			return wire.AppendConflict(nil, &wire.Conflict{Number: 3, Uptime: 1 << 50}, later, 0)
		}},
		{"that the node failed", "x", func(_ *world, p *peer) []byte {
			m := p.Self()
			return wire.AppendUpdate(nil, &wire.Update{ID: m.ID, Check: m.Check,
				Claim: wire.Claim{Generation: 1, State: member.Failed}})
		}},
		{"somebody else lives here", "x", func(_ *world,
			p *peer) []byte {
			return wire.AppendMistaken(nil,
				wire.Mistaken{Instance: p.roster.Instance()})
		}},
		{"proven joins", "x", func(w *world, p *peer) []byte {
			return w.provenJoin(p,
				recordOf("x", 1, forgedAddr))
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			for _, most := range []bool{false, true} { // a datagram full of it, or one
				w := newWorld(t)
				nodes := w.cluster(30, nil)
				w.run(5 * time.Second)
				for i := range 30 { // news that would ride along
					w.do(nodes[i], SetTags{mustTags(t,
						map[string]string{"k": strings.Repeat("v", member.MaxTags-4)})})
				}
				nodes[3].down = true
				w.until(20*time.Second, "n3 failed",
					func() bool { return w.allHold("n3", member.Failed) })
				for i := range 30 {
					w.do(nodes[i], SetTags{mustTags(t,
						map[string]string{"k": strings.Repeat("w", member.MaxTags-4)})})
				}
				message := c.message(w, nodes[0])
				bodies := [][]byte{message}
				for n := wire.HeaderSize + len(message); most &&
					n+len(message) <= wire.DefaultMTU; n += len(message) {
					bodies = append(bodies, message)
				}
				datagram := forge(c.from, 5, bodies...)
				if c.from == "n2" || c.from == "n3" ||
					c.what == "joins in the name of a member" || c.what == "joins" ||
					c.what == "proven joins" {
					datagram = forge(c.from, 1, bodies...)
				}
				packets, bytes, stranger, welcomes := 0, 0, 0, 0
				w.onSend = func(_ *peer, to netip.AddrPort, data []byte) {
					packets, bytes = packets+1, bytes+len(data)
					switch known := to.Addr().As4(); {
					case known[0] == 10 && known[1] == 0:
					case wire.Type(data[wire.HeaderSize]) == wire.TypeWelcome:
						welcomes++
					default:
						stranger += len(data) + flow.IPOverhead
					}
				}
				w.step(nodes[0], func(out *Outbox) {
					nodes[0].Receive(w.Now, forgedAddr,
						datagram, out)
				})
				if packets > maxAnswers || bytes > maxAnswers*wire.DefaultMTU {
					t.Errorf("%d bytes in, %d packets of %d bytes out", len(datagram), packets,
						bytes)
				}
				proven := c.what == "proven joins"
				if stranger > 3*(len(datagram)+flow.IPOverhead) && !proven || welcomes > 1 ||
					(welcomes == 1) != proven {
					t.Errorf("%d bytes in; %d to strangers, %d Welcomes",
						len(datagram)+flow.IPOverhead, stranger, welcomes)
				}
			}
		})
	}
}

// maxAnswers bounds what a datagram may provoke at once: a few answers of its own, and a push of
// news to a few peers.
const maxAnswers = 16

func mustTags(t testing.TB, pairs map[string]string) member.Tags {
	t.Helper()
	tags, err := member.NewTags(pairs)
	if err != nil {
		t.Fatal(err)
	}
	return tags
}

// Forged origins must not use up the room in which streams are known: real members are heard after
// it.
func TestOriginFlood(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(3, nil)
	for i := range stream.MaxStreams + 10 {
		w.inject(nodes[0], forge("n1", 1, carry(member.ID(i+1), 1, "t", nil)))
		w.run(10 * time.Millisecond)
	}
	if n := nodes[0].StreamStats().Streams; n > stream.MaxStreams {
		t.Errorf("%d streams", n)
	}
	before := count(nodes[0], MessageDelivered)
	w.do(nodes[2], Publish{Topic: "t", Payload: []byte("real")})
	w.run(time.Second)
	if count(nodes[0], MessageDelivered) != before+1 {
		t.Error("a member's message was taken for an old one")
	}
}

// A node asks about itself when somebody tells of a later life of it; such asking is bounded too.
func TestWantedBounded(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(2, nil)
	u := wire.AppendUpdate(nil, &wire.Update{ID: nodes[0].id,
		Claim: wire.Claim{Generation: 9, State: member.Left}})
	var bodies [][]byte
	for range 40 {
		bodies = append(bodies, u)
	}
	for range 1000 {
		w.inject(nodes[0], forge("n0", 9, bodies...)) // a namesake
	}
	if n := nodes[0].roster.In.Wanted(); n > wire.MaxRequest {
		t.Errorf("%d records wanted", n)
	}
}

// Odd configurations are refused or work; none panics or sends more than a datagram may hold.
func TestOddConfig(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no rounds":          {Rounds: []time.Duration{}},
		"negative rounds":    {Rounds: []time.Duration{-time.Second}},
		"falling rounds":     {Rounds: []time.Duration{0, time.Second, time.Millisecond}},
		"many rounds":        {Rounds: make([]time.Duration, 20)},
		"negative JoinRetry": {JoinRetry: -1},
		"negative Reseed":    {Reseed: -1},
		"short Reconnect":    {Reconnect: time.Millisecond},
		"tiny budget":        {Budget: 1},
		"huge fanout":        {Fanout: 1 << 20},
		"long cluster name":  {Cluster: strings.Repeat("c", 255), MTU: wire.MinMTU},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tags := mustTags(t, map[string]string{"k": strings.Repeat("v", member.MaxTags-4)})
			for i := range 3 {
				n, err := New(&cfg, Self{Name: string(rune('a' + i)), Generation: 1 << 42,
					Addr: addrOf(i), Tags: tags}, w.rng, w.rng)
				if err != nil {
					if !errors.Is(err, ErrConfig) {
						t.Errorf("not an error of the configuration: %v", err)
					}
					return
				}
				p := &peer{Node: n, addr: addrOf(i)}
				w.nodes = append(w.nodes, p)
				w.step(p, func(out *Outbox) { n.Wake(w.Now, out) })
				w.do(p, Join{Seeds: []netip.AddrPort{addrOf(0)}})
			}
			w.runSteps(10*time.Second, 100_000)
			for range 10 {
				w.do(w.nodes[1], Publish{Topic: "t", Payload: []byte("x")})
			}
			w.do(w.nodes[2], Leave{})
			w.runSteps(5*time.Second, 100_000)
			if !w.nodes[2].Stopped() {
				t.Error("it did not leave")
			}
		})
	}
}

// runSteps runs for a time, and fails after so many steps: something spins.
func (w *world) runSteps(d time.Duration, most int) {
	w.t.Helper()
	for end := w.Now.Add(d); w.advance(end); most-- {
		if most == 0 {
			w.t.Fatalf("still busy at %s", time.Duration(w.Now))
		}
	}
}

// A question from a stranger is answered, and not with a question: two that do not know each other
// would ask for ever.
func TestStrangersDoNotAskForEver(t *testing.T) {
	w := newWorld(t)
	a := w.start("a", 0, 1, nil)
	w.run(time.Second)
	for what, c := range map[string]struct {
		message []byte
		asked   int
	}{
		"a ping":     {wire.AppendPing(nil, 7), 1},
		"a question": {wire.AppendRequest(nil, []member.ID{77}), 0},
	} {
		asked := 0
		w.onSend = func(_ *peer, _ netip.AddrPort, data []byte) {
			_, r, err := wire.Open(data)
			for ty, _, ok := r.Next(); err == nil && ok; ty, _, ok = r.Next() {
				if ty == wire.TypeRequest {
					asked++
				}
			}
		}
		d := forge("x", 1, c.message)
		w.step(a, func(out *Outbox) { a.Receive(w.Now, forgedAddr, d, out) })
		if asked != c.asked {
			t.Errorf("%s: %d questions", what, asked)
		}
	}
}
