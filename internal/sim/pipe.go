package sim

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// This file is links with a bandwidth: what is sent faster waits in a queue, and what the queue has
// no room for is dropped (drop-tail).

// Bandwidth is what a link carries. The zero value carries all at once.
type Bandwidth struct {
	Rate int `json:"rate"` // bytes a second; 0: no bound
	// bytes that may wait; 0: what is sent in 50 ms, and at least 64 KiB
	Queue int `json:"queue,omitempty"`
}

const (
	leastQueue = 64 << 10
	queueTime  = 50 * time.Millisecond
)

// queue is how many bytes may wait.
func (b *Bandwidth) queue() int {
	return cmp.Or(b.Queue, max(leastQueue, int(float64(b.Rate)*queueTime.Seconds())))
}

func (b *Bandwidth) validate(where string) error {
	if b.Rate < 0 || b.Queue < 0 || b.Queue > 0 && b.Rate == 0 {
		return fmt.Errorf("%s: a rate of %d B/s with a queue of %d B", where, b.Rate, b.Queue)
	}
	return nil
}

// units are bytes, by what is written after a number.
var units = []struct {
	name  string
	bytes float64
}{{"kbit", 1e3 / 8}, {"Mbit", 1e6 / 8}, {"Gbit", 1e9 / 8}, {"KiB", 1 << 10}, {"MiB", 1 << 20},
	{"GiB", 1 << 30}, {"B", 1}}

// parseBytes reads a number of bytes, such as 50Mbit, 6MiB or 6000000.
func parseBytes(s string) (int, error) {
	digits, unit := s, 1.0
	for _, u := range units {
		if d, ok := strings.CutSuffix(s, u.name); ok {
			digits, unit = d, u.bytes
			break
		}
	}
	v, err := strconv.ParseFloat(digits, 64)
	if v *= unit; err != nil || !(v >= 1 && v <= 1<<40) {
		return 0, fmt.Errorf("%q is not a number such as 50Mbit, 1Gbit, 64KiB or 6000000 (bytes)",
			s)
	}
	return int(math.Round(v)), nil
}

// ParseBandwidth reads what a link carries in a second, and behind a slash what may wait, such as
// 50Mbit or 50Mbit/256KiB.
func ParseBandwidth(s string) (b Bandwidth, err error) {
	rate, queue, ok := strings.Cut(s, "/")
	if b.Rate, err = parseBytes(rate); err == nil && ok {
		b.Queue, err = parseBytes(queue)
	}
	return b, err
}

// String is what ParseBandwidth reads.
func (b Bandwidth) String() string {
	switch {
	case b.Rate == 0:
		return ""
	case b.Queue == 0:
		return strconv.Itoa(b.Rate)
	}
	return fmt.Sprintf("%d/%d", b.Rate, b.Queue)
}

// pipe is one way of a link with a bandwidth.
type pipe struct {
	Bandwidth
	free gossip.Time // when all that it took has been sent
}

// take sends a packet of so many bytes, and returns when its last one is out; ok says whether there
// was room for it.
func (p *pipe) take(now gossip.Time, size int) (out gossip.Time, ok bool) {
	begin := max(p.free, now)
	if begin.Sub(now).Seconds()*float64(p.Rate)+float64(size) > float64(p.queue()) {
		return 0, false
	}
	p.free = begin.Add(time.Duration(float64(size) / float64(p.Rate) * float64(time.Second)))
	return p.free, true
}

// bothWays makes what two sides share; nil where there is no bound.
func (b Bandwidth) bothWays() *[2]pipe {
	if b.Rate == 0 {
		return nil
	}
	return &[2]pipe{{Bandwidth: b}, {Bandwidth: b}}
}

// through marks a packet, in its sequence, that its receiver's own link has let through.
const through = 1 << 63

// shares says whether hosts share a link's bandwidth now. The workers meet at the end of a window
// then, also a single one, for what was sent in it to pass.
func (w *World) shares() bool {
	return w.plan.pipes != nil ||
		slices.ContainsFunc(w.faults, func(f fault) bool { return f.pipes != nil })
}

// onHold is a packet on its way to links that its host shares with others.
type onHold struct {
	flight // without a time
	depart gossip.Time
	delay  time.Duration // after them
	pipes  []*pipe
}

// shared returns the links with a bandwidth on a packet's way that others use too.
func (w *World) shared(from, to *host) (pipes []*pipe) {
	if w.plan.pipes != nil {
		if p := w.plan.pipes[int(from.zone)*w.plan.zones+int(to.zone)]; p != nil {
			pipes = append(pipes, p)
		}
	}
	for i := range w.faults {
		x := &w.faults[i]
		switch {
		case x.pipes == nil || !x.touches(from.index, to.index):
		case x.forward(from.index, to.index):
			pipes = append(pipes, &x.pipes[0])
		default:
			pipes = append(pipes, &x.pipes[1])
		}
	}
	return pipes
}

// squeeze lets what was sent in a window through the links that hosts share: in the order in which
// the packets came there, whatever worker they are of.
func (w *World) squeeze() {
	var all []onHold
	for _, s := range w.shards {
		all = append(all, s.held...)
		clear(s.held)
		s.held = s.held[:0]
	}
	slices.SortFunc(all, func(a, b onHold) int {
		return cmp.Or(cmp.Compare(a.depart, b.depart), cmp.Compare(a.src, b.src),
			cmp.Compare(a.seq, b.seq))
	})
	for i := range all {
		h := &all[i]
		s := w.shardOf(h.dst)
		at, ok := h.depart, true
		for _, p := range h.pipes {
			if at, ok = p.take(at, w.onWire(h.data)); !ok {
				break
			}
		}
		if !ok {
			s.fates[overrun]++
			s.pool.put(h.data)
			continue
		}
		h.at = at.Add(h.delay)
		s.packets.push(h.flight)
	}
}

// onWire is how many bytes a packet has with all headers.
func (w *World) onWire(data []byte) int { return len(data) + w.sealing(data) + Overhead }

// admit lets a packet that has come to a host through the host's own link, and says whether it is
// through: if not, it comes again, or was dropped.
func (s *shard) admit(h *host, f *flight) bool {
	if s.w.plan.own.Rate == 0 || f.seq&through != 0 {
		f.seq &^= through
		return true
	}
	at, ok := h.in.take(f.at, s.w.onWire(f.data))
	if !ok {
		s.fates[overrun]++
		s.pool.put(f.data)
		return false
	}
	f.at, f.seq = at, f.seq|through
	s.packets.push(*f)
	return false
}
