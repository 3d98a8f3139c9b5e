package sim

import "github.com/starling-gossip/starling/internal/gossip"

// The event queue. Packets on their way are in a heap of four children a node, which has a third
// fewer cache misses than one of two. A second heap has one wake-up for each host. It is indexed by
// host, so that moving a deadline leaves nothing stale behind.

// flight is a packet on its way. Equal times are ordered by destination, source and sequence, which
// is the same for any number of workers.
type flight struct {
	at       gossip.Time
	dst, src int32 // hosts
	seq      uint64
	data     []byte
}

func (a *flight) before(b *flight) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	if a.dst != b.dst {
		return a.dst < b.dst
	}
	if a.src != b.src {
		return a.src < b.src
	}
	return a.seq < b.seq
}

type flights []flight

func (q *flights) push(f flight) {
	h := append(*q, f)
	i := len(h) - 1
	for i > 0 {
		p := (i - 1) / 4
		if !f.before(&h[p]) {
			break
		}
		h[i] = h[p]
		i = p
	}
	h[i] = f
	*q = h
}

func (q *flights) pop() flight {
	h := *q
	top, n := h[0], len(h)-1
	last := h[n]
	h[n] = flight{}
	h = h[:n]
	*q = h
	if n == 0 {
		return top
	}
	i := 0
	for {
		c := 4*i + 1
		if c >= n {
			break
		}
		for k, end := c+1, min(c+4, n); k < end; k++ {
			if h[k].before(&h[c]) {
				c = k
			}
		}
		if !h[c].before(&last) {
			break
		}
		h[i] = h[c]
		i = c
	}
	h[i] = last
	return top
}

// wakes holds at most one wake-up for each host.
type wakes struct {
	heap []wake
	pos  []int32 // of each host in the heap, plus one; 0: none
}

type wake struct {
	at   gossip.Time
	host int32
}

func (a wake) before(b wake) bool { return a.at < b.at || a.at == b.at && a.host < b.host }

// set moves a host's wake-up; Never removes it.
func (w *wakes) set(host int32, at gossip.Time) {
	i := int(w.pos[host]) - 1
	switch {
	case i < 0 && at == gossip.Never:
		return
	case i < 0:
		w.heap = append(w.heap, wake{})
		w.up(len(w.heap)-1, wake{at, host})
	case at == gossip.Never:
		w.remove(i)
	case w.heap[i].at == at:
	case at < w.heap[i].at:
		w.up(i, wake{at, host})
	default:
		w.down(i, wake{at, host})
	}
}

func (w *wakes) remove(i int) {
	n := len(w.heap) - 1
	last := w.heap[n]
	w.pos[w.heap[i].host] = 0
	w.heap = w.heap[:n]
	if i == n {
		return
	}
	if i > 0 && last.before(w.heap[(i-1)/4]) {
		w.up(i, last)
	} else {
		w.down(i, last)
	}
}

// up puts x at i or above.
func (w *wakes) up(i int, x wake) {
	for i > 0 {
		p := (i - 1) / 4
		if !x.before(w.heap[p]) {
			break
		}
		w.put(i, w.heap[p])
		i = p
	}
	w.put(i, x)
}

// down puts x at i or below.
func (w *wakes) down(i int, x wake) {
	n := len(w.heap)
	for {
		c := 4*i + 1
		if c >= n {
			break
		}
		for k, end := c+1, min(c+4, n); k < end; k++ {
			if w.heap[k].before(w.heap[c]) {
				c = k
			}
		}
		if !w.heap[c].before(x) {
			break
		}
		w.put(i, w.heap[c])
		i = c
	}
	w.put(i, x)
}

func (w *wakes) put(i int, x wake) {
	w.heap[i] = x
	w.pos[x.host] = int32(i + 1)
}
