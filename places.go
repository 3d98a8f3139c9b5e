package starling

// This file finds where members stand. Calls that ask for the same member at the same time share a
// question, and answers are kept for a while. All of it belongs to the node's goroutine; others
// wait for a question to end and look again.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// For how long an answer is good. Nodes do not move, but one that has just started is still finding
// out where it stands.
const (
	placeKept      = time.Minute
	youngPlaceKept = 2 * time.Second // of a member whose state is younger than young
	young          = 2 * time.Minute
)

// coordCache has the coordinates of other members, as far as they were asked for.
type coordCache struct {
	// at most the members that this node knew within the last two placeKept
	kept       map[member.ID]cached
	forgetting bool // a goroutine sees to that
	asked      map[member.ID]*inflight
	room       *inflight // ended when any question is; nil: nobody waits for that
	stats      LocationStats
}

// LocationStats counts what came of the questions that RTT, RTTBetween and Near made this node ask,
// since its start.
type LocationStats struct {
	Answered   uint64
	Unanswered uint64 // after 4 s, or since the member was declared failed meanwhile
}

// cached is where a member stood in one of its lives.
type cached struct {
	at       gossip.Location
	instance uint32
	since    gossip.Time
}

func (p *cached) olderThan(d time.Duration, now gossip.Time) bool { return now.Sub(p.since) >= d }

// good says whether the member may still be taken to be there.
func (p *cached) good(now gossip.Time, m *member.Member) bool {
	kept := placeKept
	if now.Sub(m.Since) < young {
		kept = youngPlaceKept
	}
	return !p.olderThan(kept, now) && p.instance == m.Instance()
}

// inflight is a question whose end is waited for.
type inflight struct {
	name string        // of the member
	done chan struct{} // closed at the end; err is set before
	err  error         // nil: look again
}

func newInflight(name string) *inflight { return &inflight{name: name, done: make(chan struct{})} }

func (q *inflight) end(err error) {
	q.err = err
	close(q.done)
}

// located is a member and where it stands.
type located struct {
	id       member.ID
	self     bool // it is this node
	zone     string
	at       gossip.Location
	measured time.Duration // from this node, of late
}

// locate finds where live members stand. It asks all that it has to ask at the same time. Safe from
// any goroutine.
func (n *Node) locate(ctx context.Context, names ...string) ([]located, error) {
	found, waits := make([]located, len(names)), make([]*inflight, len(names))
	for {
		var failed error
		err := n.call(ctx, func(now gossip.Time, out *gossip.Outbox) {
			for i, name := range names {
				var err error
				found[i], waits[i], err = n.find(now, name, out)
				failed = cmp.Or(failed, err)
			}
		})
		if err = cmp.Or(err, failed); err != nil {
			return nil, err
		}
		waited := false
		for i, q := range waits {
			if q == nil {
				continue
			}
			waited = true
			if err := n.await(ctx, q); err != nil {
				if err == ctx.Err() {
					err = fmt.Errorf("starling: %q has not said yet where it stands: %w",
						names[i], err)
				}
				return nil, err
			}
		}
		if !waited {
			return found, nil
		}
	}
}

// await waits until a question ends.
func (n *Node) await(ctx context.Context, q *inflight) error {
	select {
	case <-q.done:
		return q.err
	case <-ctx.Done():
		return ctx.Err()
	case <-n.done:
		return n.Err()
	}
}

// find returns where a live member stands, or what to wait for before it is called again.
func (n *Node) find(now gossip.Time, name string, out *gossip.Outbox) (located, *inflight, error) {
	m, ok := n.core.Table().Get(member.IDOf(name))
	if ok = ok && m.Name() == name; !ok || !m.State.Live() {
		return located{}, nil, notLive(name, ok, State(m.State))
	}
	if s, ok := n.kept(now, &m); ok {
		return s, nil, nil
	}
	p := &n.places
	if q := p.asked[m.ID]; q != nil {
		return located{}, q, nil
	}
	err := n.core.Do(now, gossip.Locate{ID: m.ID}, out)
	switch {
	case errors.Is(err, gossip.ErrLookups):
		if p.room == nil {
			p.room = newInflight("")
		}
		return located{}, p.room, nil
	case err != nil:
		return located{}, nil, err
	}
	if p.asked == nil {
		p.asked = map[member.ID]*inflight{}
	}
	q := newInflight(name)
	p.asked[m.ID] = q
	return located{}, q, nil
}

// kept returns where a member stands if that is known: of this node itself, and of a member that
// answered of late in its present life.
func (n *Node) kept(now gossip.Time, m *member.Member) (s located, ok bool) {
	s = located{id: m.ID, zone: m.Record().Zone}
	if self := n.core.Self(); m.ID == self.ID {
		s.self, s.at = true, n.core.Location()
		return s, true
	}
	k, ok := n.places.kept[m.ID]
	if !ok || !k.good(now, m) {
		return s, false
	}
	s.at, s.measured = k.at, cmp.Or(n.core.Measured(m.ID), k.at.RTT)
	return s, true
}

// located takes in a member's answer, or that there is none, and wakes the calls that wait for it.
func (n *Node) located(e *gossip.Event) {
	p, id := &n.places, e.Member.ID
	q := p.asked[id]
	if q == nil {
		return
	}
	delete(p.asked, id)
	if e.Err == nil {
		p.stats.Answered++
		n.keepPlace(&e.Member, e.Location)
		q.end(nil)
	} else {
		p.stats.Unanswered++
		q.end(noAnswer(q.name, e))
	}
	if p.room != nil {
		p.room.end(nil)
		p.room = nil
	}
}

func (n *Node) keepPlace(m *member.Member, at gossip.Location) {
	p := &n.places
	if p.kept == nil {
		p.kept = map[member.ID]cached{}
	}
	p.kept[m.ID] = cached{at: at, instance: m.Instance(), since: n.now()}
	if !p.forgetting {
		p.forgetting = true
		n.background.Go(n.forgetPlaces)
	}
}

// forgetPlaces drops what is old, now and then, as long as there is anything.
func (n *Node) forgetPlaces() {
	for n.pause(placeKept) {
		more := false
		n.call(n.ctx, func(now gossip.Time, _ *gossip.Outbox) { more = n.places.forget(now) })
		if !more {
			return
		}
	}
}

// forget says whether anything is left.
func (p *coordCache) forget(now gossip.Time) bool {
	maps.DeleteFunc(p.kept, func(_ member.ID, k cached) bool { return k.olderThan(placeKept, now) })
	if len(p.kept) == 0 {
		p.kept = nil // a map keeps its size
	}
	p.forgetting = p.kept != nil
	return p.forgetting
}

func notLive(name string, known bool, s State) error {
	if !known {
		return fmt.Errorf("starling: %w: %q is not known here; see the list of members",
			ErrNoMember, name)
	}
	if s == Left {
		return fmt.Errorf("starling: %w: %q has left", ErrNoMember, name)
	}
	return fmt.Errorf("starling: %w: %q has failed", ErrNoMember, name)
}

func noAnswer(name string, e *gossip.Event) error {
	if s := e.Member.State; !s.Live() {
		return fmt.Errorf("starling: %w: %q was asked where it stands, and is held to have %s "+
			"now", e.Err, name, s)
	}
	return fmt.Errorf("starling: %w: %q was asked where it stands, for up to 4 s; try again, or "+
		"see whether it fails", e.Err, name)
}
