package starling

// This file is the stream of changes in the membership.

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// EventKind says what an Event tells. Its String is "joined", "updated", "suspected", "recovered",
// "failed", "left", "unreachable", "reachable", "isolated", "reunited", "unreached", "reached",
// "unheard", "heard", "undecided", "decided", "zone-unreachable", "zone-recovered" or "resync".
type EventKind uint8

// What happens to members.
const (
	// unknown before, or back in a new life; a MemberFailed or MemberLeft of the former one was
	// told
	MemberJoined  EventKind = iota + 1
	MemberUpdated           // its tags or another part of its record changed
	// it may have failed, as this node sees it or one that shares its suspicions (Tuning)
	MemberSuspected
	MemberRecovered // it was suspect or failed, and lives
	MemberFailed    // it was declared failed: Member.Cause has the cause, Node.Why the evidence
	MemberLeft      // it said goodbye
	// MemberUnreachable and MemberReachable tell of a live member that this node cannot reach,
	// while too few others can be asked about it, and that it can again. The others are told
	// nothing.
	MemberUnreachable
	MemberReachable
	// Isolated tells that this node, which is the event's Member, hears almost no member, or almost
	// none hears it, and that it declares none failed for that. Reunited tells that a member
	// answers it again.
	Isolated
	Reunited
	// ZoneUnreachable and ZoneRecovered tell that nobody of a whole other zone is heard from here,
	// and that somebody is again: once, before MemberUnreachable and MemberReachable for each of
	// its live members. The event's Member is this node. They are declared failed only after
	// Tuning.ZoneGrace.
	ZoneUnreachable
	ZoneRecovered
	// Unreached tells that nothing that others send to the address of this node, which is the
	// event's Member, comes here, while they hear it. Reached tells that something does again.
	Unreached
	Reached
	// Undecided tells that some live members (Silent of Of) are silent, and that too few others
	// answer to judge them. They are dead, or this node is cut off with those few, and it cannot
	// tell which. The event's Member is this node. See Forget. Told again when their number
	// changes; Decided tells that there are none any more.
	Undecided
	Decided
	// Unheard tells, beside Isolated, that this node, which is the event's Member, hears the
	// others, and that none answers what it sends: that does not leave its host, or does not
	// arrive. HeardAgain tells that somebody answers again.
	Unheard
	HeardAgain
	// the watcher was too slow and missed events: forget what was built from them; the present
	// state follows
	Resync
)

// String returns the kind as it stands in the command line's output.
func (k EventKind) String() string {
	switch k {
	case MemberJoined:
		return "joined"
	case MemberUpdated:
		return "updated"
	case MemberSuspected:
		return "suspected"
	case MemberRecovered:
		return "recovered"
	case MemberFailed:
		return "failed"
	case MemberLeft:
		return "left"
	case MemberUnreachable:
		return "unreachable"
	case MemberReachable:
		return "reachable"
	case Isolated:
		return "isolated"
	case Reunited:
		return "reunited"
	case Unreached:
		return "unreached"
	case Reached:
		return "reached"
	case Unheard:
		return "unheard"
	case HeardAgain:
		return "heard"
	case Undecided:
		return "undecided"
	case Decided:
		return "decided"
	case ZoneUnreachable:
		return "zone-unreachable"
	case ZoneRecovered:
		return "zone-recovered"
	case Resync:
		return "resync"
	}
	return fmt.Sprintf("EventKind(%d)", uint8(k))
}

// Event is a change in the membership.
type Event struct {
	Time   time.Time
	Kind   EventKind
	Member Member // as it is after the change; zero for Resync
	Zone   Zone   // for ZoneUnreachable and ZoneRecovered

	Silent, Of int // for Undecided: members
	// Replayed marks the part of the present state that a watch begins with, and that follows a
	// Resync: a MemberJoined for every live member. It is no news.
	Replayed bool
}

// Zone is a whole zone, by the first part of its path.
type Zone struct {
	Name    string
	Members int // that are live in it, as this node holds
}

