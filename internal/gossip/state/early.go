package state

import (
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// Datagrams overtake each other. One whose deltas do not continue what is held yet is kept for a
// moment: mostly what comes before it is on its way.

// maxEarly is how many are kept at once.
const maxEarly = 64

// early is a datagram that overtook others and waits. It is taken in when the owner's map can take
// a delta from one version to another, of a sender with that floor, and holds so many bytes of the
// next value.
type early struct {
	version uint64
	to      uint64
	offset  int
	floor   uint64
	owner   member.ID
	from    member.ID
	until   mono.Time
	met     bool // it is
	body    []byte
}

// earlies are the datagrams that wait.
type earlies struct {
	list  []early
	spare [][]byte // for reuse
}

// keep keeps a datagram.
func (l *earlies) keep(e early, body []byte) {
	if len(l.list) == maxEarly {
		l.drop(0)
	}
	if n := len(l.spare); n > 0 {
		e.body, l.spare = l.spare[n-1], l.spare[:n-1]
	}
	e.body = append(e.body[:0], body...)
	l.list = append(l.list, e)
}

func (l *earlies) drop(i int) {
	l.spare = append(l.spare, l.list[i].body)
	l.list = slices.Delete(l.list, i, i+1)
}
