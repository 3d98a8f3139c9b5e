package roster

import (
	"github.com/starling-gossip/starling/internal/gossip/marks"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// maxGraves is how many ends of lives a node remembers that it has forgotten: the last ones, for as
// long as the process runs.
const maxGraves = 1 << 16

// grave is how the last life of a name ended that this node has forgotten. A side of a cut that has
// not heard of the end holds that life for live still, and would bring it back.
type grave struct {
	generation uint64
	inc, check uint32
	state      member.State // Failed or Left
	word       bool         // it was forgotten by somebody's word
}

// over says whether a life at an incarnation ended with the grave, or before.
func (g *grave) over(generation uint64, inc uint32) bool {
	return generation < g.generation || generation == g.generation && inc <= g.inc
}

// Graves are the last of them.
type Graves struct{ marks.Table[member.ID, grave] }

// NewGraves returns none.
func NewGraves() Graves { return Graves{marks.Table[member.ID, grave]{Max: maxGraves}} }

// dig remembers the end of a member.
func (g *Graves) dig(m *member.Member) {
	g.Put(m.ID, grave{generation: m.Generation(), inc: m.Incarnation, check: m.Check,
		state: m.State})
}

// seal notes that a life that is forgotten here is so by somebody's word. It returns its end, and
// whether there is one.
func (g *Graves) seal(id member.ID) (end grave, ok bool) {
	if end, ok = g.Get(id); ok && !end.word {
		end.word = true
		g.Put(id, end)
	}
	return end, ok
}

// LastLife returns the generation of the last life of a name that is forgotten, 0 if no end of one
// is known.
func (g *Graves) LastLife(id member.ID) uint64 {
	end, _ := g.Get(id)
	return end.generation
}
