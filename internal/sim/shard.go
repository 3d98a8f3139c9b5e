package sim

import (
	"cmp"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/starling-gossip/starling/internal/gossip"
)

// shard is a worker's share of the hosts (by index modulo the number of workers), with their
// events. Within a window it touches nothing but its own hosts.
type shard struct {
	w       *World
	index   int
	now     gossip.Time
	packets flights
	wakes   wakes
	pool    pool
	out     gossip.Outbox
	outward [][]flight // to other shards, by their index, until the end of the window
	held    []onHold   // to links that hosts share, alike
	log     []Obs      // what was observed in the window, with several workers
	fates   [fates]uint64
	across  []crossing // from zone to zone, by both; nil while nothing was
	events  uint64     // handled
	turns   int        // events at the same moment
	panic   string     // of a node, with where it happened
}

func (w *World) shardOf(host int32) *shard { return w.shards[int(host)%len(w.shards)] }

// next returns when the shard's next event is due.
func (s *shard) next() gossip.Time {
	t := gossip.Never
	if len(s.packets) > 0 {
		t = s.packets[0].at
	}
	if len(s.wakes.heap) > 0 {
		t = min(t, s.wakes.heap[0].at)
	}
	return t
}

// run handles the shard's events before a moment, in order of time, destination, source and
// sequence. A wake-up counts as the last source, so that a node has the packets of a moment before
// its timers.
func (s *shard) run(until gossip.Time) {
	defer catch(&s.panic)
	for s.w.err == nil {
		wake := len(s.wakes.heap) > 0
		if len(s.packets) > 0 {
			f := &s.packets[0]
			if !wake || f.at < s.wakes.heap[0].at || f.at == s.wakes.heap[0].at &&
				f.dst <= s.wakes.heap[0].host {
				if f.at >= until {
					return
				}
				s.turn(f.at)
				s.arrive(s.packets.pop())
				continue
			}
		}
		if !wake || s.wakes.heap[0].at >= until {
			return
		}
		s.turn(s.wakes.heap[0].at)
		s.wake(s.w.hosts[s.wakes.heap[0].host])
	}
}

// catch takes a panic and keeps what it says: a node that panics is a finding like others, to be
// replayed and shrunk.
func catch(into *string) {
	if r := recover(); r != nil {
		*into = fmt.Sprintf("%v%s", r, callers())
	}
}

// callers names the functions that led to a panic, the innermost first.
func callers() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	var b strings.Builder
	for {
		f, more := frames.Next()
		if strings.Contains(f.Function, "/gossip") || strings.Contains(f.Function, "/sim.") {
			fmt.Fprintf(&b, "\n\t%s:%d %s", filepath.Base(f.File), f.Line,
				filepath.Base(f.Function))
		}
		if !more {
			return b.String()
		}
	}
}

// maxTurns is how many events may share one moment before the run is given up: a node whose
// deadline never moves would hold the world still for ever.
const maxTurns = 10_000_000

func (s *shard) turn(t gossip.Time) {
	s.events++
	if t > s.now {
		s.now, s.turns = t, 0
		return
	}
	if t < s.now {
		s.w.err = fmt.Errorf("the simulator is broken: an event of %s comes after one of %s",
			span(t), span(s.now))
	}
	if s.turns++; s.turns > maxTurns {
		s.w.err = fmt.Errorf("time stands still at %s: a node's deadline does not move", span(t))
	}
}

// send puts a packet on its way.
func (s *shard) send(f flight) {
	if d := int(f.dst) % len(s.w.shards); d != s.index {
		s.outward[d] = append(s.outward[d], f)
		return
	}
	s.packets.push(f)
}

// observe tells the recorder, at once or at the end of the window.
func (s *shard) observe(o Obs) {
	if len(s.w.shards) == 1 {
		s.w.rec.take(&o)
		return
	}
	s.log = append(s.log, o)
}

// window lets all shards handle their events before a moment, side by side, and then brings them
// together.
func (w *World) window(until gossip.Time) {
	var wg sync.WaitGroup
	for _, s := range w.shards {
		wg.Go(func() { s.run(until) })
	}
	wg.Wait()
	w.flush()
}

// flush hands what the shards have for each other over, and what they observed to the recorder: in
// the order of time and host, as one shard alone would have observed it.
func (w *World) flush() {
	w.squeeze()
	if len(w.shards) == 1 {
		return
	}
	var log []Obs
	for _, s := range w.shards {
		for d, fs := range s.outward {
			for _, f := range fs {
				w.shards[d].packets.push(f)
			}
			clear(fs)
			s.outward[d] = fs[:0]
		}
		log = append(log, s.log...)
		clear(s.log)
		s.log = s.log[:0]
	}
	// Each shard's log is in order already, and one host's observations are all in one shard's.
	slices.SortStableFunc(log, func(a, b Obs) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.host, b.host))
	})
	for i := range log {
		w.rec.take(&log[i])
	}
}
