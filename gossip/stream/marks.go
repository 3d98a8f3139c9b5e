package stream

import (
	"slices"

	"github.com/starling-gossip/starling/gossip/member"
)

// MaxMarks is how many streams are remembered by how far they were delivered after they were let
// go: because their origin was forgotten, or because others were in use. The oldest go first. One
// takes some 80 bytes, since the table is a map.
const MaxMarks = 65536

// marks remembers how far streams were delivered that are not known any more, so that what was
// delivered does not come again, nor is told as lost, when they are met again.
type marks struct {
	of    map[life]mark // never gone through
	order []put         // in which they came; those that were taken out or renewed stand there still
	turn  uint64
}

// life names a stream.
type life struct {
	origin     member.ID
	generation uint64
}

type mark struct{ next, seq, turn uint64 }

type put struct {
	of   life
	turn uint64
}

func (m *marks) put(of life, next, seq uint64) {
	if m.of == nil {
		m.of = map[life]mark{}
	}
	m.turn++
	m.of[of] = mark{next, seq, m.turn}
	m.order = append(m.order, put{of, m.turn})
	for len(m.of) > MaxMarks {
		if m.valid(m.order[0]) {
			delete(m.of, m.order[0].of)
		}
		m.order = m.order[1:]
	}
	if len(m.order) > 2*len(m.of)+64 {
		m.order = slices.DeleteFunc(m.order, func(p put) bool { return !m.valid(p) })
	}
}

func (m *marks) valid(p put) bool { return m.of[p.of].turn == p.turn }

// take returns what is remembered of a stream, and forgets it.
func (m *marks) take(of life) (mark, bool) {
	k, ok := m.of[of]
	delete(m.of, of)
	return k, ok
}
