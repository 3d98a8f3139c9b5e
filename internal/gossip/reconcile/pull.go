package reconcile

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A newcomer's pull. It lists what it holds, as a rule nothing, in ranges that fill about one
// datagram each. Several ranges are asked for at once, each of another random member. The seed that
// let the newcomer in is asked an eighth as often, since all newcomers of a storm know that one. A
// lost request is made again, of another member. Only a Busy slows the pull down, by keeping its
// place in the window for the time it names. A window that shrinks with loss would starve where
// links lose half.

const (
	pullWindow  = 16 // requests under way
	perRange    = 16 // members in a range, at most as a rule
	pullTimeout = 250 * time.Millisecond
	seedShare   = 8               // the seed is asked one time in so many that it is drawn
	maxRetry    = 5 * time.Second // that a Busy can demand
	// requests for each range on average, after which the fingerprints must see to the rest
	maxAsks = 16
)

// pull is a pull under way.
type pull struct {
	live   uint32    // how many members are expected
	seed   member.ID // the member that let this node in
	bits   uint8     // of the ranges
	done   []uint64  // a bit for each range
	left   int       // ranges not done
	asks   int       // requests that may be made yet
	cursor int       // where the search for the next range goes on
	window []request // at most pullWindow
}

// request is one of the window: made, and made again at some time.
type request struct {
	prefix uint16
	again  mono.Time
}

// Welcome tells that a seed, which knows of so many live members, let this node in.
func (r *Repair) Welcome(now mono.Time, from member.Member, live uint32) {
	if r.pull == nil {
		r.startPull(now, from.ID, live)
	} else {
		r.pullMore(now, live)
	}
}

func (r *Repair) startPull(now mono.Time, seed member.ID, live uint32) {
	if r.whole = live < 2; r.whole {
		return
	}
	live = min(live, member.MaxMembers)
	r.expect = live
	bits := uint8(0)
	for bits < wire.MaxRangeBits && int(live>>bits) > perRange {
		bits++
	}
	n := 1 << bits
	r.pull = &pull{
		live: live, seed: seed, bits: bits, left: n, asks: maxAsks * n,
		done: make([]uint64, (n+63)/64), cursor: r.host.Rand().IntN(n),
		window: make([]request, 0, min(n, pullWindow)),
	}
	r.pullFill(now)
}

// pullMore starts the pull over, in smaller ranges, when there turns out to be far more than was
// expected.
func (r *Repair) pullMore(now mono.Time, live uint32) {
	if min(live, member.MaxMembers) > 2*r.pull.live {
		r.startPull(now, r.pull.seed, live)
	}
}

// pullFill makes requests until the window is full or all ranges are done or asked for.
func (r *Repair) pullFill(now mono.Time) {
	p := r.pull
	for scanned := 0; scanned < 1<<p.bits && len(p.window) < cap(p.window); scanned++ {
		g := uint16(p.cursor)
		p.cursor = (p.cursor + 1) & (1<<p.bits - 1)
		if p.done[g/64]>>(g%64)&1 == 0 && p.find(g) < 0 {
			p.window = append(p.window, r.ask(now, g))
		}
	}
}

// ask makes a request for a range.
func (r *Repair) ask(now mono.Time, prefix uint16) request {
	again := request{prefix: prefix, again: now.Add(pullTimeout)}
	to, ok := r.anybody()
	if ok && to.ID == r.pull.seed && r.host.Rand().IntN(seedShare) > 0 {
		to, ok = r.anybody()
	}
	r.pull.asks--
	if !ok {
		return again
	}
	r.stats.Asked++
	b := r.batch(now, to, nil)
	r.introduce(&b)
	r.view(&b, wire.View{Range: wire.Range{Bits: r.pull.bits, Prefix: prefix}, Report: true},
		largeCells)
	b.send()
	return again
}

func (r *Repair) receiveDone(now mono.Time, body []byte) bool {
	g, ok := wire.ReadDone(body)
	p := r.pull
	if !ok || p == nil || g.Bits != p.bits || p.done[g.Prefix/64]>>(g.Prefix%64)&1 == 1 {
		return ok
	}
	p.done[g.Prefix/64] |= 1 << (g.Prefix % 64)
	p.left--
	if i := p.find(g.Prefix); i >= 0 {
		p.window = slices.Delete(p.window, i, i+1)
	}
	if p.left == 0 {
		r.endPull(now)
	} else {
		r.pullFill(now)
	}
	return true
}

// endPull ends a pull. Members that were newcomers themselves did not know all: one exchange tells.
func (r *Repair) endPull(now mono.Time) {
	r.whole = r.whole || r.pull.left > 0 || r.host.Table().Live() >= int(r.expect)
	r.pull = nil
	r.lookAround(now)
}

// Whole says whether the table has been whole since the last Welcome. It is if the pull has brought
// as many members as the seed knew, or could get no answers. It is too if a peer turned out to see
// what this node sees.
func (r *Repair) Whole() bool { return r.whole }

func (r *Repair) receiveBusy(now mono.Time, body []byte) bool {
	g, retry, ok := wire.ReadBusy(body)
	if !ok {
		return false
	}
	r.stats.Busy++
	again := now.Add(min(time.Duration(retry)*time.Millisecond, maxRetry))
	p := r.pull
	if p == nil || g.Bits != p.bits {
		r.next = max(r.next, again)
	} else if i := p.find(g.Prefix); i >= 0 {
		p.window[i].again = max(p.window[i].again, again)
	}
	return true
}

// pullWake makes again the requests that were not answered.
func (r *Repair) pullWake(now mono.Time) {
	p := r.pull
	for i := range p.window {
		if now < p.window[i].again {
			continue
		}
		if p.asks <= 0 {
			r.endPull(now)
			return
		}
		p.window[i] = r.ask(now, p.window[i].prefix)
	}
}

func (p *pull) find(prefix uint16) int {
	return slices.IndexFunc(p.window, func(q request) bool { return q.prefix == prefix })
}

func (p *pull) deadline() mono.Time {
	t := mono.Never
	for _, q := range p.window {
		t = min(t, q.again)
	}
	return t
}

func (p *pull) stalled(gap time.Duration) {
	for i := range p.window {
		p.window[i].again = p.window[i].again.Add(gap)
	}
}
