package starling

// This file is the stream of changes in the membership.

import (
	"context"
	"iter"
	"time"
)

// WatchQueue is how many events wait for a slow watcher before it is told to start afresh (Resync).
const WatchQueue = 1024

// EventKind says what an Event tells. Its String is "joined", "updated", "suspected", "recovered", "failed", "left" or
// "resync".
type EventKind uint8

// What happens to members.
const (
	MemberJoined    EventKind = iota + 1 // unknown before, or back in a new life
	MemberUpdated                        // its tags or another part of its record changed
	MemberSuspected                      // it may have failed
	MemberRecovered                      // it was suspect or failed, and lives
	MemberFailed
	MemberLeft
	Resync // the watcher was too slow and missed events: forget what was built from them; the present state follows
)

// String returns the kind as it stands in the command line's output.
func (k EventKind) String() string { panic("not yet") }

// Event is a change in the membership.
type Event struct {
	Time   time.Time
	Kind   EventKind
	Member Member // as it is after the change; zero for Resync
	// Replayed marks the part of the present state that a watch begins with, and that follows a Resync: a MemberJoined for
	// every live member. It is no news.
	Replayed bool
}

// Watch returns the changes in the membership from now on, in order, after a MemberJoined event (marked Replayed) for each
// member that is live now, this node included. Range over it once:
//
//	for e := range node.Watch(ctx) { … }
//
// It ends when ctx does or the node stops (see Node.Err), and costs memory until then or until the loop is left. At
// most WatchQueue events wait for a slow reader. On overflow they are dropped, and a Resync comes in their place,
// followed by the then present state, replayed.
func (n *Node) Watch(ctx context.Context) iter.Seq[Event] { panic("not yet") }
