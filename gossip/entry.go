package gossip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/starling-gossip/starling/gossip/detect"
	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/topology"
	"github.com/starling-gossip/starling/gossip/wire"
)

// Coming in and going: joining through seeds, letting others in, two nodes with one name, leaving.

// Errors that events and commands carry.
var (
	ErrNameConflict  = errors.New("another live node has this name")
	ErrWrongCluster  = errors.New("the seed belongs to another cluster")
	ErrWrongDetector = errors.New("the cluster runs another failure detector")
	ErrRefused       = errors.New("the seed refused")
	ErrStopped       = errors.New("the node has stopped")
)

const (
	maxSeeds     = 64
	maxJoinPause = 5 * time.Second
	claimWait    = time.Second     // how long the owner of a name has to object to a newcomer who claims it
	claimLife    = 5 * time.Second // after which a claim that nobody repeats is forgotten
	maxClaims    = 64
	sampleSize   = 15                     // members that a newcomer is told of at once
	leaveLinger  = 100 * time.Millisecond // after the last round of the news, for acks on their way
)

// entry is where a node stands between its start and its end.
type entry struct {
	seeds    []netip.AddrPort
	next     Time // when the seeds are dialled again
	pause    time.Duration
	welcomed bool
	deaf     bool        // after a long sleep, until the old datagrams that wait are read
	greeted  detect.Peer // who said welcome in the current datagram
	greeting uint32      // how many members it knew
	leaving  bool
	gone     Time // when leaving ends
	claims   []claim
}

// claim is a newcomer's claim to a name that a live member has.
type claim struct {
	id    member.ID
	addr  netip.AddrPort
	since Time // the first try
	last  Time
}

func (e *entry) state() member.State {
	if e.leaving {
		return member.Left
	}
	return member.Alive
}

func (e *entry) due() Time {
	if e.leaving {
		return e.gone
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
		n.out.Events = append(n.out.Events, Event{Kind: LeaveDone})
		return
	}
	n.out.Events = append(n.out.Events, Event{Kind: SeedsWanted}) // their names may mean other addresses now
	for _, s := range e.seeds {
		n.dial(s)
	}
	if e.welcomed {
		e.pause = n.cfg.Reseed
	} else {
		e.pause = min(2*e.pause, maxJoinPause)
	}
	e.next = n.now.Add(n.jitter(e.pause))
}

// jitter returns a time within a quarter of d, so that nodes that started together do not stay in step.
func (n *Node) jitter(d time.Duration) time.Duration {
	return d*3/4 + time.Duration(n.rng.Int64N(int64(d)/2+1))
}

// join takes in the seeds and dials those that are new.
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
		n.welcome()
		return
	}
	for _, s := range e.seeds {
		if e.welcomed || !slices.Contains(before, s) {
			n.dial(s)
		}
	}
	if e.next == Never {
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
	}
	start := n.open(0)
	r := n.self.Value()
	n.out.arena = wire.AppendJoin(n.out.arena, uint8(n.cfg.Detector), n.cfg.Cluster, &r, n.inc)
	n.close(start, to)
}

// welcome ends the tries to get in.
func (n *Node) welcome() {
	e := &n.entry
	if e.welcomed {
		return
	}
	e.welcomed = true
	e.pause = n.cfg.Reseed
	if len(e.seeds) > 0 {
		e.next = n.now.Add(n.jitter(e.pause))
	}
	n.out.Events = append(n.out.Events, Event{Kind: Welcomed})
}

// rejoin forgets everybody and comes in anew, through the members that were live.
func (n *Node) rejoin() {
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
	e.welcomed, e.deaf = false, true
	e.pause, e.next = n.cfg.JoinRetry, n.now
}

// takeEntry handles the messages of coming in; it says whether they were well-formed. Types of later versions are
// passed over.
func (n *Node) takeEntry(peer detect.Peer, t wire.Type, body []byte) bool {
	switch t {
	case wire.TypeJoin:
		j, ok := wire.ReadJoin(body)
		if ok {
			n.answerJoin(peer, &j)
		}
		return ok
	case wire.TypeWelcome:
		live, ok := wire.ReadWelcome(body)
		if ok {
			n.welcome()
			n.entry.greeted, n.entry.greeting = peer, live
			n.hushed = true // what rides along is known to all
		}
		return ok
	case wire.TypeRefuse:
		r, ok := wire.ReadRefuse(body)
		if ok {
			n.refused(peer, &r)
		}
		return ok
	case wire.TypeConflict:
		c, ok := wire.ReadConflict(body)
		if ok && n.claimed(&c) { // a seed passes on what a newcomer claims
			n.sendConflict(c.Record.Addr, false)
		}
		return ok
	}
	return true
}

