package reconcile

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// An exchange that gets no answer is tried again, with the same peer. The next mismatch would start
// another, but fingerprints come with probes. Where much is lost Lifeguard has probes come every
// nine seconds. So a refutation that was missed once, and repaired in vain once, was missing for
// longer than others may take it for missing.

// retries is how often.
const retries = 2

// wait is the exchange whose answer is waited for: the last one that a fingerprint started.
type wait struct {
	peer   member.ID
	hash   uint64 // the peer's fingerprint
	differ int    // items, at the least
	due    mono.Time
	tries  int // left
}

// retry shows a peer that has not answered the view again, unless news has made the two equal
// meanwhile.
func (r *Repair) retry(now mono.Time) {
	w := &r.wait
	if now < w.due {
		return
	}
	w.due = mono.Never
	m, ok := r.host.Table().Get(w.peer)
	if !ok || !m.State.Live() || r.host.Table().Fingerprint() == w.hash {
		return
	}
	r.host.Unanswered(now, w.peer)
	if w.tries--; w.tries > 0 {
		w.due = now.Add(r.cfg.Interval)
	}
	r.start(now, m, w.differ)
}
