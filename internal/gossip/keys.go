package gossip

import (
	"iter"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/state"
)

// How the node takes part in everybody's versioned keys (package state).

// Errors of Do about keys.
var (
	ErrKey       = state.ErrKey   // empty, or longer than MaxKey
	ErrValue     = state.ErrValue // longer than MaxValue
	ErrStateFull = state.ErrFull  // this node's keys and values would take more than MaxState
	ErrTTL       = state.ErrTTL   // under a millisecond, or over a year
	ErrNoKey     = state.ErrNoKey // Delete of a key that is not there
)

// Bounds of a node's keys, in bytes. MaxState is over all of a node's keys and values, with 32
// bytes for each pair.
const (
	MaxKey   = state.MaxKey
	MaxValue = state.MaxValue
	MaxState = state.MaxNode
)

// Value is what a member wrote under a key.
type Value = state.Value

// KeyEvent tells that a member wrote a key, or that the key is gone: deleted, or lapsed.
type KeyEvent struct {
	Owner     member.ID
	OwnerName string // empty if the owner is not known here
	Key       string // empty for KeysReset
	Value     string // empty if Gone
	Version   uint64 // rises with each write of the owner in one life of it
	Gone      bool
}

// Keys returns what the node knows of everybody's keys.
func (v View) Keys() KeyView { return KeyView(v) }

// KeyView shows what a node knows of everybody's versioned keys. It is valid as long as the View is
// that it comes from. Before the node's first Wake it is empty.
type KeyView struct{ n *Node }

// Get returns what a member, this node too, wrote under a key. Members that failed or left keep
// their keys until they are forgotten; keys with a TTL lapse all the same.
func (v KeyView) Get(id member.ID, key string) (Value, bool) {
	if v.n.keys == nil {
		return Value{}, false
	}
	return v.n.keys.Get(v.n.now, id, key)
}

// All goes through all keys of all members that are held here: owners by ID, each one's keys in the
// order in which they were written. No step may be made meanwhile.
func (v KeyView) All() iter.Seq2[member.ID, Value] {
	if v.n.keys == nil {
		return func(func(member.ID, Value) bool) {}
	}
	return v.n.keys.All(v.n.now)
}

// Of goes through the keys of one member, as All does.
func (v KeyView) Of(id member.ID) iter.Seq[Value] {
	if v.n.keys == nil {
		return func(func(Value) bool) {}
	}
	return v.n.keys.Of(v.n.now, id)
}

// Stats returns what the node counts of keys.
func (v KeyView) Stats() state.Stats {
	if v.n.keys == nil {
		return state.Stats{}
	}
	return v.n.keys.Stats()
}

// Version returns up to which version this node holds what a member wrote, 0 if nothing.
func (v KeyView) Version(id member.ID) uint64 {
	if v.n.keys == nil {
		return 0
	}
	return v.n.keys.Version(id)
}

// Fingerprint returns a hash over what this node holds of live members' keys, 0 while nobody has
// written any: nodes with equal ones, and equal views of the members, hold the same keys.
func (v KeyView) Fingerprint() uint64 {
	if v.n.keys == nil {
		return 0
	}
	return v.n.keys.Fingerprint()
}

// keysHost is the node as its keys see it.
type keysHost struct{ streamHost }

func (h keysHost) Changed(_ Time, c state.Change) {
	h.n.out.Events = append(h.n.out.Events, Event{Kind: KeyChanged, Key: KeyEvent{
		Owner: c.Owner, OwnerName: nameIn(h.n.roster.Table(), c.Owner), Key: c.Key, Value: c.Value,
		Version: c.Version, Gone: c.Gone,
	}})
}

func (h keysHost) Reset(_ Time, owner member.ID) {
	h.n.out.Events = append(h.n.out.Events, Event{Kind: KeysReset,
		Key: KeyEvent{Owner: owner, OwnerName: nameIn(h.n.roster.Table(), owner)}})
}

// SendState sends nothing while the budget for the peer's zone is spent. Writes wait before; views,
// questions and answers are sent again, and would take all of the budget that writes wait for.
func (h keysHost) SendState(_ Time, to member.Member, messages []byte) int {
	if h.n.quota.MustWait(h.n.now, to.ID, len(messages)) {
		return 0
	}
	return h.n.flow.Send(plane.PeerOf(&to), plane.Own, messages)
}
