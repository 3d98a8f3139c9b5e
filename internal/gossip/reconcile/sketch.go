package reconcile

import (
	"math/bits"
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/sketch"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// An item is what must be equal of one live member, under the salt of a view:
//
//	tag 32 bits | order 4 bits | version 14 bits | check 14 bits
//
// The tag stands for the ID. The order is the low bits of the incarnation, and mostly tells which
// side is ahead. The version covers incarnation and record, and hides a difference with probability
// 2^-14 a salt.
const (
	versionBits = 14
	orderBits   = 4
	tagShift    = sketch.CheckBits + versionBits + orderBits
)

// Sizes of sketches, in cells, and how many differing items they decode almost surely.
const (
	smallCells = 48
	smallItems = 26
	largeCells = wire.MaxCells
	largeItems = 81
)

// salt makes items of members.
type salt struct{ sketch.Salt }

func newSalt(s uint32) salt { return salt{sketch.NewSalt(s)} }

func (s salt) item(tag uint32, m *member.Member) uint64 {
	return sketch.Seal(uint64(tag)<<tagShift |
		uint64(m.Incarnation)&(1<<orderBits-1)<<(versionBits+sketch.CheckBits) |
		member.Mix(m.Item()^uint64(s.Salt))>>(64-versionBits)<<sketch.CheckBits)
}

// ahead compares the order bits of an incarnation with an item's: above 0 it is ahead, below
// behind, as of the nearer way round. It may be wrong; the answer to a Push puts that right.
func ahead(incarnation uint32, item uint64) int {
	d := incarnation - uint32(item>>(versionBits+sketch.CheckBits))
	return int(int32(d<<(32-orderBits)) >> (32 - orderBits))
}

// estimate tells about how many items differ when a sketch cannot. It is an odd sketch
// (Mitzenmacher et al., "Efficient Estimation for High Similarities using Odd Sketches", 2014) with
// levels as Flajolet and Martin's. A hash puts half of the items on level 0, a quarter on level 1
// and so on. Word l holds the parities of 32 buckets of the items on level l.
type estimate [wire.EstimateWords]uint32

func (e *estimate) toggle(item uint64) {
	h := member.Mix(item + 1)
	e[min(bits.TrailingZeros64(h), len(e)-1)] ^= 1 << (h >> 59)
}

// oddItems[k] is how many items leave k of 32 parities odd: -16 ln(1-k/16), rounded. Nearly half
// the parities being odd means nothing but "many".
var oddItems = [...]int{0, 1, 2, 3, 5, 6, 8, 9, 11, 13}

// items returns the estimate of an XOR of two estimates: from the highest level down, as far as
// none is swamped.
func (e *estimate) items() int {
	l, sum := len(e), 0
	for l > 0 && bits.OnesCount32(e[l-1]) < len(oddItems) {
		l--
		sum += oddItems[bits.OnesCount32(e[l])]
	}
	if l == len(e) {
		sum = len(oddItems)
	}
	return sum << l
}

// itemSet is a sorted slice of items with a filter in front: most look-ups are for what is not
// there.
type itemSet struct {
	items []uint64
	seen  [16]uint64 // a bit for each of the values of the top 10 bits
}

func newItemSet(sorted []uint64) itemSet {
	s := itemSet{items: sorted}
	for _, it := range sorted {
		s.seen[it>>60] |= 1 << (it >> 54 & 63)
	}
	return s
}

// find returns the first item with a tag, and whether there is one.
func (s *itemSet) find(tag uint32) (int, bool) {
	if s.seen[tag>>28]>>(tag>>22&63)&1 == 0 {
		return 0, false
	}
	i, _ := slices.BinarySearch(s.items, uint64(tag)<<tagShift)
	return i, i < len(s.items) && uint32(s.items[i]>>tagShift) == tag
}

// has says whether an item is in the set.
func (s *itemSet) has(item uint64) bool {
	tag := uint32(item >> tagShift)
	i, ok := s.find(tag)
	for ; ok && i < len(s.items) && s.items[i] <= item; i++ {
		if s.items[i] == item {
			return true
		}
	}
	return false
}
