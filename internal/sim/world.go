package sim

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// World is a cluster in virtual time. It is not safe for concurrent use; its workers are its own
// business.
type World struct {
	opt     Options
	seed    uint64
	plan    *plan
	now     gossip.Time
	hosts   []*host
	procs   []*proc
	byID    map[member.ID]int32 // a name's ID to its process
	idOf    []member.ID         // and back
	shards  []*shard
	faults  []fault
	past    []fault // those that ended lately
	agenda  []entry
	laid    int32          // faults so far
	writes  bool           // keys are written
	written map[string]int // how often keys were written or deleted, by action
	drawn   uint64         // actions so far: each draws from a stream of its own
	events  uint64

	settlings []Settling
	polling   bool
	overhears bool // packets are taken down, to be sent again
	timeline  []Point
	total     Point // so far

	rec       *recorder
	trace     *tracer
	fates     [fates]uint64
	epoch     gossip.Time // when the scenario's clock started
	seeds     []netip.AddrPort
	dialled   []netip.AddrPort // all that were seeds
	strangers []*proc          // of the other cluster; none once the two are one
	joins     bool             // somebody was told to join it
	err       error
	halted    bool // a node panicked
}

// host is a place in the network: an address, and at most one process that listens there.
type host struct {
	index  int32
	zone   int32
	addr   netip.AddrPort
	proc   *proc
	ground *Ground       // a guest of another protocol stands here, not a process
	down   bool          // it answers nothing
	seq    uint64        // packets sent
	copies uint64        // packets that went on their way, duplicates too
	out    pipe          // its own link, out
	in     pipe          // and in
	access time.Duration // that each packet takes more which it sends or gets
	bursts map[burstKey]burstState
	hash   uint64 // over everything that happened here

	packets, bytes uint64 // sent, with headers
	seals          uint64 // of these bytes, those of sealing
	across         uint64 // bytes of these to other zones
	heard          uint64 // packets received

	spoilt    float64 // share of copies of the packet being sent that something changes
	overheard []overheard
}

// entry is something that the world does at a moment, before anything else of that moment.
type entry struct {
	at gossip.Time
	do func()
}

const port = 7747

// addrOf is the address of a host: its index in 10.0.0.0/8.
func addrOf(i int32) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8),
		byte(i)}), port)
}

// hostAt returns the index of the host with an address, -1 if there is none.
func (w *World) hostAt(a netip.AddrPort) int32 {
	b := a.Addr().As16()
	i := int32(b[13])<<16 | int32(b[14])<<8 | int32(b[15])
	if a.Port() != port || b[12] != 10 || int(i) >= len(w.hosts) {
		return -1
	}
	return i
}

// newWorld sets the stage; nobody has started yet.
func newWorld(opt Options) (*World, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, err
	}
	w := &World{opt: opt, seed: opt.Seed, byID: map[member.ID]int32{}}
	if w.plan, err = opt.Network.resolve(opt.Zones); err != nil {
		return nil, err
	}
	for i := range opt.Workers {
		w.shards = append(w.shards, &shard{w: w, index: i, outward: make([][]flight, opt.Workers)})
	}
	w.overhears = slices.ContainsFunc(opt.Actions,
		func(a Action) bool { return a.Do == Forge || a.Do == Replay })
	w.rec, w.writes, w.written = newRecorder(w), w.opt.writes(), map[string]int{}
	if opt.Trace != nil {
		w.trace = &tracer{w: w, to: opt.Trace}
	}
	for range opt.Nodes {
		w.addProc()
	}
	return w, nil
}

// addProc makes a process that has yet to start, on a host of its own.
func (w *World) addProc() *proc {
	i := int32(len(w.procs))
	h := &host{index: i, zone: i % int32(w.opt.Zones), addr: addrOf(i),
		hash: mix(w.seed + uint64(i))}
	p := &proc{w: w, index: i, name: fmt.Sprintf("n%d", i), host: h}
	p.skew = gossip.Time(mix(w.seed^uint64(i)<<20) % uint64(time.Hour))
	rng := newStream(w.seed, 7, uint64(i))
	h.access = w.opt.Network.access(&rng)
	h.out.Bandwidth, h.in.Bandwidth = w.plan.own, w.plan.own
	w.hosts = append(w.hosts, h)
	w.procs = append(w.procs, p)
	w.idOf = append(w.idOf, member.IDOf(p.name))
	w.byID[w.idOf[i]] = i
	for _, s := range w.shards {
		s.wakes.pos = append(s.wakes.pos, 0)
	}
	w.rec.grow(h.zone)
	return p
}

