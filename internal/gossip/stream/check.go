package stream

import "fmt"

// Check says what contradicts itself in all that is held of all streams, nil if nothing does: the
// order of streams and of what is known of each, and what is counted as it goes. It goes through
// all pieces.
func (s *Streams) Check() error {
	held, size, hash, open, requests := 0, 0, uint64(0), 0, 0
	for i, st := range s.list {
		if i > 0 && s.list[i-1].compare(st.origin, st.generation) >= 0 {
			return fmt.Errorf("streams: %x/%d stands out of order", st.origin, st.generation)
		}
		if err := st.check(); err != nil {
			return fmt.Errorf("stream %x/%d: %w", st.origin, st.generation, err)
		}
		for q, ok := st.after(0); ok; q, ok = st.after(q + 1) {
			size += len(st.get(q))
			if p := st.page(q); p.open>>(q%pageSize)&1 == 1 {
				open++
			}
		}
		held += st.held
		hash ^= st.item()
	}
	for _, st := range s.mending.list {
		requests += len(st.repair.requests)
	}
	if held != s.held || size != s.bytes || hash != s.hash || open != s.window.count ||
		requests != s.mending.inFlight {
		return fmt.Errorf("streams: held %d, bytes %d, hash %x, open %d, in flight %d; counted "+
			"%d, %d, %x, %d, %d", s.held, s.bytes, s.hash, s.window.count, s.mending.inFlight,
			held, size, hash, open, requests)
	}
	return nil
}

// check says what contradicts itself in one stream.
func (st *stream) check() error {
	held, last := 0, uint64(0)
	for q, ok := st.after(0); ok; q, ok = st.after(q + 1) {
		if held == 0 && st.low != q {
			return fmt.Errorf("the lowest piece is %d, not %d", q, st.low)
		}
		held, last = held+1, q
	}
	switch {
	case held != st.held:
		return fmt.Errorf("%d pieces are held, not %d", held, st.held)
	case last > st.top || st.top > st.head:
		return fmt.Errorf("piece %d is held, the last that was here is %d, the last there is %d",
			last, st.top, st.head)
	case st.next > st.solid:
		return fmt.Errorf("piece %d is the next to be given, and %d is missing", st.next, st.solid)
	case st.begun && held > 0 && last >= st.next+Ahead:
		return fmt.Errorf("piece %d is held, %d or more beyond %d, the next to be given", last,
			Ahead, st.next)
	case st.begun && st.get(st.solid) != nil:
		return fmt.Errorf("piece %d is held, and waited for", st.solid)
	case st.repair != nil && st.solid > st.head:
		return fmt.Errorf("piece %d is asked for, and there is none after %d", st.solid, st.head)
	case st.hole > st.next:
		return fmt.Errorf("piece %d is passed over before %d, which is the next", st.hole, st.next)
	}
	for q := st.next; q < st.solid; q++ {
		if st.get(q) == nil {
			return fmt.Errorf("piece %d is not held, and %d is called the first of those", q,
				st.solid)
		}
	}
	for i, r := range st.lost {
		if r.From > r.To || r.To >= st.next || i > 0 && st.lost[i-1].To >= r.From {
			return fmt.Errorf("the pieces that were passed over are %v, the next is %d", st.lost,
				st.next)
		}
	}
	return nil
}
