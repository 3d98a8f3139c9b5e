package stream

import "github.com/starling-gossip/starling/internal/gossip/mono"

// What is held is bounded by bytes, count and age over all streams together. Each piece that comes
// in brings a permit with the time; permits are used up in that order, and each that is takes with
// it the *lowest* piece of its stream. So the oldest goes first whichever stream it is of, a stream
// is held from some piece on (a member can say what it has in two numbers), and no stream needs
// times of its own.

// retention lets go of what is held for too long, or is too much.
type retention struct {
	core
	outbox *outbox
	kept   mono.Time // pieces are held until then, however old
}

// retain lets go of the oldest pieces, over the bounds. It goes through all at most once: the rest
// may be pieces of this node's own that have to stay.
func (r *retention) retain(now mono.Time) {
	permits := &r.known.permits
	for range len(permits.list) - permits.head {
		p, ok := permits.first()
		if !ok {
			return
		}
		if expires := max(p.at.Add(r.cfg.Age), r.kept); r.known.held <= r.cfg.Pieces &&
			r.known.bytes+r.outbox.waitingBytes() <= r.cfg.Bytes && now < expires {
			r.at(expires.Add(r.cfg.Age / sweeps)) // a little later, to let many go at once
			return
		}
		permits.pop()
		switch st := p.st; {
		case st.gone || st.held == 0:
		case st.late > 0 && st.low >= st.late:
			// nobody else has it: it stays, which the window allows, until it is on its way
			permits.push(permit{st: st, at: now})
		default:
			r.evict(now, st)
		}
	}
	if r.known.held > 0 {
		r.at(now.Add(r.cfg.Age / sweeps))
	}
}

// sweeps is how often in the time that pieces are held, at most, it is looked for old ones without
// another reason.
const sweeps = 64

// evict lets go of the lowest piece of a stream. If it waits for delivery, what is missing before
// it is given up first; it will not come in time.
func (r *retention) evict(now mono.Time, st *stream) {
	seq := st.low
	if st.begun && seq > st.next {
		st.passOver(seq, 0)
	}
	if st.begun && seq >= st.next {
		r.endFormer(now, st)
		r.order.deliver(now, st, true)
	}
	r.known.drop(st, seq)
	r.order.deliver(now, st, false)
	r.gaps.missing(now, st, false)
	if r.isOwn(st.origin, st.generation) {
		r.outbox.tellWritable(now)
	}
}

// endFormer ends the earlier lives of a stream's origin, of which something is missing: this life
// waits for them, and cannot wait any longer. What is held of them is delivered, what is known to
// be missing is told as lost.
func (r *retention) endFormer(now mono.Time, st *stream) {
	end, _ := r.known.search(st.origin, st.generation)
	i, _ := r.known.search(st.origin, 0)
	for ; i < end; i++ {
		e := r.known.list[i]
		if e.life() == st.life() {
			return
		}
		r.order.deliver(now, e, true) // large messages wait for small ones
		for e.begun && (e.next <= e.head || len(e.open) > 0 && e.hole == 0) {
			held, ok := e.after(e.solid)
			switch last, seq := e.shown(); {
			case ok:
				e.passOver(held, 0)
			case last >= e.solid:
				e.passOver(last+1, seq)
			default: // nothing shows that there is more
				e.head, e.open = e.next-1, nil
			}
			r.order.deliver(now, e, true)
		}
		r.known.mending.end(e)
		if e.hole > 0 {
			r.order.tellTail(now, e)
		}
	}
}

// keep has no piece let go for its age for a while. Members that come back again and again do not
// draw that out.
func (r *retention) keep(now mono.Time) {
	if now >= r.kept.Add(reunionHold) || r.kept == 0 {
		r.kept = now.Add(reunionHold)
	}
}