// answerJoin lets a newcomer in, or says why not.
func (n *Node) answerJoin(peer detect.Peer, j *wire.Join) {
	switch {
	case string(j.Cluster) != n.cfg.Cluster: // two names with one hash
		n.refuse(peer, wire.WrongCluster, 0, n.cfg.Cluster)
		return
	case Detector(j.Detector) != n.cfg.Detector:
		n.refuse(peer, wire.WrongDetector, 0, n.cfg.Detector.String())
		return
	case n.entry.leaving:
		return
	}
	fact, err := j.Record.Fact()
	if err != nil || fact.State != member.Alive || member.IDOf(fact.Record.Value().Name) != peer.ID {
		n.stats.Malformed++
		return
	}
	r := fact.Record.Value()
	if m, known := n.table.Get(member.IDOf(r.Name)); known {
		switch {
		case m.State.Live() && m.Addr() != r.Addr && !n.claimHolds(&m, &r):
			return
		case r.Generation < m.Generation() || r.Generation == m.Generation() && m.Handle != fact.Record:
			n.refuse(peer, wire.OldGeneration, m.Generation(), "")
			return
		case !m.State.Live() && r.Generation == m.Generation():
			n.note(&m, peer, false) // it lives: let it refute, and come again
			return
		}
	} else if n.table.Len() >= member.MaxMembers {
		n.refuse(peer, wire.TableFull, 0, "")
		return
	}
	n.learn(peer, peer.ID, 0, &j.Record.Claim, &j.Record)
	n.sendWelcome(peer)
}

// sendWelcome tells a newcomer of this node and of a few others, so that it can ask many for the rest. In a flood of
// Joins it tells of this node alone, which costs no more than the Join.
func (n *Node) sendWelcome(peer detect.Peer) {
	start := n.open(peer.Instance)
	n.out.arena = wire.AppendWelcome(n.out.arena, uint32(n.table.Live()))
	var room [sampleSize + 1]member.Member
	sample := append(room[:0], n.Self())
	if n.welcomes.ready(n.now) {
		sample = topology.Pick(n.rng, &n.table, sampleSize, sample, n.id, peer.ID)
	}
	for i := range sample {
		before := len(n.out.arena)
		n.appendMember(&sample[i], true, n.id)
		if n.room(start) < wire.MessageSize+fingerprintSize {
			n.out.arena = n.out.arena[:before]
			break
		}
	}
	n.appendFingerprint()
	n.welcomes.take(len(n.out.arena) - start + ipOverhead)
	n.close(start, peer.Addr)
}

// claimHolds says whether a newcomer may have the name of a live member at another address. The owner is told of the
// claim; if it lives, it objects to the newcomer itself. If nothing comes of it in claimWait, the owner is gone: it was
// restarted elsewhere, and nobody has noticed yet.
func (n *Node) claimHolds(owner *member.Member, r *member.Record) bool {
	e := &n.entry
	e.claims = slices.DeleteFunc(e.claims, func(c claim) bool { return n.now.Sub(c.last) > claimLife })
	i := slices.IndexFunc(e.claims, func(c claim) bool { return c.id == owner.ID && c.addr == r.Addr })
	if i >= 0 && n.now.Sub(e.claims[i].since) >= claimWait {
		return true
	}
	if i >= 0 {
		e.claims[i].last = n.now
	} else if len(e.claims) < maxClaims {
		e.claims = append(e.claims, claim{id: owner.ID, addr: r.Addr, since: n.now, last: n.now})
	}
	peer := detect.PeerOf(owner)
	if start, ok := n.reply(peer); ok {
		n.out.arena = wire.AppendConflict(n.out.arena, 0, false, r, 0)
		n.closeReply(start, peer)
	}
	return false
}

func (n *Node) refuse(peer detect.Peer, reason wire.Reason, generation uint64, text string) {
	if start, ok := n.reply(peer); ok {
		n.out.arena = wire.AppendRefuse(n.out.arena, reason, generation, text)
		n.closeReply(start, peer)
	}
}

// refuseStranger looks for a Join in a datagram of another cluster: whoever sent it was given a wrong address or a
// wrong name, and should hear of it.
func (n *Node) refuseStranger(peer detect.Peer, r wire.Reader) {
	for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
		switch t {
		case wire.TypeJoin:
			n.refuse(peer, wire.WrongCluster, 0, n.cfg.Cluster)
		case wire.TypeRefuse:
			if m, ok := wire.ReadRefuse(body); ok && m.Reason == wire.WrongCluster {
				n.refused(peer, &m)
			}
		}
	}
}

