// Package rate bounds how many bytes a second are sent.
package rate

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// Bucket is a token bucket: Rate bytes a second, Burst at once. It may be overdrawn by what is sent
// in one go, and is not ready again before that is made up for. The zero value is empty and never
// fills.
type Bucket struct {
	Rate, Burst int
	Tokens      int       // bytes that may be sent now; negative: owed
	At          mono.Time // when Tokens were last counted
	next        mono.Time // not ready before
}

// Full returns a bucket with a whole burst.
func Full(rate, burst int, now mono.Time) Bucket {
	return Bucket{Rate: rate, Burst: burst, Tokens: burst, At: now, next: now}
}

// Ready says whether something may be sent.
func (b *Bucket) Ready(now mono.Time) bool {
	add := int(float64(now.Sub(b.At)) * float64(b.Rate) / float64(time.Second))
	if add > 0 {
		b.Tokens, b.At = min(b.Tokens+add, b.Burst), now
	}
	if b.Tokens > 0 {
		return true
	}
	wait := time.Duration(1-b.Tokens) * time.Second / time.Duration(b.Rate)
	b.next = now.Add(wait + time.Millisecond)
	return false
}

// Take counts what is sent.
func (b *Bucket) Take(bytes int) { b.Tokens -= bytes }

// Next returns when the bucket is ready again, after Ready said that it is not.
func (b *Bucket) Next() mono.Time { return b.next }
