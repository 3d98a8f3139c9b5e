package sim

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/inquest"
)

// This file measures which processes were told that a whole zone is silent, and when.

// Silences is what processes were told of silent zones, in seconds of the scenario's clock.
type Silences struct {
	Each  []float64 `json:"-"`        // of each process: silences that it was told of
	Least float64   `json:"per_node"` // of all that are up in the end, the least
	Most  float64   `json:"per_node_max"`
	Told  []float64 `json:"told_seconds"`
	Heard []float64 `json:"heard_seconds"`
}

// zone takes in that a process was told of a silence or its end.
func (m *meter) zone(o *Obs) {
	if m.silences == nil {
		m.silences = &Silences{}
	}
	for len(m.silent) < len(m.peers) {
		m.silent = append(m.silent, 0)
	}
	at := float64(seconds(span(o.At)))
	if o.Kind == ZoneBack {
		m.silences.Heard = append(m.silences.Heard, at)
		return
	}
	m.silences.Told = append(m.silences.Told, at)
	m.silent[o.Node]++
}

// silencesIn returns what was told in a run.
func (m *meter) silencesIn(w *World) *Silences {
	s := m.silences
	if s == nil {
		return nil
	}
	epoch := float64(seconds(span(w.epoch)))
	for _, all := range [][]float64{s.Told, s.Heard} {
		for i := range all {
			all[i] -= epoch
		}
	}
	for i, p := range w.procs {
		if p.up && i < len(m.silent) {
			s.Each = append(s.Each, float64(m.silent[i]))
		}
	}
	for i, n := range s.Each {
		if s.Most = max(s.Most, n); i == 0 || n < s.Least {
			s.Least = n
		}
	}
	return s
}

// zoneGrace is for how long a cluster may hold a whole zone that is dead.
func (o *Options) zoneGrace() time.Duration {
	grace := o.Gossip.Inquest.ZoneGrace
	switch {
	case o.Zones < 2 || o.Unzoned || grace < 0 || o.Gossip.Detector != 0 &&
		o.Gossip.Detector != gossip.INQUEST:
		return 0
	case grace == 0:
		return inquest.DefaultZoneGrace
	}
	return grace
}
