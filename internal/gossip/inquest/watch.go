package inquest

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Ping with a lease. A node pings the same few members in turn and promises each the next ping, so
// that a pair watches both ways: who pings misses the ack, who is pinged misses the ping. So every
// node has at least as many watchers as it watches itself, whatever the dice say; with pings alone,
// one in a few thousand nodes would have none.

// watched is a member that this node pings in its turn.
type watched struct {
	peer detect.Peer
	seq  uint32
	sent mono.Time // mono.Never if the round trip tells nothing
	due  mono.Time // when the ack is missed; mono.Never if none is waited for
	port port
	link bool // to another zone, beside those that every node watches
}

// lease is a promise of somebody to ping this node.
type lease struct {
	peer   detect.Peer
	due    mono.Time
	every  time.Duration // what was promised
	missed int           // pings in a row
}

// changeEvery is after how many rounds and one turn one of the watched is exchanged for another
// member: those that a node met first, above all the seeds, are not watched by all for ever. The
// one turn more is why it falls to each of them, one after the other. Each change costs a ping.
const changeEvery = 10

// ping pings the next of the watched.
func (d *Detector) ping(now mono.Time) {
	// in step with the promises, even after a late turn
	d.tick = max(d.tick.Add(d.cfg.Period), now.Add(d.cfg.Period/2))
	d.watchOneMore(now)
	d.repeatSilences(now)
	d.checkIsolation(now)
	d.callTheRoll(now)
	d.tryPorts(now)
	d.health = d.silent(now, 8, 0)
	if len(d.watched) == 0 {
		return
	}
	d.turn = (d.turn + 1) % len(d.watched)
	d.ticks++
	w := &d.watched[d.turn]
	round := min(d.cfg.Watch, d.host.Table().Served()-1) // once all of them are found
	promise := time.Duration(max(round, len(d.watched))) * d.cfg.Period
	if due := !w.link && d.ticks > changeEvery*len(d.watched); due || d.astray(w) {
		if due {
			d.ticks = 0
		}
		if next, ok := d.another(); ok && (d.far(w.peer.ID) || !d.far(next.peer.ID)) {
			d.promise(now, w, 0) // this last ping is not waited for
			// in the same place and turn: a turn without a promise is one in which a crash is
			// missed
			*w = next
		}
	}
	d.promise(now, w, promise)
}

// promise pings one of the watched, and says when the next ping comes; 0: none does.
func (d *Detector) promise(now mono.Time, w *watched, next time.Duration) {
	d.seq++
	w.seq, w.sent, w.due = d.seq, now, now.Add(d.way(w.peer.ID).timeout(&d.cfg))
	d.soon(w.due)
	if d.cfg.NoLease {
		next = 0
	}
	d.send(now, w.peer, wire.AppendLease(d.scratch[:0], wire.Lease{Seq: d.seq, Next: next}))
}

// watchOneMore lets go of the dead, and takes on one member if there are too few: one at a time,
// since a newcomer does not know whom it can choose from yet.
func (d *Detector) watchOneMore(now mono.Time) {
	// each look costs a cache miss or two
	if changes := d.host.Table().Changes(); changes != d.looked {
		d.looked = changes
		d.dropDead()
		d.watchLinks(now)
	}
	if len(d.watched) < MaxWatch && len(d.watched)-d.linked() < d.cfg.Watch {
		if w, ok := d.another(); ok {
			d.watched = append(d.watched, w)
		}
	}
}

func (d *Detector) dropDead() {
	for i := len(d.watched) - 1; i >= 0; i-- {
		if m, ok := d.current(d.watched[i].peer); !ok || m.OutOfFamily {
			d.unwatch(i)
		}
	}
}

// unwatch lets go of one of the watched; the next one keeps its turn.
func (d *Detector) unwatch(i int) {
	d.watched = slices.Delete(d.watched, i, i+1)
	if i <= d.turn {
		d.turn--
	}
}

func (d *Detector) watches(id member.ID) bool {
	return slices.ContainsFunc(d.watched, func(w watched) bool { return w.peer.ID == id })
}

// linked is how many links this node holds.
func (d *Detector) linked() (n int) {
	for i := range d.watched {
		if d.watched[i].link {
			n++
		}
	}
	return n
}

