package stream

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// trips is how long requests take.
type trips struct {
	*env
	rtt    [2]time.Duration // of requests within this node's zone, and to others
	late   [maxLate]request // that timed out unanswered lately
	lateAt int
}

// timeout is how long a request waits for the next datagram of its answer.
func (t *trips) timeout(abroad bool) time.Duration {
	rtt := t.rtt[kind(abroad)]
	if rtt == 0 {
		return t.cfg.Timeout
	}
	return min(max(3*rtt, minTimeout), maxTimeout)
}

// measure takes in the round-trip time of a request to a member of this node's zone, or of another:
// smoothed as TCP does (RFC 6298), but rising at once.
func (t *trips) measure(abroad bool, d time.Duration) {
	rtt := &t.rtt[kind(abroad)]
	if d > *rtt {
		*rtt = d
	} else {
		*rtt += (d - *rtt) / 8
	}
}

// tooLate remembers a request that timed out without any answer. If one comes yet, the next request
// waits for longer: without that, an estimate below the true time would stay there for ever, as
// nothing else is measured.
func (t *trips) tooLate(q request) {
	t.late[t.lateAt] = q
	t.lateAt = (t.lateAt + 1) % maxLate
}

// measureLate measures a request that had timed out.
func (t *trips) measureLate(now mono.Time, ticket uint32, peer member.ID) {
	for i := range t.late {
		if q := &t.late[i]; q.peer == peer && q.ticket == ticket && q.sent > 0 {
			t.measure(q.abroad, now.Sub(q.sent))
			*q = request{}
		}
	}
}

func kind(abroad bool) int {
	if abroad {
		return 1
	}
	return 0
}
