package sim

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// This file is for code that shows runs: how far one is, what is wrong with its options, and all
// that its report sums up.

// Progress is how far a run is, in virtual time.
type Progress struct {
	Now    time.Duration // since the start
	End    time.Duration // when the run ends; 0 as long as the nodes join
	Events uint64
}

// Detail is what a report sums up.
type Detail struct {
	Crashes, Messages []Curve
	// from the end of each node's trouble until it had all that was sent during it, if it ever had
	CaughtUp []time.Duration
	// of each write of a key that reached all nodes that are up in the end, how long that took
	Writes []time.Duration
	// relative errors of round trips as estimated by coordinates in the end, of random pairs of
	// nodes
	Estimates []float64
	// that each node sent in the scenario's time, each second; of those that are up in the end
	Bytes, Packets []float64
}

// Curve is how one crash or message became known to those that should know it: those that were up
// all the time, and for a message those that had been let in by then.
type Curve struct {
	At time.Duration // when it happened, on the scenario's clock
	// from then to the first suspicion anywhere, for a crash; -1: no node ever suspected it
	First time.Duration
	Due   int             // nodes that should know
	Known []time.Duration // from then until each node that knew did, rising

	Across int    // copies of a message that were sent to other zones
	Topic  string // of a message
}

// When returns how long it took until a share of the nodes that should know did, and whether so
// many ever did.
func (c *Curve) When(share float64) (time.Duration, bool) {
	if k := rank(share, c.Due); c.Due > 0 && k < len(c.Known) {
		return c.Known[k], true
	}
	return 0, false
}

// Watch is Run that tells how far it is, each virtual second, and what its report sums up. The run
// is the same.
func Watch(opt Options, progress func(Progress)) (*Report, *Detail, error) {
	w, err := newWorld(opt)
	if err != nil {
		return nil, nil, err
	}
	var tell func()
	// at the moments of the world's own ticks: more would be more looks at the seeds
	tell = func() {
		progress(w.progress())
		w.at(w.now.Add(tickEvery), tell)
	}
	if progress != nil {
		w.at(gossip.Time(tickEvery), tell)
	}
	w.join()
	if w.err == nil && !w.halted {
		w.play()
	}
	if w.err != nil {
		return nil, nil, w.err
	}
	return w.report(), w.detail(), nil
}

func (w *World) progress() Progress {
	p := Progress{Now: span(w.now)}
	for _, s := range w.shards {
		p.Events += s.events
	}
	switch {
	case w.epoch > 0:
		p.End = span(w.epoch) + w.opt.Duration
	case len(w.settlings) > 0 && w.settlings[0].After >= 0:
		joined := span(w.settlings[0].from) +
			time.Duration(float64(w.settlings[0].After)*float64(time.Second))
		p.End = joined + w.opt.Settle + w.opt.Duration
	}
	return p
}

// Check says what is wrong with options, and with which of their actions; -1 if it is none of them.
func (o Options) Check() (action int, err error) {
	actions := o.Actions
	o.Actions = nil
	if o, err = o.withDefaults(); err != nil {
		return -1, err
	}
	if _, err := o.Network.resolve(o.Zones); err != nil {
		return -1, err
	}
	o.Actions = actions
	for i := range actions {
		if err := o.validate(&actions[i]); err != nil {
			return i, err
		}
	}
	return -1, nil
}

func (w *World) detail() *Detail {
	m, d := &w.rec.meter, &Detail{Writes: w.rec.keys.reached(w.up()),
		Estimates: w.coordinateErrors()}
	curve := func(at gossip.Time, who []int32, when map[int32]time.Duration) Curve {
		c := Curve{At: at.Sub(w.epoch), First: -1}
		for _, i := range who {
			c.Due++
			if t, ok := when[i]; ok {
				c.Known = append(c.Known, t)
			}
		}
		slices.Sort(c.Known)
		return c
	}
	for _, x := range m.crashes {
		c := curve(x.at, m.throughout(x.at, min(x.until, m.now)), x.knew)
		if x.first != gossip.Never {
			c.First = x.first.Sub(x.at)
		}
		d.Crashes = append(d.Crashes, c)
	}
	for _, k := range m.order {
		s := m.messages[k]
		c := curve(s.at, m.readers(s), s.got)
		c.Across, c.Topic = s.across, s.topic
		d.Messages = append(d.Messages, c)
	}
	d.CaughtUp = m.caughtUp()
	s := w.now.Sub(m.marked).Seconds()
	for i, h := range w.hosts {
		if i < len(m.bytes) && h.proc != nil && s > 0 {
			d.Bytes = append(d.Bytes, float64(h.bytes-m.bytes[i])/s)
			d.Packets = append(d.Packets, float64(h.packets-m.packets[i])/s)
		}
	}
	return d
}

// ParseShare reads a share: "0.1" or "10%".
func ParseShare(s string) (float64, error) { return parseShare(s) }
