package gossip

import (
	"slices"

	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/wire"
)

// seen tells copies of messages from new ones: for each origin a window over its sequence. Over maxOrigins, the window
// of an origin that was silent for longest, or nearly, makes way (second chance, Corbató 1969).
type seen struct {
	windows map[member.ID]*window
	ring    []member.ID // of all windows, and of some forgotten ones
	hand    int
}

const (
	windowBits = 512
	maxOrigins = 16384
)

type window struct {
	generation uint64
	high       uint64 // the highest sequence heard
	bits       [windowBits / 64]uint64
	lately     bool // heard since the hand passed
}

type hearing uint8

const (
	fresh hearing = iota
	heardBefore
	tooOld // below the window, or of a former life: it cannot be told whether it was heard
)

func (s *seen) note(m *wire.Message) hearing {
	w := s.windows[m.Origin]
	switch {
	case w == nil:
		w = s.open(m.Origin)
		w.generation = m.Generation
	case m.Generation < w.generation:
		return tooOld
	case m.Generation > w.generation:
		*w = window{generation: m.Generation}
	}
	w.lately = true
	return w.note(m.Seq)
}

// open makes a window for an origin, in the place of another if there are too many.
func (s *seen) open(origin member.ID) *window {
	if s.windows == nil {
		s.windows = make(map[member.ID]*window)
	}
	w := new(window)
	s.windows[origin] = w
	if len(s.ring) < maxOrigins {
		s.ring = append(s.ring, origin)
		return w
	}
	for {
		s.hand = (s.hand + 1) % len(s.ring)
		old := s.windows[s.ring[s.hand]]
		if old == nil || !old.lately {
			break
		}
		old.lately = false
	}
	delete(s.windows, s.ring[s.hand])
	s.ring[s.hand] = origin
	return w
}

func (s *seen) forget(id member.ID) {
	if _, ok := s.windows[id]; ok {
		delete(s.windows, id)
		s.ring = slices.DeleteFunc(s.ring, func(o member.ID) bool { return o == id })
	}
}

func (w *window) note(seq uint64) hearing {
	if seq > w.high {
		for q := w.high + 1; q <= seq && q-w.high <= windowBits; q++ { // the places of those between are free again
			w.bits[q%windowBits/64] &^= 1 << (q % 64)
		}
		w.high = seq
	}
	if w.high-seq >= windowBits {
		return tooOld
	}
	word, bit := &w.bits[seq%windowBits/64], uint64(1)<<(seq%64)
	if *word&bit != 0 {
		return heardBefore
	}
	*word |= bit
	return fresh
}
