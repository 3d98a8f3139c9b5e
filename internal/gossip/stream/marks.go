package stream

import (
	"github.com/starling-gossip/starling/internal/gossip/marks"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// MaxMarks is how many streams are remembered by how far they were delivered after they were let
// go: because their origin was forgotten, or because others were in use. So what was delivered does
// not come again, nor is told as lost, when they are met again. The oldest go first.
const MaxMarks = 65536

// life names a stream.
type life struct {
	origin     member.ID
	generation uint64
}

type mark struct{ next, seq uint64 }

func newMarks() marks.Table[life, mark] { return marks.Table[life, mark]{Max: MaxMarks} }