// at puts something on the agenda. Entries of the same moment are done in the order in which they
// were put there.
func (w *World) at(t gossip.Time, do func()) {
	i, _ := slices.BinarySearchFunc(w.agenda, t, func(e entry, t gossip.Time) int {
		if e.at <= t {
			return -1
		}
		return cmp.Compare(e.at, t)
	})
	w.agenda = slices.Insert(w.agenda, i, entry{t, do})
}

// run lets the world go on until a moment, or until stop says so; it is asked after each entry of
// the agenda.
func (w *World) run(until gossip.Time, stop func() bool) {
	for w.err == nil && !w.halted && w.now < until {
		next := until
		if len(w.agenda) > 0 {
			next = min(next, w.agenda[0].at)
		}
		w.advance(next)
		w.checkPanics()
		w.now = next
		for len(w.agenda) > 0 && w.agenda[0].at <= w.now && w.now < until && !w.halted {
			e := w.agenda[0]
			w.agenda = slices.Delete(w.agenda, 0, 1)
			w.perform(e)
		}
		if stop != nil && stop() {
			return
		}
	}
}

// perform does what is on the agenda.
func (w *World) perform(e entry) {
	defer w.checkPanics()
	s := w.shards[0]
	defer catch(&s.panic)
	e.do()
	w.flush()
	w.lookUp()
}

// lookUp finds the addresses that joining nodes get: at first those of the first nodes, and once
// there is a cluster, those of the first that run. A name server that is kept up to date would have
// the same.
func (w *World) lookUp() {
	w.seeds = w.seeds[:0]
	for _, h := range w.hosts {
		if len(w.seeds) < w.opt.Seeds && (w.epoch == 0 || h.proc != nil && !h.proc.stranger) {
			w.seeds = append(w.seeds, h.addr)
			if !slices.Contains(w.dialled, h.addr) {
				w.dialled = append(w.dialled, h.addr)
			}
		}
	}
	if len(w.seeds) == 0 { // no process runs: the next to start asks in vain until the next look
		w.seeds = append(w.seeds, w.hosts[0].addr)
	}
}

// checkPanics ends the run if a node panicked.
func (w *World) checkPanics() {
	for _, s := range w.shards {
		if s.panic != "" {
			w.rec.fail("panic", max(s.now, w.now), s.panic)
			s.panic, w.halted = "", true
		}
	}
}

// advance handles all events before a moment. With several workers it goes in windows no longer
// than the shortest latency: what is sent within a window arrives after it, so that the workers
// need to meet only in between.
func (w *World) advance(until gossip.Time) {
	if len(w.shards) == 1 && !w.shares() {
		w.shards[0].run(until)
		return
	}
	for w.err == nil && !w.halted {
		first := gossip.Never
		for _, s := range w.shards {
			first = min(first, s.next())
		}
		if first >= until {
			return
		}
		w.window(min(until, first.Add(w.plan.min)))
		w.checkPanics()
	}
}

// up says how many processes run.
func (w *World) up() (n int) {
	for _, p := range w.procs {
		if p.up && !p.clone && !p.stranger {
			n++
		}
	}
	return n
}

// agreed says whether all running processes hold the same view, complete and of nobody else.
func (w *World) agreed() bool {
	n := w.up()
	var hash uint64
	for i, first := 0, true; i < len(w.procs); i++ {
		p := w.procs[i]
		if !p.up || p.clone || p.stranger {
			continue
		}
		t := p.node.Table()
		if t.Live() != n || !first && t.Fingerprint() != hash {
			return false
		}
		hash, first = t.Fingerprint(), false
	}
	return true
}

// hash folds what happened at all hosts into one number.
func (w *World) hash() uint64 {
	h := w.seed
	for _, x := range w.hosts {
		h = mix(h ^ x.hash)
	}
	return h
}

// span is the virtual time since the start of the run.
func span(t gossip.Time) time.Duration { return time.Duration(t) }