// another draws a live member that is not watched yet, of this node's zone if there is one.
func (d *Detector) another() (watched, bool) {
	var ids [MaxWatch + 1]member.ID
	not := append(ids[:0], d.host.Self())
	for i := range d.watched {
		not = append(not, d.watched[i].peer.ID)
	}
	if d.ring.Mixed() {
		if p, ok := d.near(not); ok {
			return watched{peer: p, due: mono.Never}, true
		}
	}
	var room [1]member.Member
	m := topology.Pick(d.host.Rand(), d.host.Table(), 1, room[:0], not...)
	if len(m) == 0 {
		return watched{}, false
	}
	return watched{peer: detect.PeerOf(&m[0]), due: mono.Never}, true
}

// watchArrival takes on a member that is new or back in place of another: a lease shows a silence
// to both sides, but only who pings a member sees that it does not hear. About Config.Watch nodes
// do so.
func (d *Detector) watchArrival(now mono.Time, m member.Member) {
	of := d.host.Table().Served()
	if m.OutOfFamily {
		return
	}
	if d.ring.Mixed() {
		if of = len(d.own()); d.far(m.ID) {
			return
		}
	}
	if m.ID == d.host.Self() || len(d.watched)-d.linked() < d.cfg.Watch || d.watches(m.ID) ||
		d.host.Rand().IntN(of) >= d.cfg.Watch {
		return
	}
	w := &d.watched[d.host.Rand().IntN(len(d.watched))]
	if w.link {
		return
	}
	d.promise(now, w, 0)
	*w = watched{peer: detect.PeerOf(&m), due: mono.Never}
}

// acked takes an ack. A late one still tells how long a round trip takes, but for that of a process
// that stood still: it would slow all alarms down.
func (d *Detector) acked(now mono.Time, from detect.Peer, seq uint32) {
	for i := range d.watched {
		w := &d.watched[i]
		if w.peer.ID != from.ID || w.seq != seq {
			continue
		}
		if w.sent <= now {
			if took := now.Sub(w.sent); took <= d.cfg.MaxRTO {
				d.way(from.ID).sample(took)
			}
			w.sent = mono.Never
		}
		if w.due != mono.Never {
			d.way(from.ID).count(0, 1)
			was := w.due
			w.due = mono.Never
			d.relax(was)
		}
	}
}

// relax is called when what was due at a moment is due no more: to wake for nothing costs a node
// more than all else that it does in quiet times. What goes on in alarms and cases is no quiet.
func (d *Detector) relax(was mono.Time) {
	if was != d.due || len(d.alarms) > 0 || len(d.cases) > 0 {
		return
	}
	d.due = d.tick
	for i := range d.watched {
		d.soon(d.watched[i].due)
	}
	for i := range d.leases {
		d.soon(d.leases[i].due)
	}
}

// missAcks raises an alarm about whoever did not answer in time.
func (d *Detector) missAcks(now mono.Time) {
	for i := range d.watched {
		w := &d.watched[i]
		if w.due > now {
			d.soon(w.due)
			continue
		}
		w.due = mono.Never
		since := min(w.sent, now) // mono.Never after a stall
		if d.accuseFor(now, w.peer, since, w.seq) {
			d.way(w.peer.ID).count(1, 0) // of a member that is in doubt already nothing is learned
		}
	}
}

// promised notes when the next ping of somebody is to come.
func (d *Detector) promised(now mono.Time, from detect.Peer, next time.Duration) {
	i := slices.IndexFunc(d.leases, func(l lease) bool { return l.peer.ID == from.ID })
	_, known := d.current(from)
	switch {
	case next == 0 || !known:
		if i >= 0 {
			d.dropLease(i)
		}
		return
	case i < 0 && len(d.leases) >= maxLeases:
		return
	case i < 0:
		i = len(d.leases)
		d.leases = append(d.leases, lease{due: mono.Never})
	}
	was := d.leases[i].due
	d.leases[i] = lease{peer: from, due: now.Add(next + d.way(from.ID).timeout(&d.cfg)),
		every: next}
	d.soon(d.leases[i].due)
	d.relax(was)
}

// missPings raises an alarm about whoever broke a promise.
func (d *Detector) missPings(now mono.Time) {
	for i := 0; i < len(d.leases); {
		l := &d.leases[i]
		if l.due > now {
			d.soon(l.due)
			i++
			continue
		}
		m, ok := d.current(l.peer)
		if ok {
			d.accuse(now, detect.PeerOf(&m), now)
		}
		if l.missed++; !ok || l.missed > maxMissed {
			d.dropLease(i)
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
func (d *Detector) dropLease(i int) {
	last := len(d.leases) - 1
	d.leases[i] = d.leases[last]
	d.leases = d.leases[:last]
}
