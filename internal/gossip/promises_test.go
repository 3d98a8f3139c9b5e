package gossip

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/flow"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// What docs/promises.md says of nodes, where no other test does.

// Which side of a cut a node is on: of two sides not both reach more than half of the last agreed
// view, whichever fails, under each detector. One that failed counts, and one that left does not.
func TestReach(t *testing.T) {
	for _, d := range allDetectors() {
		for _, left := range []int{1, 3, 5, 6} {
			w := newWorld(t)
			nodes := w.cluster(12, &Config{Detector: d})
			w.do(nodes[11], Leave{})
			nodes[10].down = true
			w.run(time.Minute)
			side := func(a netip.AddrPort) bool { return int(a.Addr().As4()[3]) < left }
			w.cut = func(from, to netip.AddrPort) bool { return side(from) != side(to) }
			w.run(2 * time.Minute)
			for i, p := range nodes[:10] {
				can := left // reach so many
				if i >= left {
					can = 10 - left
				}
				if reachable, of := p.Reach(); of != 11 || (2*reachable > of) != (2*can > 11) {
					t.Errorf("%s, cut at %d: n%d reaches %d of %d, and %d of 11 are on its "+
						"side", d, left, i, reachable, of, can)
				}
			}
		}
	}
}

// A member that failed or left keeps its keys until it is forgotten; then all are told that they
// are void.
func TestKeysOfTheGone(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(4, &Config{Retention: 5 * time.Minute})
	gone := nodes[2:]
	held := func(p, owner *peer) bool {
		v, ok := p.Keys().Get(owner.id, "k")
		return ok && string(v.Value) == "v"
	}
	for _, p := range gone {
		w.do(p, Set{Key: "k", Value: []byte("v")})
	}
	w.run(5 * time.Second)
	w.do(nodes[2], Leave{})
	nodes[3].down = true
	w.run(2 * time.Minute)
	for _, p := range nodes[:2] {
		for _, of := range gone {
			if m, _ := p.Table().Get(of.id); m.State.Live() || !held(p, of) {
				t.Errorf("%s holds %s for %s, with its key: %t", p.addr, m.Name(), m.State,
					held(p, of))
			}
		}
	}
	w.run(10 * time.Minute)
	for _, p := range nodes[:2] {
		if n := count(p, KeysReset); n != 2 || held(p, gone[0]) || held(p, gone[1]) {
			t.Errorf("%s was told %d times that all keys of one are void", p.addr, n)
		}
	}
}

// What a stranger's datagrams make a node send: to a stranger three times at most what came from
// it, an answer to a probe and a question for its record for each; all else together is bounded,
// however many come. One that has proven its address is welcomed, and the samples in all Welcomes
// together are bounded.
func TestStrangersGetLittle(t *testing.T) {
	const datagrams, every = 6000, 500 * time.Microsecond
	// the burst, and the last answer
	const most = flow.ReplyRate*datagrams*int(every)/int(time.Second) + flow.ReplyRate + 2000
	join := func(cluster string) func(*world, *peer, string) []byte {
		return func(_ *world, _ *peer, name string) []byte {
			return joinOf(cluster, recordOf(name, 1, forgedAddr))
		}
	}
	for what, ask := range map[string]func(w *world, p *peer, name string) []byte{
		"a ping": func(*world, *peer, string) []byte { return wire.AppendPing(nil, 7) },
		"an inquiry": func(*world, *peer, string) []byte {
			return wire.AppendInquiry(nil, wire.Inquiry{Seq: 1, Target: 5, Instance: 7})
		},
		"a request": func(*world, *peer,
			string) []byte {
			return wire.AppendRequest(nil, []member.ID{member.IDOf("n0")})
		},
		"a join of another cluster": join("other"),
		"a join":                    join("starling"),
		"a proven join": func(w *world, p *peer, name string) []byte {
			return w.provenJoin(p, recordOf(name, 1, forgedAddr))
		},
	} {
		w := newWorld(t)
		n := w.cluster(1, nil)[0]
		w.do(n, SetTags{mustTags(t, map[string]string{"k": strings.Repeat("v", 500)})})
		w.run(5 * time.Second) // it is no news then
		proven := what == "a proven join"
		answers, others, welcomes, in, out, welcomed := 0, 0, 0, 0, 0, 0
		w.onSend = func(_ *peer, to netip.AddrPort, data []byte) {
			out += len(data) + flow.IPOverhead
			switch wire.Type(data[wire.HeaderSize]) {
			case wire.TypeAck, wire.TypeNack, wire.TypeFinding, wire.TypeRequest:
				if answers++; len(data) > 100 {
					t.Errorf("%s is answered with %d bytes", what, len(data))
				}
			case wire.TypeWelcome:
				welcomes += len(data)
				welcomed++
			case wire.TypeChallenge: // of no more bytes than the Join
			default:
				others += len(data)
			}
		}
		for i := range datagrams {
			name := fmt.Sprint("x", i)
			d := forge(name, 1, ask(w, n, name))
			in += len(d) + flow.IPOverhead
			before, sent := answers, w.onSend
			w.step(n, func(out *Outbox) { n.Receive(w.Now, forgedAddr, d, out) })
			if answers-before > 2 {
				t.Fatalf("%s has %d answers", what, answers-before)
			}
			if !proven && out > 3*in {
				t.Fatalf("%s: %d bytes came, and %d went out", what, in, out)
			}
			w.onSend = nil // what the node does by itself, to ghosts that have joined
			w.run(every)
			w.onSend = sent
		}
		if own := 600; others > most || welcomes > 5*welcomeRate+(100+own)*datagrams ||
			proven != (welcomed == datagrams) {
			t.Errorf("%s, 2,000 times a second for 3 s: %d Welcomes of %d bytes, %d of all "+
				"else, %d allowed", what, welcomed, welcomes, others, most)
		}
	}
}
