package gossip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/starling-gossip/starling/gossip/detect"
	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/wire"
)

// A node's own way in and out: its seeds, the welcome, the leave.

// Errors that events and commands carry.
var (
	ErrNameConflict  = errors.New("another live node has this name")
	ErrWrongCluster  = errors.New("the seed belongs to another cluster")
	ErrWrongDetector = errors.New("the cluster runs another failure detector; all its nodes run the same")
	ErrRefused       = errors.New("the seed refused")
	ErrStopped       = errors.New("the node has stopped")
)

const (
	maxSeeds     = 64
	maxJoinPause = 5 * time.Second
	redialPause  = time.Second // between the tries of a round, once this node is in
	redialFor    = 3 * time.Second
	leaveLinger  = 100 * time.Millisecond // after the last round of the news, for acks on their way
)

// entry is where a node stands between its start and its end.
type entry struct {
	seeds    []netip.AddrPort
	next     Time // when the seeds are dialled again
	pause    time.Duration
	round    Time // when the last round of dialling seeds that are no members began
	welcomed bool
	deaf     bool        // after a long sleep, until the old datagrams that wait are read
	greeted  detect.Peer // who said welcome in the current datagram
	greeting uint32      // how many members it knew
	whole    bool        // the first whole table is in
	alone    bool        // this node is the first of its cluster
	draining bool        // it leaves once what it published is out
	drained  Time        // when it leaves in any case
	unsent   error
	leaving  bool
	gone     Time // when leaving ends
	claims   []claim
}

func (e *entry) state() member.State {
	if e.leaving {
		return member.Left
	}
	return member.Alive
}

func (e *entry) due() Time {
	switch {
	case e.leaving:
		return e.gone
	case e.draining:
		return min(e.next, e.drained)
	}
	return e.next
}

func (n *Node) launchEntry() {
	n.entry.next = Never
	n.entry.pause = n.cfg.JoinRetry
	n.out.Events = append(n.out.Events, Event{Kind: SeedsWanted})
}

// wakeEntry dials the seeds again, and ends a leave.
func (n *Node) wakeEntry() {
	e := &n.entry
	e.deaf = false
	if e.due() > n.now {
		return
	}
	if e.leaving {
		n.stopped = true
		n.out.Events = append(n.out.Events, Event{Kind: LeaveDone, Err: e.unsent})
		return
	}
	if e.draining && e.drained <= n.now {
		n.depart()
		return
	}
	if e.welcomed {
		e.pause = n.cfg.Reseed
	} else {
		e.pause = min(2*e.pause, maxJoinPause)
	}
	e.next = n.now.Add(n.jitter(e.pause))
	n.out.Events = append(n.out.Events, Event{Kind: SeedsWanted}) // their names may mean other addresses now
	for _, s := range e.seeds {
		n.dial(s)
	}
}

// jitter returns a time within a quarter of d, so that nodes that started together do not stay in step.
func (n *Node) jitter(d time.Duration) time.Duration {
	return d*3/4 + time.Duration(n.rng.Int64N(int64(d)/2+1))
}

// join takes in the seeds and dials those that are new. A node all of whose seeds are itself is the first of its cluster, for
// all that it can know; it looks them up again as others do, since the next to start may find itself the first as well.
func (n *Node) join(c Join) {
	e := &n.entry
	before := e.seeds
	e.seeds = nil
	for _, s := range c.Seeds {
		s = netip.AddrPortFrom(s.Addr().Unmap(), s.Port())
		if s != n.self.Value().Addr && !slices.Contains(e.seeds, s) && len(e.seeds) < maxSeeds {
			e.seeds = append(e.seeds, s)
		}
	}
	if len(e.seeds) == 0 {
		e.alone = true
		n.welcome()
	}
	for _, s := range e.seeds {
		if e.welcomed || !slices.Contains(before, s) {
			n.dial(s)
		}
	}
	if e.next == Never && len(c.Seeds) > 0 {
		e.next = n.now.Add(n.jitter(e.pause))
	}
}

// dial asks whoever is at an address to let this node in, unless it is a live member already.
func (n *Node) dial(to netip.AddrPort) {
	if n.entry.welcomed {
		for i := range n.table.Live() {
			if m := n.table.At(i); m.Addr() == to {
				return
			}
		}
		n.redial()
	}
	start := n.open(0)
	r := n.self.Value()
	n.out.arena = wire.AppendJoin(n.out.arena, uint8(n.cfg.Detector), n.cfg.Cluster, &r, n.inc)
	n.close(start, detect.Peer{Addr: to})
}

// redial has the seeds dialled again soon, a few times in each round: a Join may be lost, and a round is long.
func (n *Node) redial() {
	e := &n.entry
	if n.now.Sub(e.round) >= n.cfg.Reseed/2 {
		e.round = n.now
	}
	if n.now.Sub(e.round) < redialFor {
		e.next = min(e.next, n.now.Add(n.jitter(redialPause)))
	}
}

