package stream

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// MaxTopics is how many topics are counted one by one. What is on more of them is counted under an
// empty name.
const MaxTopics = 1024

// rateWindow is the time over which a topic's rate is taken.
const rateWindow = 10 * time.Second

// Topic is what came on a topic since the start.
type Topic struct {
	Name     string
	Messages uint64
	Bytes    uint64  // of payload
	Rate     float64 // messages a second, of late
	Held     int     // messages of which the first piece is held
}

// topics counts by topic.
type topics struct{ list []*topic } // by name

type topic struct {
	Topic
	since         mono.Time // of the current window
	now, previous uint64    // messages in it and in the one before
}

// get returns a topic's counter, made if need be, or the one for the rest.
func (t *topics) get(name []byte) *topic {
	i, ok := slices.BinarySearchFunc(t.list, name, func(a *topic, b []byte) int {
		switch { // without a copy
		case a.Name == string(b):
			return 0
		case a.Name < string(b):
			return -1
		}
		return 1
	})
	switch {
	case ok:
		return t.list[i]
	case len(t.list) >= MaxTopics && len(name) > 0:
		return t.get(nil)
	}
	fresh := &topic{Topic: Topic{Name: string(name)}}
	t.list = slices.Insert(t.list, i, fresh)
	return fresh
}

func (t *topics) delivered(now mono.Time, name []byte, size int) {
	c := t.get(name)
	c.roll(now)
	c.Messages++
	c.Bytes += uint64(size)
	c.now++
}

// held counts a piece that is held, or is no more.
func (t *topics) held(body []byte, by int) {
	if p, ok := readPart(body); ok && p.index == 0 {
		t.get(p.topic).Held += by
	}
}

// roll begins a new window when the current one is over.
func (c *topic) roll(now mono.Time) {
	switch gap := now.Sub(c.since); {
	case gap >= 2*rateWindow:
		c.since, c.now, c.previous = now, 0, 0
	case gap >= rateWindow:
		c.since, c.now, c.previous = c.since.Add(rateWindow), 0, c.now
	}
}
