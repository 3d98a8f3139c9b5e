package called

import (
	"iter"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/plane/planetest"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// fake is a node that hears all but some.
type fake struct {
	*planetest.Env
	away map[member.ID]bool
}

func (f fake) NoMajority() bool                        { return false }
func (f fake) Isolated() bool                          { return false }
func (f fake) IsUnreachable(id member.ID) bool         { return f.away[id] }
func (f fake) Silent() iter.Seq[member.ID]             { return func(func(member.ID) bool) {} }
func (f fake) Absent() int                             { return len(f.away) }
func (f fake) Ways() int                               { return len(f.Peers) }
func (f fake) WayAt(i int) (plane.Peer, mono.Time)     { return f.Peers[i], 1 }
func (f fake) LastHeard(member.ID) mono.Time           { return 1 }
func (f fake) Refute(uint32)                           {}
func (f fake) SpreadSelf()                             {}
func (f fake) TellSelf(plane.Peer)                     {}
func (f fake) Note(member.Member, plane.Peer)          {}
func (f fake) SetDeaf(mono.Time, member.Member)        {}
func (f fake) Woke()                                   {}
func (f fake) Asked(wire.Inquiry)                      {}
func (f fake) HeldFailed(member.Member, time.Duration) {}
func (f fake) Unreached(bool)                          {}

func (f fake) AppendNote(b []byte, _ member.Member) []byte { return b }

// A node that is held failed, and asked two to call it, has the call of more than half of those
// that can: for that of one that it cannot reach since it may wait for ever.
func TestTheUnreachableAreNotWaitedFor(t *testing.T) {
	f := fake{planetest.New(4), map[member.ID]bool{}}
	c := New(1, f, time.Second)
	for _, p := range f.Peers[1:3] {
		c.begs = append(c.begs, beggar{peer: p})
	}
	if c.calledByMost(f.Peers[1].ID) {
		t.Error("one of two is most")
	}
	f.away[f.Peers[2].ID] = true
	if !c.calledByMost(f.Peers[1].ID) {
		t.Error("the call of one that is unreachable is waited for")
	}
}

// Of failed members that are heard a bounded number is remembered.
func TestGhostsAreBounded(t *testing.T) {
	f := fake{Env: planetest.New(2)}
	c := New(1, f, time.Second)
	for i := range 4 * maxGhosts {
		c.Haunted(2, member.Member{ID: member.ID(i + 1), State: member.Failed}, f.Peers[1])
	}
	if len(c.ghosts) > maxGhosts {
		t.Errorf("%d ghosts", len(c.ghosts))
	}
}
