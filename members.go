package starling

// This file is the members of the cluster, as the caller sees them.

import (
	"fmt"
	"iter"
	"net/netip"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// State is what a node holds of a member.
type State uint8

// The states of a member.
const (
	Alive   State = iota // it answers, or others say that it does
	Suspect              // it may have failed; it counts as live until that is decided
	Failed               // it was declared failed, which Node.Why tells about
	Left                 // it said goodbye
)

// The states have the core's numbers.
var _ = [1]struct{}{}[Left-State(member.Left)]

// Live says whether the state is Alive or Suspect.
func (s State) Live() bool { return member.State(s).Live() }

// String returns "alive", "suspect", "failed" or "left".
func (s State) String() string { return member.State(s).String() }

// Tags are a member's key=value pairs, at most 640 bytes in all, with three bytes more for each
// pair. They never change, and are comparable with ==. The zero Tags are none.
type Tags struct{ pairs member.Tags }

// NewTags makes the tags that a member with these pairs has, for tests of what a program does with
// members. A node's own come from Config.Tags and [Node.SetTags].
func NewTags(pairs map[string]string) (Tags, error) {
	t, err := member.NewTags(pairs)
	if err != nil {
		return Tags{}, fmt.Errorf("starling: %w", err)
	}
	return Tags{t}, nil
}

// Get returns the value of a key and whether there is one.
func (t Tags) Get(key string) (value string, ok bool) { return t.pairs.Get(key) }

// All goes through the pairs in the order of their keys.
func (t Tags) All() iter.Seq2[string, string] { return t.pairs.All() }

// Map returns the pairs as a map of the caller's own.
func (t Tags) Map() map[string]string { return t.pairs.Map() }

// Member is what this node knows of one member, as a value that stays what it was.
type Member struct {
	Name  string
	Addr  netip.AddrPort // where it receives packets that this node sends
	State State
	Cause Cause // of Failed: why; else empty
	Zone  string
	Tags  Tags
	// which life of the member: milliseconds of Unix time at its start, or more
	Generation uint64
	// rises in one life whenever the member contradicts a suspicion or changes its tags
	Incarnation uint32
	Since       time.Time // when this node last saw State change
	// OutOfFamily says that this node's socket does not serve the IP family of Addr (see
	// Config.Bind), or that its host has no routes of it. So this node reaches the member through
	// others alone, and does not wait for it. One that it hears from an address of its own family
	// it sends to there.
	OutOfFamily bool
}

// Self returns this node as the others see it.
func (n *Node) Self() (self Member) {
	n.read(func() { self = n.member(n.core.Self()) })
	return self
}

// Members goes through all members at one moment, this node and the remembered dead included, the
// live first. The order is otherwise without meaning. After the node has stopped it is the last
// state of things.
func (n *Node) Members() iter.Seq[Member] {
	return n.snapshot().all(n)
}

// Phi returns the level of suspicion of a member that this node watches, −log10 of the
// probability that it lives and is only late; ok is false for others, and with every detector
// but [Accrual].
func (n *Node) Phi(name string) (phi float64, ok bool) {
	n.read(func() { phi, ok = n.core.Phi(n.now(), member.IDOf(name)) })
	return phi, ok
}

// Member returns what is known of the member with a name.
func (n *Node) Member(name string) (m Member, ok bool) {
	n.read(func() {
		var known member.Member
		if known, ok = n.core.Table().Get(member.IDOf(name)); ok {
			m = n.member(known)
		}
	})
	return m, ok && m.Name == name
}

// member turns the core's view of a member into the user's.
func (n *Node) member(m member.Member) Member {
	r := m.Record()
	var why Cause
	if m.State == member.Failed {
		why = cause(m.Cause)
	}
	return Member{
		Cause:       why,
		Name:        r.Name,
		Addr:        m.Addr(),
		State:       State(m.State),
		Zone:        r.Zone,
		Tags:        Tags{r.Tags},
		Generation:  r.Generation,
		Incarnation: m.Incarnation,
		Since:       n.wall(m.Since),
		OutOfFamily: m.OutOfFamily,
	}
}

// snapshot is all members at one moment. It never changes.
type snapshot struct {
	changes uint64 // of the table at that moment
	members []member.Member
}

// snapshot returns the present members: the last snapshot if nothing changed since, else a new one.
func (n *Node) snapshot() (s *snapshot) {
	if s = n.cached.Load(); s != nil && s.changes == n.changes.Load() {
		return s
	}
	n.read(func() { s = n.take() })
	return s
}

// take makes a snapshot, where the core is at rest.
func (n *Node) take() *snapshot {
	t := n.core.Table()
	if s := n.cached.Load(); s != nil && s.changes == t.Changes() {
		return s
	}
	s := &snapshot{changes: t.Changes(), members: make([]member.Member, 0, t.Len())}
	for m := range t.All() {
		s.members = append(s.members, m)
	}
	n.cached.Store(s)
	return s
}

func (s *snapshot) all(n *Node) iter.Seq[Member] {
	return func(yield func(Member) bool) {
		for i := range s.members {
			if !yield(n.member(s.members[i])) {
				return
			}
		}
	}
}
