package inquest

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/gossip/detect"
	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/mono"
	"github.com/starling-gossip/starling/gossip/topology"
	"github.com/starling-gossip/starling/gossip/wire"
)

// Ping with a lease. A node pings the same few members in turn and promises each the next ping, so that a pair watches
// both ways: who pings misses the ack, who is pinged misses the ping. So every node has at least as many watchers as it
// watches itself, whatever the dice say; with pings alone, one in a few thousand nodes would have none.

// watched is a member that this node pings in its turn.
type watched struct {
	peer detect.Peer
	seq  uint32
	sent mono.Time // mono.Never if the round trip tells nothing
	due  mono.Time // when the ack is missed; mono.Never if none is waited for
}

// lease is a promise of somebody to ping this node.
type lease struct {
	peer detect.Peer
	due  mono.Time
}

// changeEvery is after how many rounds one of the watched is exchanged for another member: those that a node met first,
// above all the seeds, are not watched by all for ever.
const changeEvery = 4

// ping pings the next of the watched.
func (d *Detector) ping(now mono.Time) {
	d.tick = max(d.tick.Add(d.cfg.Period), now.Add(d.cfg.Period/2)) // in step with the promises, even after a late turn
	d.watchOneMore()
	d.checkIsolation(now)
	d.health = d.silent(now, 8)
	if len(d.watched) == 0 {
		return
	}
	d.turn = (d.turn + 1) % len(d.watched)
	d.ticks++
	w := &d.watched[d.turn]
	d.seq++
	promise := time.Duration(len(d.watched)) * d.cfg.Period
	last := d.ticks >= changeEvery*len(d.watched) && d.host.Table().Live()-1 > len(d.watched)
	if last || d.cfg.NoLease {
		promise = 0
	}
	w.seq, w.sent, w.due = d.seq, now, now.Add(d.path.timeout(&d.cfg))
	d.soon(w.due)
	d.send(now, w.peer, wire.AppendLease(d.scratch[:0], wire.Lease{Seq: d.seq, Next: promise}))
	if last {
		d.ticks = 0
		d.watched = slices.Delete(d.watched, d.turn, d.turn+1)
	}
}

// watchOneMore lets go of the dead, and takes on one member if there are too few: one at a time, since a newcomer does
// not know whom it can choose from yet.
func (d *Detector) watchOneMore() {
	var room [MaxWatch + 1]member.ID
	not := append(room[:0], d.host.Self())
	d.watched = slices.DeleteFunc(d.watched, func(w watched) bool {
		_, ok := d.current(w.peer)
		return !ok
	})
	for i := range d.watched {
		not = append(not, d.watched[i].peer.ID)
	}
	if len(d.watched) >= d.cfg.Watch {
		return
	}
	var one [1]member.Member
	for _, m := range topology.Pick(d.host.Rand(), d.host.Table(), 1, one[:0], not...) {
		d.watched = append(d.watched, watched{peer: detect.PeerOf(&m), due: mono.Never})
	}
}

// acked takes an ack. A late one still tells how long a round trip takes.
func (d *Detector) acked(now mono.Time, from detect.Peer, seq uint32) {
	for i := range d.watched {
		w := &d.watched[i]
		if w.peer.ID != from.ID || w.seq != seq {
			continue
		}
		if w.sent <= now {
			d.path.sample(now.Sub(w.sent))
			w.sent = mono.Never
		}
		if w.due != mono.Never {
			w.due = mono.Never
			d.path.count(0, 1)
		}
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
		if d.accuse(now, w.peer, since) {
			d.path.count(1, 0) // of a member that is in doubt already nothing is learned
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
		d.leases = append(d.leases, lease{})
	}
	d.leases[i] = lease{peer: from, due: now.Add(next + d.path.timeout(&d.cfg))}
	d.soon(d.leases[i].due)
}

// missPings raises an alarm about whoever broke a promise.
func (d *Detector) missPings(now mono.Time) {
	for i := 0; i < len(d.leases); {
		l := d.leases[i]
		if l.due > now {
			d.soon(l.due)
			i++
			continue
		}
		d.dropLease(i) // the next ping brings the next
		if m, ok := d.current(l.peer); ok {
			d.accuse(now, detect.PeerOf(&m), now)
		}
	}
}

// dropLease forgets a promise; the last one takes its place.
func (d *Detector) dropLease(i int) {
	last := len(d.leases) - 1
	d.leases[i] = d.leases[last]
	d.leases = d.leases[:last]
}
