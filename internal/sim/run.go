package sim

import (
	"fmt"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// Run simulates a cluster and reports. The error says what is wrong with the options; what the
// cluster did wrong is in Report.Violations.
func Run(opt Options) (*Report, error) {
	w, err := newWorld(opt)
	if err != nil {
		return nil, err
	}
	w.join()
	if w.err == nil && !w.halted {
		w.play()
	}
	if w.err != nil {
		return nil, w.err
	}
	return w.report(), nil
}

// tickEvery is how often the world looks at what changes without an event.
const tickEvery = time.Second

// join starts all nodes and lets them find each other.
func (w *World) join() {
	w.lookUp()
	w.at(gossip.Time(tickEvery), w.tick)
	if w.opt.Warm {
		w.opt.Spread = 0
		w.at(0, func() { w.err = w.warm() })
	}
	for i, p := range w.procs {
		if w.opt.Warm {
			break
		}
		at := gossip.Time(int64(w.opt.Spread) / int64(len(w.procs)) * int64(i))
		w.at(at, func() {
			if err := p.start(); err != nil {
				w.err = err
			}
		})
	}
	w.at(gossip.Time(w.opt.Spread), func() { w.await("join") })
	limit := gossip.Time(w.opt.Spread + w.opt.JoinIn)
	w.run(limit, func() bool { return len(w.settlings) > 0 && w.settlings[0].After >= 0 })
	if len(w.settlings) == 0 { // halted before all had started
		w.await("join")
	}
	if w.err == nil && !w.halted && w.settlings[0].After < 0 {
		w.rec.fail("join", w.now, w.stragglers())
	}
}

// tick lets the recorder look, and adds a point to the timeline.
func (w *World) tick() {
	if !w.opt.Unchecked {
		w.rec.tick()
	}
	sum := Point{At: seconds(span(w.now)), Up: w.up()}
	for _, h := range w.hosts {
		sum.Bytes += h.bytes
		sum.Packets += h.packets
	}
	last := w.total
	w.total = sum
	sum.Bytes -= last.Bytes
	sum.Packets -= last.Packets
	w.timeline = append(w.timeline, sum)
	w.rec.meter.second(w)
	w.at(w.now.Add(tickEvery), w.tick)
}

// stragglers says how many processes are behind, and names the first.
func (w *World) stragglers() string {
	behind, first := 0, ""
	for _, p := range w.procs {
		if p.up && p.node.Table().Live() != w.up() {
			if behind++; behind == 1 {
				first = fmt.Sprintf("%s knows %d of %d", p.name, p.node.Table().Live(), w.up())
			}
		}
	}
	return fmt.Sprintf("after %s %d nodes know too few or too many members; %s", span(w.now),
		behind, first)
}

// play lets the cluster settle, and then the scenario happen.
func (w *World) play() {
	w.run(w.now.Add(w.opt.Settle), nil)
	w.epoch = w.now
	w.rec.meter.mark(w)
	for _, a := range w.opt.Actions {
		w.schedule(a)
	}
	w.run(w.epoch.Add(w.opt.Duration), nil)
	if w.err == nil && !w.halted {
		w.finish()
	}
}

func (w *World) finish() {
	if !w.opt.Unchecked {
		w.rec.tick()
	}
	if !w.opt.Unchecked && w.writes {
		w.rec.maps()
	}
	w.rec.take(&Obs{At: w.now, Kind: Ended, Node: -1})
	for _, s := range w.shards {
		for f, n := range s.fates {
			w.fates[f] += n
		}
		w.events += s.events
	}
}
