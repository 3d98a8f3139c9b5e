package transport

// This file is the replay window: which of a sender's latest counters have been seen.

import "slices"

const (
	windowWords = 32 // of 64 counters each
	// replayWindow is how far behind the newest counter of its sender a datagram may arrive. One
	// word of the ring is being refilled (RFC 6479), so 31 of 32 count.
	replayWindow = (windowWords - 1) * 64
	// fewCounters is how many counters a window notes one by one before it needs the ring.
	fewCounters = 8
)

// window remembers which of the last replayWindow counters were accepted. Older ones count as
// seen. The zero value has seen nothing.
//
// A sender's counter runs over all its receivers, so one receiver sees few of them, far apart:
// a short list does for most senders, and only the busy ones get a ring of bits (RFC 6479).
type window struct {
	end  uint64 // one more than the highest accepted; 0: none
	ring *[windowWords]uint64
	few  [fewCounters]uint16 // without a ring: the low bits of the counters, all within the window
	n    uint8               // how many of few
}

// fresh says whether the counter has not been seen and is not too old.
func (w *window) fresh(counter uint64) bool {
	switch {
	case counter >= w.end:
		return true
	case w.end-1-counter >= replayWindow:
		return false
	case w.ring != nil:
		return w.ring[counter/64%windowWords]&(1<<(counter%64)) == 0
	}
	return !slices.Contains(w.few[:w.n], uint16(counter))
}

// accept notes a fresh counter.
func (w *window) accept(counter uint64) {
	if counter >= w.end {
		w.advance(counter)
	}
	if w.ring == nil && w.n < fewCounters {
		w.few[w.n] = uint16(counter)
		w.n++
		return
	}
	if w.ring == nil {
		w.widen()
	}
	w.set(counter)
}

func (w *window) set(counter uint64) { w.ring[counter/64%windowWords] |= 1 << (counter % 64) }

// advance moves the window up to a new highest counter and forgets what falls out of it.
func (w *window) advance(counter uint64) {
	if w.ring != nil {
		// Clear the words that the window enters. Before the first counter there is none to keep.
		for word := counter / 64; word > (w.end-1)/64 && counter/64-word < windowWords; word-- {
			w.ring[word%windowWords] = 0
		}
		w.end = counter + 1
		return
	}
	kept := uint8(0)
	for _, low := range w.few[:w.n] {
		if counter-w.restore(low) < replayWindow {
			w.few[kept] = low
			kept++
		}
	}
	w.n = kept
	w.end = counter + 1
}

// restore makes a noted counter whole: it is the highest one not after the end that has these low
// bits, because the window is shorter than 2^16.
func (w *window) restore(low uint16) uint64 {
	last := w.end - 1
	return last - uint64(uint16(last)-low)
}

// widen turns the list into a ring. The order of accept (advance first) keeps all within it.
func (w *window) widen() {
	w.ring = new([windowWords]uint64)
	for _, low := range w.few[:w.n] {
		w.set(w.restore(low))
	}
	w.n = 0
}
