package sim

import (
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// This file measures what crosses from zone to zone.

// purpose is what a message is for, as reports tell it.
type purpose uint8

const (
	probes    purpose = iota // of failure detectors, and where members stand, which rides on them
	news                     // of members
	repairs                  // of tables: fingerprints and what follows from them
	published                // what users publish
	states                   // versioned keys
	rest                     // joins, loans, and types that are not known here
	purposes
)

func (p purpose) String() string {
	return [...]string{"probes", "news", "repair", "messages", "state", "other"}[p]
}

// reported is under which purpose a report has each plane of the type table.
var reported = [wire.Planes]purpose{
	wire.Unknown: rest, wire.Probing: probes, wire.News: news, wire.Entry: rest,
	wire.Repairs: repairs,
	wire.Tree:    published, wire.Streams: published, wire.Keys: states, wire.Quota: rest,
	wire.Places: probes, wire.Ways: probes,
}

// planeOf says what messages of a type are for.
func purposeOf(t wire.Type) purpose { return reported[wire.Specs[t].Plane] }

// crossing is what went from one zone to another.
type crossing struct {
	packets uint64
	// with headers and seals, which count for the purpose of the first message
	bytes [purposes]uint64
}

func (c *crossing) total() (sum uint64) {
	for _, b := range c.bytes {
		sum += b
	}
	return sum
}

// cross counts a packet that is sent to another zone, whatever becomes of it there.
func (s *shard) cross(from, to *host, data []byte, seal int) {
	size := uint64(len(data) + Overhead + seal)
	from.across += size
	if s.across == nil {
		s.across = make([]crossing, s.w.opt.Zones*s.w.opt.Zones)
	}
	c := &s.across[int(from.zone)*s.w.opt.Zones+int(to.zone)]
	c.packets++
	_, r, err := wire.Open(data)
	if err != nil {
		c.bytes[rest] += size
		return
	}
	first := true
	var head purpose
	for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
		p := purposeOf(t)
		if first {
			head, first = p, false
		}
		n := uint64(wire.SizeOf(len(body)))
		c.bytes[p] += n
		size -= min(n, size)
	}
	c.bytes[head] += size
}

// totals returns the bytes of each.
func totals(all []crossing) []uint64 {
	sum := make([]uint64, len(all))
	for i := range all {
		sum[i] = all[i].total()
	}
	return sum
}

// crossings adds up what crossed so far, by the zones it came from and went to.
func (w *World) crossings() []crossing {
	if w.opt.Zones < 2 {
		return nil
	}
	all := make([]crossing, w.opt.Zones*w.opt.Zones)
	for _, s := range w.shards {
		for i := range s.across {
			all[i].packets += s.across[i].packets
			for p, b := range s.across[i].bytes {
				all[i].bytes[p] += b
			}
		}
	}
	return all
}

// Across is what was sent from zone to zone in the scenario's time.
type Across struct {
	Zone PerNode `json:"zone"` // bytes a second that a zone sent to others
	// the same by what they were for: the mean of the zones
	Planes map[string]float64 `json:"planes"`
	Pairs  []Pair             `json:"pairs"`
}

// Pair is what one zone sent to another.
type Pair struct {
	From    int     `json:"from"`
	To      int     `json:"to"`
	Bytes   float64 `json:"bytes"`   // a second
	Packets float64 `json:"packets"` // a second
	Peak    float64 `json:"peak"`    // bytes in the busiest second
}

// acrossZones sums up what crossed since the mark; nil with one zone.
func (m *meter) acrossZones(w *World) *Across {
	s, z := w.now.Sub(m.marked).Seconds(), w.opt.Zones
	if z < 2 || s == 0 || m.crossed == nil {
		return nil
	}
	a := &Across{Planes: map[string]float64{}}
	out := make([]float64, z)
	for i, c := range w.crossings() {
		was := &m.crossed[i]
		if c.packets == was.packets {
			continue
		}
		for p := range purposes {
			if b := c.bytes[p] - was.bytes[p]; b > 0 {
				a.Planes[p.String()] += float64(b) / s / float64(z)
			}
		}
		bytes := float64(c.total()-was.total()) / s
		out[i/z] += bytes
		a.Pairs = append(a.Pairs, Pair{From: i / z, To: i % z, Bytes: bytes,
			Packets: float64(c.packets-was.packets) / s, Peak: float64(m.peak[i])})
	}
	a.Zone = perNode(out)
	return a
}

// busiest returns the share of the running processes that have sent to other zones which sent most.
func (w *World) busiest(share float64) (all []*proc) {
	for _, p := range w.procs {
		if p.up && !p.stranger && p.host.across > 0 {
			all = append(all, p)
		}
	}
	slices.SortStableFunc(all, func(a, b *proc) int {
		switch {
		case a.host.across > b.host.across:
			return -1
		case a.host.across < b.host.across:
			return 1
		}
		return 0
	})
	n := int(share*float64(len(all)) + 0.5)
	if share > 0 && len(all) > 0 {
		n = max(n, 1)
	}
	return all[:min(n, len(all))]
}
