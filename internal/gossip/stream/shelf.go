package stream

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
