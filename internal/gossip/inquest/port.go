package inquest

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// Whether the TCP ports of others can be tried from here. Where a filter drops such connections a
// dead process looks like a dead host, and a stalled one too: a crash takes longer to see, and
// nothing shows that in quiet. So the port of a newly watched member is tried within seconds, again
// if that was in vain, and then that of one of the watched each minute, and of one that asks for it
// (ownport.go). When one turns out to be filtered all others are tried at once: most likely a
// filter was set here, or at all.

const (
	portAgain = 2500 * time.Millisecond
	portEvery = time.Minute
	portTries = 2 // in vain, after which it is filtered
)

// port is what is known of a watched member's TCP port.
type port struct {
	tried  mono.Time      // the last try; 0: none
	vain   int            // tries without an answer
	answer detect.Outcome // to the last one; 0: none
	seen   bool           // it was found to be filtered, and the others were tried for it
}

// filtered says whether nothing came of the tries.
func (p *port) filtered(now mono.Time) bool {
	return p.answer == 0 && p.vain >= portTries && now.Sub(p.tried) >= portAgain
}

// tryPorts tries the port of one of the watched, if it is time to. It is called once in a
// Config.Period.
func (d *Detector) tryPorts(now mono.Time) {
	if d.cfg.NoKernel || len(d.watched) == 0 || len(d.alarms) > 0 {
		return
	}
	d.sweepPorts(now)
	for i := range d.watched {
		p := &d.watched[i].port
		if p.tried == 0 || p.answer == 0 && p.vain < portTries && now.Sub(p.tried) >= portAgain {
			d.tryPort(now, &d.watched[i])
			return
		}
	}
	// whatever was tried since: a change of the watched comes more often
	if now.Sub(d.ported) >= portEvery {
		d.ported = now
		oldest := 0
		for i := range d.watched {
			if d.watched[i].port.tried < d.watched[oldest].port.tried {
				oldest = i
			}
		}
		d.tryPort(now, &d.watched[oldest])
	}
}

// sweepPorts has the ports of the others tried anew once one turns out to be filtered, and those of
// all that are once one of them answers again.
func (d *Detector) sweepPorts(now mono.Time) {
	found := false
	for i := range d.watched {
		if p := &d.watched[i].port; p.filtered(now) && !p.seen {
			p.seen, found = true, true
		}
	}
	for i := range d.watched {
		p := &d.watched[i].port
		if again := found && !p.seen && p.answer != 0 || d.sweep && p.seen; again &&
			now.Sub(p.tried) >= 2*portAgain {
			p.tried = 0
		}
	}
	d.sweep = false
}

func (d *Detector) tryPort(now mono.Time, w *watched) {
	w.port.tried, w.port.answer = now, 0
	w.port.vain = min(w.port.vain+1, portTries)
	d.host.Connect(now, w.peer)
}

// portAnswered takes in that a host answered.
func (d *Detector) portAnswered(from detect.Peer, o detect.Outcome) {
	for i := range d.watched {
		if w := &d.watched[i]; w.peer.ID == from.ID && w.peer.Instance == from.Instance {
			d.sweep = d.sweep || w.port.seen // they may all be open again
			w.port.vain, w.port.answer, w.port.seen = 0, o, false
		}
	}
}

// Filtered returns of how many watched members the TCP port is filtered, and how many are watched.
func (d *Detector) Filtered(now mono.Time) (filtered, of int) {
	for i := range d.watched {
		if d.watched[i].port.filtered(now) {
			filtered++
		}
	}
	return filtered, len(d.watched)
}

// Port returns what is known of a member's TCP port, if it is watched.
func (d *Detector) Port(now mono.Time, id member.ID) detect.Port {
	for i := range d.watched {
		if w := &d.watched[i]; w.peer.ID == id {
			switch p := &w.port; {
			case p.filtered(now):
				return detect.PortFiltered
			case p.answer == detect.Refused:
				return detect.PortRefused
			case p.answer == detect.Accepted:
				return detect.PortOpen
			}
		}
	}
	return detect.PortUnknown
}