// welcome ends the tries to get in.
func (n *Node) welcome() {
	e := &n.entry
	if e.welcomed {
		return
	}
	e.welcomed = true
	e.pause = n.cfg.Reseed
	if e.next != Never {
		e.next = n.now.Add(n.jitter(e.pause))
	}
	n.out.Events = append(n.out.Events, Event{Kind: Welcomed})
}

// rejoin forgets everybody and comes in anew, through the members that were live.
func (n *Node) rejoin() {
	n.endAll(n.table.Live())
	e := &n.entry
	for i := 0; i < n.table.Live() && len(e.seeds) < maxSeeds/2; i++ {
		if m := n.table.At(i); m.ID != n.id && !slices.Contains(e.seeds, m.Addr()) {
			e.seeds = append(e.seeds, m.Addr())
		}
	}
	for i := n.table.Len() - 1; i >= 0; i-- {
		if id := n.table.IDAt(i); id != n.id {
			n.forget(id)
		}
	}
	e.welcomed, e.whole, e.alone, e.deaf = false, false, false, true
	e.pause, e.next = n.cfg.JoinRetry, n.now
}

// takeEntry handles the messages of coming in and going, and says whether they could be read.
func (n *Node) takeEntry(peer detect.Peer, t wire.Type, body []byte) (ok bool) {
	switch t {
	case wire.TypeJoin:
		var j wire.Join
		if j, ok = wire.ReadJoin(body); ok {
			n.answerJoin(peer, &j)
		}
	case wire.TypeWelcome:
		var live uint32
		if live, ok = wire.ReadWelcome(body); ok {
			n.welcome()
			n.entry.greeted, n.entry.greeting = peer, live
			n.hushed = true // what rides along is known to all
		}
	case wire.TypeRefuse:
		n.asked |= 1 << t
		var r wire.Refuse
		if r, ok = wire.ReadRefuse(body); ok {
			n.refused(peer, &r)
		}
	case wire.TypeConflict:
		var c wire.Conflict
		if c, ok = wire.ReadConflict(body); ok && n.claimed(&c) { // a seed passes on what a newcomer claims
			n.sendConflict(c.Record.Addr, false)
		}
	case wire.TypeMistaken:
		_, ok = wire.ReadMistaken(body) // the record that rides along says it all
	}
	return ok
}

// dropSeed takes an address that leads back here off the seeds.
func (n *Node) dropSeed(a netip.AddrPort) {
	e := &n.entry
	e.seeds = slices.DeleteFunc(e.seeds, func(s netip.AddrPort) bool { return s == a })
	if len(e.seeds) == 0 {
		e.alone = true
		n.welcome()
	}
}

// Complete says whether this node was let in and has had the first whole table since: before that it does not know who is
// in the cluster. The first of its cluster is complete at once.
func (n *Node) Complete() bool { return n.entry.whole }

// complete looks whether it is.
func (n *Node) complete() {
	if e := &n.entry; e.welcomed && !e.whole {
		e.whole = e.alone || n.repair.Whole()
	}
}

const (
	holders = 3              // others that have what this node published, before it leaves
	maxWait = 24 * time.Hour // for them
)

// leave has this node go, once what it published is out or the wait for that is over.
func (n *Node) leave(wait time.Duration) {
	e := &n.entry
	switch _, late := n.unsent(); {
	case e.leaving:
	case late && wait > 0:
		e.draining, e.drained = true, n.now.Add(min(wait, maxWait))
	default:
		n.depart()
	}
}

// drain lets this node go if what it published is out.
func (n *Node) drain() {
	if n.entry.draining && !n.entry.leaving {
		if _, late := n.unsent(); !late {
			n.depart()
		}
	}
}

// unsent returns the sequence of the first message of this node's that is not out, if any is not.
func (n *Node) unsent() (seq uint64, late bool) {
	generation, piece, late := n.relay.Unsettled(holders)
	if late {
		seq = n.streams.MessageOf(n.id, generation, piece)
	}
	return seq, late
}

// Unsent returns an error that wraps ErrUnsent and names the first message of this node's that is not known to be out; nil
// if there is none. It may be called after the end too.
func (n *Node) Unsent() error {
	if n.relay == nil {
		return nil
	}
	if seq, late := n.unsent(); late {
		return fmt.Errorf("%w: message %d, and perhaps others", ErrUnsent, seq)
	}
	return nil
}

// depart tells everybody that this node goes.
func (n *Node) depart() {
	e := &n.entry
	e.unsent = n.Unsent()
	e.leaving = true
	e.gone = n.now.Add(n.cfg.Rounds[len(n.cfg.Rounds)-1] + leaveLinger)
	n.inc++
	n.announce(false)
}