// refused hears that a seed did not let this node in.
func (n *Node) refused(peer detect.Peer, r *wire.Refuse) {
	if n.entry.leaving || n.entry.welcomed && !slices.Contains(n.entry.seeds, peer.Addr) {
		return
	}
	var err error
	switch r.Reason {
	case wire.OldGeneration:
		if r.Generation >= n.self.Value().Generation { // this host's clock went back
			n.goAbove(r.Generation, n.inc)
		}
		n.dial(peer.Addr)
		return
	case wire.WrongCluster:
		err = fmt.Errorf("%s: %w: %q, and this node to %q", peer.Addr, ErrWrongCluster, r.Text, n.cfg.Cluster)
	case wire.WrongDetector:
		err = fmt.Errorf("%s: %w: %q, and this node %q", peer.Addr, ErrWrongDetector, r.Text, n.cfg.Detector)
	case wire.TableFull:
		err = fmt.Errorf("%s: %w: its table of members is full", peer.Addr, ErrRefused)
	default:
		err = fmt.Errorf("%s: %w: reason %d", peer.Addr, ErrRefused, r.Reason)
	}
	n.out.Events = append(n.out.Events, Event{Kind: Refused, Err: err})
}

// fromNamesake takes a datagram whose sender has this node's name: it is this node's own, come back, or another node.
func (n *Node) fromNamesake(h wire.Header, peer detect.Peer, r wire.Reader) {
	own := h.Generation == uint32(n.self.Value().Generation)
	for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
		switch {
		case own && t == wire.TypeJoin:
			n.dropSeed(peer.Addr)
		case own:
		case t == wire.TypeJoin:
			if j, ok := wire.ReadJoin(body); ok && j.Record.Addr != n.self.Value().Addr {
				n.sendConflict(j.Record.Addr, false)
			}
		case t == wire.TypeConflict:
			if c, ok := wire.ReadConflict(body); ok {
				n.conflict(&c)
			}
		case t == wire.TypeUpdate: // the other one yields
			if u, ok := wire.ReadUpdate(body); ok && u.ID == n.id && !u.State.Live() {
				n.aboutSelf(peer, u.Check, &u.Claim, nil)
			}
		}
	}
	if !own {
		n.stats.Namesake++
	}
}

// dropSeed takes an address that leads back here off the seeds.
func (n *Node) dropSeed(a netip.AddrPort) {
	e := &n.entry
	e.seeds = slices.DeleteFunc(e.seeds, func(s netip.AddrPort) bool { return s == a })
	if len(e.seeds) == 0 {
		e.next = Never
		n.welcome()
	}
}

// sendConflict tells another node of this name that this one is here, and for how long; or that it must stop.
func (n *Node) sendConflict(to netip.AddrPort, stop bool) {
	peer := detect.Peer{Addr: to}
	if start, ok := n.reply(peer); ok {
		r := n.self.Value()
		n.out.arena = wire.AppendConflict(n.out.arena, n.uptime(), stop, &r, n.inc)
		n.closeReply(start, peer)
	}
}

func (n *Node) uptime() uint64 { return uint64(n.now.Sub(n.start) / time.Millisecond) }

// claimed says whether a Conflict is about this node's name and another node.
func (n *Node) claimed(c *wire.Conflict) bool {
	own := n.self.Value()
	return string(c.Record.Name) == own.Name && c.Record.Addr != own.Addr && !n.entry.leaving
}

// conflict settles who keeps the name: the one that has been up for longer, so that no clocks are compared. The one with
// the lower address judges. Who must stop says that its life is over first.
func (n *Node) conflict(c *wire.Conflict) {
	if !n.claimed(c) {
		return
	}
	other, own := c.Record.Addr, n.self.Value()
	if !c.Stop && other.Compare(own.Addr) < 0 {
		n.sendConflict(other, false) // the other judges
		return
	}
	if !c.Stop && n.uptime() >= c.Uptime {
		n.sendConflict(other, true)
		return
	}
	n.entry.leaving = true
	start := n.open(0)
	self := n.Self()
	self.State, self.Since = member.Left, n.now
	n.appendMember(&self, false, 0)
	n.close(start, other)
	n.stopped = true
	n.out.Events = append(n.out.Events, Event{
		Kind: Conflicted,
		Err:  fmt.Errorf("%w: %q has been running at %s for longer; give one of the two another name", ErrNameConflict, own.Name, other),
	})
}

// leave tells everybody that this node goes.
func (n *Node) leave() {
	e := &n.entry
	if e.leaving {
		return
	}
	e.leaving = true
	e.gone = n.now.Add(n.cfg.Rounds[len(n.cfg.Rounds)-1] + leaveLinger)
	n.inc++
	n.announce(false)
}
