package sim

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// Settling is how long it took all views to be equal and complete again after something was done to
// a cluster.
type Settling struct {
	What  string  `json:"what"`
	At    Seconds `json:"at"`    // on the scenario's clock
	After Seconds `json:"after"` // -1: never within the run
	from  gossip.Time
}

// pollEvery is how exactly settling is measured.
const pollEvery = time.Millisecond

// await measures how long the views take to be equal again, from now.
func (w *World) await(what string) {
	w.settlings = append(w.settlings, Settling{What: what, At: seconds(w.now.Sub(w.epoch)),
		After: -1, from: w.now})
	if !w.polling {
		w.polling = true
		w.at(w.now.Add(pollEvery), w.poll)
	}
}

func (w *World) poll() {
	if !w.agreed() {
		w.at(w.now.Add(pollEvery), w.poll)
		return
	}
	w.polling = false
	for i := range w.settlings {
		if s := &w.settlings[i]; s.After < 0 {
			s.After = seconds(w.now.Sub(s.from))
		}
	}
}
