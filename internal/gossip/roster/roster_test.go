package roster

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/flow"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/rumor"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A roster by itself: its node has no other parts.

type parts struct{}

func (*parts) Changed(_, _ member.Member)                                  {}
func (*parts) Forget(member.ID)                                            {}
func (*parts) Tell(Event, member.Member)                                   {}
func (*parts) Accused(mono.Time, member.Member, member.ID) bool            { return false }
func (*parts) Refuted()                                                    {}
func (*parts) Contradicts(mono.Time, wire.Claim) bool                      { return true }
func (*parts) IsHeldFailed(mono.Time, wire.Claim)                          {}
func (*parts) AskCall(mono.Time, plane.Peer, uint32)                       {}
func (*parts) AskCallers(mono.Time)                                        {}
func (*parts) Haunted(mono.Time, member.Member, plane.Peer)                {}
func (*parts) NewLife()                                                    {}
func (*parts) Unasked(mono.Time) bool                                      { return false }
func (*parts) Hold(uint32)                                                 {}
func (*parts) Untold() bool                                                { return false }
func (*parts) Said(incarnation uint32) uint32                              { return incarnation }
func (*parts) IsUnreachable(member.ID) bool                                { return false }
func (*parts) IsStale(mono.Time, member.ID) bool                           { return false }
func (*parts) AllCounted()                                                 {}
func (*parts) Fingerprint() uint64                                         { return 0 }
func (*parts) Welcomed() bool                                              { return true }
func (*parts) Leaving() bool                                               { return false }
func (*parts) Outlived(uint64, netip.AddrPort, member.State, member.Cause) {}
func (*parts) AskRival(netip.AddrPort)                                     {}
func (*parts) Unmetered() bool                                             { return true }
func (*parts) Spend(mono.Time, uint16, int)                                {}

func record(i int) member.Record {
	return member.Record{Name: fmt.Sprintf("x%d", i), Generation: 1, Protocol: 1,
		Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 7747)}
}

// lone returns the roster of a node that knows itself, x0.
func lone() (*Roster, *flow.Flow, *parts) {
	p, t := &parts{}, new(member.Table)
	f := flow.New(1, wire.DefaultMTU, member.IDOf("x0"), t)
	r := New(Setup{Self: record(0), Fanout: 4,
		Rounds: []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond}}, f, t,
		rand.New(rand.NewPCG(1, 2)))
	f.Meter = p
	f.Begin(0, &flow.Out{})
	f.Start(0, 1<<20)
	r.Start(0)
	r.Parts = Parts{Host: p, Detector: p, Called: p, Reach: p, Keys: p, Door: p}
	return r, f, p
}

// News is pushed in ⌈3/√(1−r)⌉ rounds, and in three while next to nothing is lost.
func TestRoundsFollowLoss(t *testing.T) {
	for _, c := range []struct{ percent, rounds int }{{0, 3}, {5, 3}, {30, 4}, {50, 5},
		{60, 5}, {75, 6}, {95, 8}, {100, 8}} {
		r, _, _ := lone()
		r.Losses = func() (failed, of int) { return c.percent, 100 }
		r.News.put(rumor.Item{Key: uint64(member.IDOf("x"))})
		q := &r.News.members
		var at []time.Duration
		var now mono.Time
		for it := q.Peek(now); it != nil; it = q.Peek(now) {
			at = append(at, time.Duration(now))
			q.Pushed(now, it)
			if q.Len() == 0 {
				break
			}
			now = q.Deadline()
		}
		if len(at) != c.rounds || at[2] != 20*time.Millisecond || len(at) > 3 &&
			at[3] != 35*time.Millisecond {
			t.Errorf("at %d %% loss news is pushed at %v, want %d rounds", c.percent, at, c.rounds)
		}
	}
}

// The ring holds the last ones, in order.
func TestVerdictsAreBounded(t *testing.T) {
	var v Verdicts
	for i := range 3*MaxVerdicts + 10 {
		v.add(verdict{id: 7, kind: Failed, at: mono.Time(i)})
	}
	all := slices.Collect(v.Of(7))
	if len(all) != MaxVerdicts || all[0].At != 2*MaxVerdicts+10 ||
		!slices.IsSortedFunc(all, func(a, b Verdict) int { return int(a.At - b.At) }) {
		t.Errorf("%d verdicts from %d on", len(all), all[0].At)
	}
}

// How many ends of lives are remembered is bounded.
func TestGravesAreBounded(t *testing.T) {
	r, _, _ := lone()
	for i := range maxGraves + 100 {
		r.Bury(&member.Member{ID: member.ID(i + 1), Handle: r.self, State: member.Failed})
	}
	if r.Graves.Len() != maxGraves {
		t.Errorf("%d are remembered", r.Graves.Len())
	}
}

// When a storm of news fills a datagram the evidence stays out of it; no news does.
func TestEvidenceTakesNoRoomFromNews(t *testing.T) {
	r, f, _ := lone()
	var votes []detect.Vote
	for i := range wire.MaxVotes {
		votes = append(votes, detect.Vote{Juror: member.ID(i + 1), Pings: 1000, Span: time.Hour})
	}
	const many = 100
	for i := range many {
		x := record(i + 1)
		r.Apply(member.Fact{Record: member.Share(x)}, false, 0, 0)
		r.Fail(member.IDOf(x.Name), detect.Evidence{Accuser: r.id, Votes: votes})
	}
	updates := 0
	for last := false; !last; {
		f.Reset()
		start := f.Open(0)
		storm := r.News.packNews(start)
		told := len(r.News.told)
		before := len(f.Bytes)
		r.News.packEvidence(start)
		updates += told
		if storm && f.Room(start) < 0 || told == 0 {
			t.Fatalf("%d bytes over, %d told", -f.Room(start), told)
		}
		if last = !storm; last && len(f.Bytes) == before {
			t.Error("no evidence in a datagram with room")
		}
	}
	if updates != many {
		t.Errorf("%d of %d failures were told", updates, many)
	}
}
