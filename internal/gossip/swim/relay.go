package swim

import (
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// relay is an indirect ping that this node makes for another.
type relay struct {
	asker    plane.Peer
	askerSeq uint32
	target   member.ID
	seq      uint32
	nackAt   mono.Time // mono.Never once sent
	end      mono.Time
}

func (r *relay) due() mono.Time { return min(r.nackAt, r.end) }

// startRelay pings the target for the asker. A helper that does not know the target, or cannot send
// to it, says so at once by a nack. The asker learns that this helper is well, and that it can
// expect nothing of it.
func (d *Detector) startRelay(now mono.Time, from plane.Peer, m wire.PingReq) {
	target, ok := d.host.Table().Get(m.Target)
	if !ok || target.Instance() != m.Instance || target.OutOfFamily || len(d.relays) >= maxRelays {
		d.nack(now, from, m.Seq)
		return
	}
	d.seq++
	rto := d.rtt.timeout(d.cfg.MinRTO, d.cfg.Period)
	d.relays = append(d.relays, relay{
		asker: from, askerSeq: m.Seq, target: m.Target, seq: d.seq,
		nackAt: now.Add(rto * 8 / 10), // Lifeguard, section IV-A: at 80 % of the timeout
		end:    now.Add(d.cfg.Period),
	})
	d.send(now, plane.PeerOf(&target), wire.AppendPing(d.scratch[:0], d.seq))
}

// relayAck passes an ack on.
func (d *Detector) relayAck(now mono.Time, from plane.Peer, seq uint32) {
	for i := range d.relays {
		if r := d.relays[i]; r.seq == seq && r.target == from.ID {
			d.relays = slices.Delete(d.relays, i, i+1)
			d.send(now, r.asker, wire.AppendAck(d.scratch[:0], r.askerSeq))
			return
		}
	}
}

func (d *Detector) expireRelays(now mono.Time) {
	kept := d.relays[:0]
	for _, r := range d.relays {
		if r.nackAt <= now {
			r.nackAt = mono.Never
			d.nack(now, r.asker, r.askerSeq)
		}
		if r.end > now {
			kept = append(kept, r)
		}
	}
	d.relays = kept
	if len(kept) == 0 && cap(kept) > 8 {
		d.relays = nil // give back what a storm took
	}
}

func (d *Detector) nack(now mono.Time, to plane.Peer, seq uint32) {
	if !d.cfg.NoNack {
		d.send(now, to, wire.AppendNack(d.scratch[:0], seq))
	}
}
