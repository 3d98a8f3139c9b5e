package sim

import (
	"fmt"
	"slices"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// recorder turns what happens in a world into a history, and hands it to the meter and the
// checkers.
type recorder struct {
	w        *World
	ledger   *ledger
	meter    meter
	keys     keyMeter
	checkers []Checker
	packets  bool // copies of messages are counted
	failures []Violation
	dirty    []uint64 // the table's change counter at the last look, by process
	lives    []int
	bytes    []uint64 // sent at the last tick, by host
	crossed  []uint64 // by the last tick, of what can wait, by pair of zones
	clones   map[life]bool
	// a clone was let in where its original is not seen, or by another clone: nothing can be said
	// of either
	twins bool
}

// life is one of a member's.
type life struct {
	member int32
	gen    uint64
}

// Violation is something that must never happen, and did.
type Violation struct {
	Checker string  `json:"checker"`
	At      Seconds `json:"at"` // since the start of the run, as the times in the text
	Text    string  `json:"text"`
}

func (v Violation) String() string {
	return fmt.Sprintf("%s at %.3f s: %s", v.Checker, v.At,
		v.Text)
}

// maxViolations is how many violations of one checker a run keeps: the first ones say most.
const maxViolations = 3

func newRecorder(w *World) *recorder {
	r := &recorder{w: w, ledger: newLedger(0, !w.opt.Unchecked), clones: map[life]bool{},
		packets: w.opt.publishes()}
	r.meter.ledger, r.ledger.config, r.ledger.ground = r.ledger, w.opt.Gossip, w.plan
	if !w.opt.Unchecked {
		r.checkers = checkers(&w.opt)
	}
	return r
}

func (r *recorder) grow(zone int32) {
	r.ledger.grow()
	r.ledger.zones = append(r.ledger.zones, zone)
	r.dirty = append(r.dirty, 0)
	r.lives = append(r.lives, 0)
	r.bytes = append(r.bytes, 0)
}

// take adds an observation to the history.
func (r *recorder) take(o *Obs) {
	if o.Node >= 0 && r.w.procs[o.Node].clone { // it is no member
		own := r.w.memberOf(member.IDOf(r.w.procs[o.Node].name))
		switch {
		case o.Kind == Started, o.Kind == Own: // or it went above a generation on paper
			r.clones[life{own, o.After.Gen}] = true
		case o.Kind == Saw && o.Member != own && r.clones[life{o.Member, o.After.Gen}]:
			// a clone let another one in
			r.twins = true
		}
		return
	}
	if o.Node >= 0 && r.meets(o) || o.Node >= 0 && r.w.procs[o.Node].stranger {
		return
	}
	if o.Kind == Saw && r.clones[life{o.Member, o.After.Gen}] {
		r.twins = r.twins || !o.Before.live()
	}
	r.ledger.take(o)
	r.meter.take(o)
	if r.w.writes {
		r.keys.take(o)
	}
	for _, c := range r.checkers {
		if msg := c.Take(r.ledger, o); msg != "" {
			r.fail(c.Name(), o.At, msg)
		}
	}
}

func (r *recorder) fail(name string, at gossip.Time, msg string) {
	if slices.Contains(r.w.opt.Suspend, name) || r.twins && slices.Contains(allCheckers, name) {
		return
	}
	n := 0
	for i := range r.failures {
		if r.failures[i].Checker == name {
			n++
		}
	}
	if n < maxViolations {
		v := Violation{Checker: name, At: seconds(span(at)), Text: msg}
		r.failures = append(r.failures, v)
		if r.w.trace != nil {
			r.w.trace.line(at, "VIOLATION", v.String())
		}
	}
}

// tick looks at all that changes without an event: each second, and at the end.
func (r *recorder) tick() {
	w := r.w
	for i, h := range w.hosts {
		if p := h.proc; p != nil {
			r.take(&Obs{At: w.now, Kind: Traffic, Node: p.index,
				Count: int(h.bytes - h.seals - r.bytes[i])})
		}
		r.bytes[i] = h.bytes - h.seals // budgets are before sealing
	}
	for _, p := range w.procs {
		if !p.up {
			continue
		}
		r.gauges(p)
		if w.writes {
			r.take(&Obs{At: w.now, Kind: Held, Node: p.index, Hash: p.node.Keys().Fingerprint()})
		}
		if c := p.node.Table().Changes(); c != r.dirty[p.index] || p.lives != r.lives[p.index] {
			r.dirty[p.index], r.lives[p.index] = c, p.lives
			r.scan(p)
		}
	}
	r.crossings()
	r.take(&Obs{At: w.now, Kind: Tick, Node: -1})
}

// maps observes what each holds of each owner's keys. Those with a time to live are left out: they
// lapse here and there.
func (r *recorder) maps() {
	for _, p := range r.w.procs {
		if !p.up {
			continue
		}
		for k, id := range r.w.idOf {
			if id == 0 {
				continue
			}
			o := Obs{At: r.w.now, Kind: Map, Node: p.index, Member: int32(k)}
			for v := range p.node.Keys().Of(id) {
				if v.TTL == 0 {
					o.Count++
					o.Hash ^= mix(hashOf(v.Key) ^ mix(hashOf(v.Value)))
				}
			}
			if o.Count > 0 || p.index == o.Member {
				r.take(&o)
			}
		}
	}
}

// crossings observes what went from zone to zone since the last tick, of what a budget can make
// wait.
func (r *recorder) crossings() {
	zones := r.w.opt.Zones
	for i, c := range r.w.crossings() {
		for len(r.crossed) <= i {
			r.crossed = append(r.crossed, 0)
		}
		b := c.bytes[published] + c.bytes[states] + c.bytes[repairs]
		if from, to := i/zones, i%zones; from != to {
			r.take(&Obs{At: r.w.now, Kind: Crossed, Node: -1,
				Text: fmt.Sprintf("z%d to z%d", from,
					to), Seq: uint64(i), Count: int(b - r.crossed[i])})
		}
		r.crossed[i] = b
	}
}

// scan compares a node's table with what its events told.
func (r *recorder) scan(p *proc) {
	t, row := p.node.Table(), r.ledger.seen[p.index]
	for i, id := range r.w.idOf {
		var h Holding
		if m, ok := t.Get(id); ok {
			h = holding(&m)
		}
		if h != row[i] {
			r.take(&Obs{At: r.w.now, Kind: Saw, Node: p.index, Member: int32(i), After: h})
		}
	}
}
