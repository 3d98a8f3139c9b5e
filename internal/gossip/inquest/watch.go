package inquest

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Ping with a lease. A node pings the same few members in turn and promises each the next ping, so
// that a pair watches both ways: one side misses the ack, and the other the ping. So every node has
// at least as many watchers as it watches itself, whatever the dice say; with pings alone, one in a
// few thousand nodes would have none.

// watched is a member that this node pings in its turn.
type watched struct {
	peer plane.Peer
	seq  uint32
	sent mono.Time // mono.Never if the round trip tells nothing
	due  mono.Time // when the ack is missed; mono.Never if none is waited for
	port port
	link bool // to another zone, beside those that every node watches
}

// lease is a promise of somebody to ping this node.
type lease struct {
	peer   plane.Peer
	due    mono.Time
	every  time.Duration // what was promised
	missed int           // pings in a row
}

// changeEvery is after how many rounds and one turn one of the watched is exchanged for another
// member: those that a node met first, above all the seeds, are not watched by all for ever. The
// one turn more is why it falls to each of them, one after the other. Each change costs a ping.
const changeEvery = 10

// docket takes in the members that are to be examined. It says whether there is a new case: not if
// there is one already, or too many, or nothing can be sent there from here.
type docket interface {
	accuse(now mono.Time, p plane.Peer, since mono.Time) bool
	// accuseFor is accuse for a member that did not answer the ping of a sequence, or will not.
	accuseFor(now mono.Time, p plane.Peer, since mono.Time, first uint32) bool
}

// watch is the members that this node pings in turn, and those that promised to ping it.
type watch struct {
	*env
	tick    mono.Time // when the next member is pinged
	watched []watched
	looked  uint64 // changes of the table when the watched were last looked up
	turn    int    // the last of them that was pinged
	ticks   int
	leases  []lease
}

// begin begins a Config.Period: in step with the promises, even after a late turn.
func (w *watch) begin(now mono.Time) {
	w.tick = max(w.tick.Add(w.cfg.Period), now.Add(w.cfg.Period/2))
	w.oneMore(now)
}

// ping pings the next of the watched.
func (w *watch) ping(now mono.Time) {
	if len(w.watched) == 0 {
		return
	}
	w.turn = (w.turn + 1) % len(w.watched)
	w.ticks++
	x := &w.watched[w.turn]
	round := min(w.cfg.Watch, w.host.Table().Served()-1) // once all of them are found
	promise := time.Duration(max(round, len(w.watched))) * w.cfg.Period
	if due := !x.link && w.ticks > changeEvery*len(w.watched); due || w.astray(x) {
		if due {
			w.ticks = 0
		}
		if next, ok := w.another(); ok && (w.far(x.peer.ID) || !w.far(next.peer.ID)) {
			w.promise(now, x, 0) // this last ping is not waited for
			// in the same place and turn: a turn without a promise is one in which a crash is
			// missed
			*x = next
		}
	}
	w.promise(now, x, promise)
}

// promise pings one of the watched, and says when the next ping comes; 0: none does.
func (w *watch) promise(now mono.Time, x *watched, next time.Duration) {
	w.seq++
	x.seq, x.sent, x.due = w.seq, now, now.Add(w.way(x.peer.ID).timeout(&w.cfg))
	w.soon(x.due)
	if w.cfg.NoLease {
		next = 0
	}
	w.send(now, x.peer, wire.AppendLease(w.scratch[:0], wire.Lease{Seq: w.seq, Next: next}))
}

// oneMore lets go of the dead, and takes on one member if there are too few: one at a time,
// since a newcomer does not know yet which members it can choose from.
func (w *watch) oneMore(now mono.Time) {
	// each look costs a cache miss or two
	if changes := w.host.Table().Changes(); changes != w.looked {
		w.looked = changes
		w.dropDead()
		w.relink(now)
	}
	if len(w.watched) < MaxWatch && len(w.watched)-w.linked() < w.cfg.Watch {
		if x, ok := w.another(); ok {
			w.watched = append(w.watched, x)
		}
	}
}

func (w *watch) dropDead() {
	for i := len(w.watched) - 1; i >= 0; i-- {
		if m, ok := w.current(w.watched[i].peer); !ok || m.OutOfFamily {
			w.unwatch(i)
		}
	}
}

// unwatch lets go of one of the watched; the next one keeps its turn.
func (w *watch) unwatch(i int) {
	w.watched = slices.Delete(w.watched, i, i+1)
	if i <= w.turn {
		w.turn--
	}
}

func (w *watch) watches(id member.ID) bool {
	return slices.ContainsFunc(w.watched, func(x watched) bool { return x.peer.ID == id })
}

// linked is how many links this node holds.
func (w *watch) linked() (n int) {
	for i := range w.watched {
		if w.watched[i].link {
			n++
		}
	}
	return n
}

// another draws a live member that is not watched yet, of this node's zone if there is one.
func (w *watch) another() (watched, bool) {
	var ids [MaxWatch + 1]member.ID
	not := append(ids[:0], w.host.Self())
	for i := range w.watched {
		not = append(not, w.watched[i].peer.ID)
	}
	if w.ring.Mixed() {
		if p, ok := w.near(not); ok {
			return watched{peer: p, due: mono.Never}, true
		}
	}
	var room [1]member.Member
	m := topology.Pick(w.host.Rand(), w.host.Table(), 1, room[:0], not...)
	if len(m) == 0 {
		return watched{}, false
	}
	return watched{peer: plane.PeerOf(&m[0]), due: mono.Never}, true
}