// Watch returns the changes in the membership from now on, in order, after a MemberJoined event
// (marked Replayed) for each member that is live now, this node included. Range over it once; a
// second range ends at once:
//
//	for e := range node.Watch(ctx) { … }
//
// It ends when ctx does or the node stops (see Node.Ended), and costs memory until then or until
// the loop is left. At most WatchQueue events wait for a slow reader. On overflow they are dropped,
// and a Resync comes in their place, followed by the then present state, replayed.
func (n *Node) Watch(ctx context.Context) iter.Seq[Event] {
	w := n.watch(ctx)
	return once(func(yield func(Event) bool) {
		for w != nil && w.follow(ctx, yield) {
			if !yield(Event{Time: n.wall(n.now()), Kind: Resync}) {
				return
			}
			w = n.watch(ctx)
		}
	})
}

// change is an event as it waits in a queue: a third of the size.
type change struct {
	at         gossip.Time
	kind       EventKind
	member     member.Member
	zone       *Zone
	silent, of int32
}

// watcher is one reader of the changes that come after a snapshot.
type watcher struct {
	*queue[change]
	node     *Node
	snapshot *snapshot
	release  func() bool
}

// watch begins to watch; nil if the node has stopped or ctx ended.
func (n *Node) watch(ctx context.Context) *watcher {
	w := &watcher{queue: newQueue[change](WatchQueue, 0, nil), node: n}
	err := n.call(ctx, func(gossip.Time, *gossip.Outbox) {
		n.flush() // what happened before the snapshot is told before it
		w.snapshot = n.take()
		n.watchers = append(prune(n.watchers), w)
	})
	if err != nil {
		return nil
	}
	w.release = context.AfterFunc(ctx, w.close)
	return w
}

// follow yields the snapshot and what comes after it. It returns true if the reader missed
// something.
func (w *watcher) follow(ctx context.Context, yield func(Event) bool) (missed bool) {
	defer w.close()
	defer w.release()
	n := w.node
	for i := range w.snapshot.members {
		m := w.snapshot.members[i]
		if !m.State.Live() {
			break // the live come first
		}
		if ctx.Err() != nil || !yield(Event{Time: n.wall(m.Since), Kind: MemberJoined,
			Member: n.member(m), Replayed: true}) {
			return false
		}
	}
	w.snapshot = nil
	for {
		c, lost, ok := w.pop(ctx, n.done)
		switch {
		case !ok:
			return false
		case lost > 0:
			return true
		}
		e := Event{Time: n.wall(c.at), Kind: c.kind, Member: n.member(c.member)}
		if c.zone != nil {
			e.Zone = *c.zone
		}
		e.Silent, e.Of = int(c.silent), int(c.of)
		if !yield(e) {
			return false
		}
	}
}

// eventKinds are the user's names of the core's events.
var eventKinds = map[gossip.EventKind]EventKind{
	gossip.MemberJoined:    MemberJoined,
	gossip.MemberUpdated:   MemberUpdated,
	gossip.MemberSuspected: MemberSuspected,
	gossip.MemberRecovered: MemberRecovered,
	gossip.MemberFailed:    MemberFailed,
	gossip.MemberLeft:      MemberLeft,

	gossip.MemberUnreachable: MemberUnreachable,
	gossip.MemberReachable:   MemberReachable,
	gossip.Isolated:          Isolated,
	gossip.Reunited:          Reunited,
	gossip.ZoneUnreachable:   ZoneUnreachable,
	gossip.ZoneRecovered:     ZoneRecovered,
	gossip.Unreached:         Unreached,
	gossip.Reached:           Reached,
	gossip.Unheard:           Unheard,
	gossip.HeardAgain:        HeardAgain,
	gossip.Undecided:         Undecided,
	gossip.Decided:           Decided,
}

// tellWatchers passes on a change in the membership.
func (n *Node) tellWatchers(e *gossip.Event) {
	kind, ok := eventKinds[e.Kind]
	if !ok || len(n.watchers) == 0 {
		return
	}
	n.watchers = prune(n.watchers)
	c := change{at: n.now(), kind: kind, member: e.Member, silent: int32(e.Silent), of: int32(e.Of)}
	if kind == ZoneUnreachable || kind == ZoneRecovered {
		c.zone = &Zone{e.Zone.Name, e.Zone.Members}
	}
	for _, w := range n.watchers {
		w.push(c)
	}
}
