package inquest

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
)

// Whether the TCP ports of others can be tried from here. Where a filter drops such connections a
// dead process looks like a dead host, and a stalled one too: a crash takes longer to see, and
// nothing shows that in quiet. So the port of a newly watched member is tried within seconds, again
// if that was in vain, and then that of one of the watched each minute, and of one that asks for it
// (ownport.go). When one turns out to be filtered all others are tried at once: most likely a
// filter was set here, or at all.

const (
	portAgain = 2 * time.Second
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

// ports is what is tried when, of the TCP ports of the watched. What came of it is kept with each
// of them.
type ports struct {
	*env
	last  mono.Time // when one was tried of those that are tried in turn
	sweep bool      // the ports of all watched are to be tried
}

// turn tries the port of one of the watched, if it is time to. It is called once in a
// Config.Period while nobody is examined.
func (s *ports) turn(now mono.Time, list []watched) {
	if s.cfg.NoKernel || len(list) == 0 {
		return
	}
	s.again(now, list)
	for i := range list {
		p := &list[i].port
		if p.tried == 0 || p.answer == 0 && p.vain < portTries && now.Sub(p.tried) >= portAgain {
			s.try(now, &list[i])
			return
		}
	}
	// whatever was tried since: a change of the watched comes more often
	if now.Sub(s.last) >= portEvery {
		s.last = now
		oldest := 0
		for i := range list {
			if list[i].port.tried < list[oldest].port.tried {
				oldest = i
			}
		}
		s.try(now, &list[oldest])
	}
}

// again has the ports of the others tried anew once one turns out to be filtered, and those of
// all that are once one of them answers again.
func (s *ports) again(now mono.Time, list []watched) {
	found := false
	for i := range list {
		if p := &list[i].port; p.filtered(now) && !p.seen {
			p.seen, found = true, true
		}
	}
	for i := range list {
		p := &list[i].port
		if again := found && !p.seen && p.answer != 0 || s.sweep && p.seen; again &&
			now.Sub(p.tried) >= 2*portAgain {
			p.tried = 0
		}
	}
	s.sweep = false
}

// try tries the port of one of the watched.
func (s *ports) try(now mono.Time, w *watched) {
	w.port.tried, w.port.answer = now, 0
	w.port.vain = min(w.port.vain+1, portTries)
	s.host.Connect(now, w.peer)
}

// asked tries the port of a watched member that asks for it.
func (s *ports) asked(now mono.Time, list []watched, from plane.Peer) {
	for i := range list {
		w := &list[i]
		again := w.port.tried == 0 || now.Sub(w.port.tried) >= portAgain
		if w.peer.ID == from.ID && w.peer.Instance == from.Instance && again && !s.cfg.NoKernel {
			s.try(now, w)
		}
	}
}

// answered takes in that a host answered.
func (s *ports) answered(list []watched, from plane.Peer, o detect.Outcome) {
	for i := range list {
		if w := &list[i]; w.peer.ID == from.ID && w.peer.Instance == from.Instance {
			s.sweep = s.sweep || w.port.seen // they may all be open again
			w.port.vain, w.port.answer, w.port.seen = 0, o, false
		}
	}
}

// filtered returns of how many of the watched the port is filtered.
func (s *ports) filtered(now mono.Time, list []watched) (n int) {
	for i := range list {
		if list[i].port.filtered(now) {
			n++
		}
	}
	return n
}

// state returns what is known of a member's port, if it is watched.
func (s *ports) state(now mono.Time, list []watched, id member.ID) detect.Port {
	for i := range list {
		if w := &list[i]; w.peer.ID == id {
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
