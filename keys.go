package starling

// This file is the versioned keys that each node writes about itself, and everybody reads.

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// Entry is what a member wrote under a key.
type Entry struct {
	Owner   string // the member's name; empty while it is not known here yet
	Key     string
	Value   string        // any bytes
	Version uint64        // rises with each write of the owner in one life of it, over all its keys
	TTL     time.Duration // that remains until the key lapses; 0 if it does not
}

// Set writes a key of this node's own, for all members to read; a later write of the same key
// replaces it. With a ttl the key is deleted after that time, 0 keeps it until Delete or until the
// node stops and is forgotten: a node that starts again begins without keys. It returns when the
// write is on its way, not when it has arrived. Of keys that are written faster than they can be
// told, others see the newest. The value is copied.
//
// The error is ErrKey, ErrValue, ErrTTL (a ttl from a millisecond to a year is possible),
// ErrStateFull, that of ctx, or why the node stopped; then nothing was written.
func (n *Node) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return n.do(ctx, gossip.Set{Key: key, Value: value, TTL: ttl})
}

// Delete deletes a key of this node's own. The error is ErrNoKey if it is not there, that of ctx,
// or why the node stopped.
func (n *Node) Delete(ctx context.Context, key string) error {
	return n.do(ctx, gossip.Delete{Key: key})
}

// Get returns what a member, this node too, wrote under a key, as far as it is known here. Members
// that failed or left keep their keys until they are forgotten: look at Member for their state.
func (n *Node) Get(owner, key string) (e Entry, ok bool) {
	n.read(func() {
		var v gossip.Value
		if v, ok = n.core.Keys().Get(member.IDOf(owner), key); ok {
			e = entryOf(owner, v)
		}
	})
	return e, ok
}

// Keys goes through the keys of some members, or of all if none is named, as they are known here at
// one moment: by owner and key.
func (n *Node) Keys(owners ...string) iter.Seq[Entry] {
	var all []Entry
	n.read(func() { all = n.entries("", owners) })
	slices.SortFunc(all, func(a, b Entry) int {
		return cmp.Or(strings.Compare(a.Owner,
			b.Owner), strings.Compare(a.Key, b.Key))
	})
	return slices.Values(all)
}

// entries returns the keys with a prefix, where the core is at rest.
func (n *Node) entries(prefix string, owners []string) (all []Entry) {
	names := map[member.ID]string{}
	for id, v := range n.core.Keys().All() {
		if !strings.HasPrefix(v.Key, prefix) {
			continue
		}
		name, ok := names[id]
		if !ok {
			if m, known := n.core.Table().Get(id); known {
				name = m.Record().Name
			}
			names[id] = name
		}
		if len(owners) == 0 || slices.Contains(owners, name) {
			all = append(all, entryOf(name, v))
		}
	}
	return all
}

func entryOf(owner string, v gossip.Value) Entry {
	return Entry{Owner: owner, Key: v.Key, Value: v.Value, Version: v.Version, TTL: v.TTL}
}

// KeyEventKind says what a KeyEvent tells. Its String is "set", "gone", "reset" or "resync".
type KeyEventKind uint8

// What happens to keys.
const (
	KeySet  KeyEventKind = iota + 1 // a key was written
	KeyGone                         // it was deleted, or has lapsed
	// all keys of Owner are void: it began a new life, or is forgotten
	KeysReset
	// the reader was too slow: forget all keys; those that are there now follow
	KeyResync
)

// String returns the kind as it stands in the command line's output.
func (k KeyEventKind) String() string {
	if names := [...]string{"", "set", "gone", "reset", "resync"}; k > 0 && int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("KeyEventKind(%d)", uint8(k))
}

// KeyEvent is a change of a key.
type KeyEvent struct {
	Time     time.Time
	Kind     KeyEventKind
	Entry         // its Key and Value are empty where there is none; TTL is not told
	Replayed bool // it is what was there when the watch began, or after a KeyResync: no news
}

// WatchKeys returns the changes of all members' keys that begin with a prefix ("" for all), from
// now on, each owner's in order, after a KeySet (marked Replayed) for each that is there now. Of a
// key that is written again before it is told, only the newest value may come. Range over it once;
// a second range ends at once. It ends when ctx does or the node stops (see Node.Ended), and costs
// memory until then or until the loop is left. At most WatchKeysQueue events and WatchKeysBytes
// wait for a slow reader; on overflow they are dropped, and a KeyResync comes in their place,
// followed by what is there then.
func (n *Node) WatchKeys(ctx context.Context, prefix string) iter.Seq[KeyEvent] {
	w := n.watchKeys(ctx, prefix)
	return once(func(yield func(KeyEvent) bool) {
		for w != nil && w.follow(ctx, yield) {
			if !yield(KeyEvent{Time: n.wall(n.now()), Kind: KeyResync}) {
				return
			}
			w = n.watchKeys(ctx, prefix)
		}
	})
}

// keyWatcher is one reader of the changes of keys that come after what was there.
type keyWatcher struct {
	*queue[KeyEvent]
	node    *Node
	prefix  string
	first   []Entry
	release func() bool
}

// watchKeys begins to watch; nil if the node has stopped or ctx ended.
func (n *Node) watchKeys(ctx context.Context, prefix string) *keyWatcher {
	size := func(e *KeyEvent) int { return len(e.Key) + len(e.Value) }
	w := &keyWatcher{queue: newQueue(WatchKeysQueue, WatchKeysBytes, size), node: n, prefix: prefix}
	err := n.call(ctx, func(gossip.Time, *gossip.Outbox) {
		n.flush() // what happened before is part of what is there
		w.first = n.entries(prefix, nil)
		n.keyWatchers = append(prune(n.keyWatchers), w)
	})
	if err != nil {
		return nil
	}
	w.release = context.AfterFunc(ctx, w.close)
	return w
}

// follow yields what was there and what comes after it. It returns true if the reader missed
// something.
func (w *keyWatcher) follow(ctx context.Context, yield func(KeyEvent) bool) (missed bool) {
	defer w.close()
	defer w.release()
	n := w.node
	begin := n.wall(n.now())
	for _, e := range w.first {
		if ctx.Err() != nil || !yield(KeyEvent{Time: begin, Kind: KeySet, Entry: e,
			Replayed: true}) {
			return false
		}
	}
	w.first = nil
	for {
		e, lost, ok := w.pop(ctx, n.done)
		switch {
		case !ok:
			return false
		case lost > 0:
			return true
		case !yield(e):
			return false
		}
	}
}

// tellKeyWatchers passes on a change of a key.
func (n *Node) tellKeyWatchers(kind gossip.EventKind, k *gossip.KeyEvent) {
	if len(n.keyWatchers) == 0 {
		return
	}
	n.keyWatchers = prune(n.keyWatchers)
	e := KeyEvent{Time: n.wall(n.now()), Kind: KeySet,
		Entry: Entry{Owner: k.OwnerName, Key: k.Key, Value: k.Value, Version: k.Version}}
	switch {
	case kind == gossip.KeysReset:
		e.Kind = KeysReset
	case k.Gone:
		e.Kind = KeyGone
	}
	for _, w := range n.keyWatchers {
		if kind == gossip.KeysReset || strings.HasPrefix(k.Key, w.prefix) {
			w.push(e)
		}
	}
}
