package reconcile

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// Explaining a mismatch costs nothing: fingerprints are XORs, so two that differ by just a few of
// the changes that this node made lately differ by the XOR of what those changes did. Most
// mismatches of a lively cluster are of that kind: a peer that some piece of news has not reached.

const (
	logSize    = 64 // changes remembered
	maxExplain = 3  // changes that an explanation may have
)

// change is what one change of the table did to the fingerprint.
type change struct {
	id    member.ID
	delta uint64
}

// changeLog is the latest changes, a ring.
type changeLog struct {
	ring [logSize]change
	n    uint64 // changes ever
}

func (l *changeLog) add(c change) {
	l.ring[l.n%logSize] = c
	l.n++
}

// explain appends the members whose latest changes have the XOR x, three changes at most, if there
// are such.
func (l *changeLog) explain(x uint64, ids []member.ID) []member.ID {
	log := l.ring[:min(l.n, logSize)]
	var low [4]uint64 // which low bytes occur: spares most of the innermost loop
	for _, c := range log {
		low[c.delta&0xff>>6] |= 1 << (c.delta & 63)
	}
	occurs := func(d uint64) bool { return low[d&0xff>>6]>>(d&63)&1 != 0 }
	for i, a := range log {
		if a.delta == x {
			return append(ids, a.id)
		}
		for j, b := range log[:i] {
			d := x ^ a.delta ^ b.delta
			if d == 0 {
				return append(ids, a.id, b.id)
			}
			if !occurs(d) {
				continue
			}
			for _, c := range log[:j] {
				if c.delta == d {
					return append(ids, a.id, b.id, c.id)
				}
			}
		}
	}
	return ids
}
