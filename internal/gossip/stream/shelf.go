package stream

import "github.com/starling-gossip/starling/internal/gossip/mono"

// shelf holds the bodies of a stream's pieces by sequence: pages of a few, in a row. It grows with
// the span between the first and the last, by half a byte a piece that is not there.
type shelf struct {
	pages []*page
	first uint64 // number of pages[0]
}

const pageSize = 16

// page is the pieces from n·pageSize on.
type page struct {
	body  [pageSize][]byte
	count uint8
	open  uint16 // of one's own: a bit for each that is not closed
	alone uint16 // of one's own: a bit for each that nobody else has, see Lone
}

func (h *shelf) page(seq uint64) *page {
	// below first it wraps to the high numbers
	if i := seq/pageSize - h.first; i < uint64(len(h.pages)) {
		return h.pages[i]
	}
	return nil
}

// get returns a piece's body, nil if it is not there.
func (h *shelf) get(seq uint64) []byte {
	if p := h.page(seq); p != nil {
		return p.body[seq%pageSize]
	}
	return nil
}

// put adds a piece that is not there yet. The caller bounds the span.
func (h *shelf) put(seq uint64, body []byte, spare **page) {
	n := seq / pageSize
	if len(h.pages) == 0 {
		h.first = n
	}
	if n < h.first {
		more := make([]*page, h.first-n, h.first-n+uint64(len(h.pages)))
		h.pages, h.first = append(more, h.pages...), n
	}
	for n-h.first >= uint64(len(h.pages)) {
		h.pages = append(h.pages, nil)
	}
	p := h.pages[n-h.first]
	if p == nil {
		if p = *spare; p == nil {
			p = new(page)
		}
		*spare = nil
		h.pages[n-h.first] = p
	}
	p.body[seq%pageSize] = body
	p.count++
}

// drop removes a piece that is there.
func (h *shelf) drop(seq uint64, spare **page) {
	p := h.page(seq)
	p.body[seq%pageSize] = nil
	p.open &^= 1 << (seq % pageSize)
	p.alone &^= 1 << (seq % pageSize)
	if p.count--; p.count > 0 {
		return
	}
	*spare = p
	h.pages[seq/pageSize-h.first] = nil
	for len(h.pages) > 0 && h.pages[0] == nil {
		h.pages = h.pages[1:]
		h.first++
	}
	if len(h.pages) == 0 {
		h.pages = nil
	}
}

// after returns the first sequence from seq on that is there; ok is false if none is.
func (h *shelf) after(seq uint64) (at uint64, ok bool) {
	seq = max(seq, h.first*pageSize)
	for seq/pageSize-h.first < uint64(len(h.pages)) {
		p := h.pages[seq/pageSize-h.first]
		if p == nil {
			seq = (seq/pageSize + 1) * pageSize
			continue
		}
		if p.body[seq%pageSize] != nil {
			return seq, true
		}
		seq++
	}
	return 0, false
}

// pieceCost is what a piece counts in the window beside its body, so that empty messages are
// bounded too.
const pieceCost = 64

// window is how much of what this node published the others have not confirmed yet.
type window struct {
	bytes int // with pieceCost for each piece
	count int // pieces
}

// add takes a piece of the own stream that is held into the window.
func (w *window) add(st *stream, seq uint64) {
	st.page(seq).open |= 1 << (seq % pageSize)
	w.bytes += len(st.get(seq)) + pieceCost
	w.count++
}

// shut takes a piece of the own stream out of the window, if it is in it.
func (w *window) shut(st *stream, seq uint64) {
	if p := st.page(seq); p != nil && p.open>>(seq%pageSize)&1 == 1 {
		p.open &^= 1 << (seq % pageSize)
		w.bytes -= len(p.body[seq%pageSize]) + pieceCost
		w.count--
	}
}

// permit stands for one piece of a stream.
type permit struct {
	st *stream
	at mono.Time
}

// permits is a queue that reuses its room and gives back what it does not need.
type permits struct {
	list []permit
	head int
}

func (q *permits) push(p permit) {
	if len(q.list) == cap(q.list) && q.head > 0 {
		q.compact()
	}
	q.list = append(q.list, p)
}

// compact drops what is used up, and what belongs to streams that were let go.
func (q *permits) compact() {
	kept := q.list[:0]
	for _, p := range q.list[q.head:] {
		if !p.st.gone {
			kept = append(kept, p)
		}
	}
	clear(q.list[len(kept):])
	if cap(q.list) > 64 && len(kept) < cap(q.list)/4 {
		kept = append(make([]permit, 0, cap(q.list)/2), kept...)
	}
	q.list, q.head = kept, 0
}

func (q *permits) first() (permit, bool) {
	if q.head == len(q.list) {
		return permit{}, false
	}
	return q.list[q.head], true
}

func (q *permits) pop() {
	q.list[q.head] = permit{}
	if q.head++; q.head == len(q.list) || q.head >= 64 && q.head > len(q.list)/2 {
		q.compact()
	}
}