// arrival takes on a member that is new or back in place of another: a lease shows a silence to
// both sides, but only a node that pings a member sees that it does not hear. About Config.Watch
// nodes do so.
func (w *watch) arrival(now mono.Time, m member.Member) {
	of := w.host.Table().Served()
	if m.OutOfFamily {
		return
	}
	if w.ring.Mixed() {
		if of = len(w.own()); w.far(m.ID) {
			return
		}
	}
	if m.ID == w.host.Self() || len(w.watched)-w.linked() < w.cfg.Watch || w.watches(m.ID) ||
		w.host.Rand().IntN(of) >= w.cfg.Watch {
		return
	}
	x := &w.watched[w.host.Rand().IntN(len(w.watched))]
	if x.link {
		return
	}
	w.promise(now, x, 0)
	*x = watched{peer: plane.PeerOf(&m), due: mono.Never}
}

// acked takes an ack. A late one still tells how long a round trip takes, but for that of a process
// that stood still: it would slow all alarms down.
func (w *watch) acked(now mono.Time, from plane.Peer, seq uint32, quiet bool) {
	for i := range w.watched {
		x := &w.watched[i]
		if x.peer.ID != from.ID || x.seq != seq {
			continue
		}
		if x.sent <= now {
			if took := now.Sub(x.sent); took <= w.cfg.MaxRTO {
				w.way(from.ID).sample(took)
			}
			x.sent = mono.Never
		}
		if x.due != mono.Never {
			w.way(from.ID).count(0, 1)
			was := x.due
			x.due = mono.Never
			w.relax(was, quiet)
		}
	}
}

// relax is called when what was due at a moment is due no more: to wake for nothing costs a node
// more than all else that it does in quiet times. It is not quiet while anybody is examined.
func (w *watch) relax(was mono.Time, quiet bool) {
	if was != w.due || !quiet {
		return
	}
	w.due = w.tick
	for i := range w.watched {
		w.soon(w.watched[i].due)
	}
	for i := range w.leases {
		w.soon(w.leases[i].due)
	}
}

// missAcks has the members examined that did not answer in time.
func (w *watch) missAcks(now mono.Time, by docket) {
	for i := range w.watched {
		x := &w.watched[i]
		if x.due > now {
			w.soon(x.due)
			continue
		}
		x.due = mono.Never
		since := min(x.sent, now) // mono.Never after a stall
		if by.accuseFor(now, x.peer, since, x.seq) {
			w.way(x.peer.ID).count(1, 0) // of a member that is in doubt already nothing is learned
		}
	}
}

// promised notes when the next ping of somebody is to come.
func (w *watch) promised(now mono.Time, from plane.Peer, next time.Duration, quiet bool) {
	i := slices.IndexFunc(w.leases, func(l lease) bool { return l.peer.ID == from.ID })
	_, known := w.current(from)
	switch {
	case next == 0 || !known:
		if i >= 0 {
			w.dropLease(i)
		}
		return
	case i < 0 && len(w.leases) >= maxLeases:
		return
	case i < 0:
		i = len(w.leases)
		w.leases = append(w.leases, lease{due: mono.Never})
	}
	was := w.leases[i].due
	w.leases[i] = lease{peer: from, due: now.Add(next + w.way(from.ID).timeout(&w.cfg)),
		every: next}
	w.soon(w.leases[i].due)
	w.relax(was, quiet)
}

// missPings has the members examined that broke a promise.
func (w *watch) missPings(now mono.Time, by docket) {
	for i := 0; i < len(w.leases); {
		l := &w.leases[i]
		if l.due > now {
			w.soon(l.due)
			i++
			continue
		}
		m, ok := w.current(l.peer)
		if ok {
			by.accuse(now, plane.PeerOf(&m), now)
		}
		if l.missed++; !ok || l.missed > maxMissed {
			w.dropLease(i)
			continue
		}
		// the ping was lost, or its sender was dead: then it is not back for the next
		l.due = max(l.due.Add(l.every), now+1)
	}
}

// maxMissed is how many pings in a row may be missed before nothing more is expected: the one that
// ends a promise may have been lost itself. Without any, every second watcher would be blind where
// half of the packets are lost.
const maxMissed = 2

// dropLease forgets a promise; the last one takes its place.
func (w *watch) dropLease(i int) {
	last := len(w.leases) - 1
	w.leases[i] = w.leases[last]
	w.leases = w.leases[:last]
}

// moved has a member pinged at its new address from now on. Promises of its are answered to where
// they come from.
func (w *watch) moved(is plane.Peer) {
	for i := range w.watched {
		if p := &w.watched[i].peer; p.ID == is.ID {
			*p = is
		}
	}
}

// shift moves what is waited for by a gap in which this process stood still. Round trips under way
// would measure the gap.
func (w *watch) shift(gap time.Duration) {
	w.tick = w.tick.Add(gap)
	for i := range w.watched {
		w.watched[i].due = w.watched[i].due.Add(gap)
		w.watched[i].sent = mono.Never
	}
	for i := range w.leases {
		w.leases[i].due = w.leases[i].due.Add(gap)
	}
}
