package reconcile

import (
	"math/bits"
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// The sketch: an invertible Bloom lookup table of 64-bit items without counts (Goodrich and
// Mitzenmacher, "Invertible Bloom Lookup Tables", 2011; Eppstein et al., "What's the Difference?",
// 2011). Each item is XORed into four cells, one in each quarter. The XOR of two tables' sketches
// is the sketch of what differs, and peels apart as long as some cell holds a single item.
//
// An item is what must be equal of one live member, under a salt that is fresh for each view, so
// that an unlucky meeting of hashes does not happen twice:
//
//	tag 32 bits | order 4 bits | version 14 bits | check 14 bits
//
// The tag stands for the ID. The order is the low bits of the incarnation, and mostly tells which
// side is ahead. The version covers incarnation and record, and hides a difference with probability
// 2^-14 a salt. The check is a hash of the rest, and tells a single item from the XOR of several.
const (
	checkBits   = 14
	versionBits = 14
	orderBits   = 4
	tagShift    = checkBits + versionBits + orderBits
)

// Sizes of sketches, in cells, and how many differing items they decode almost surely.
const (
	smallCells = 48
	smallItems = 26
	largeCells = wire.MaxCells
	largeItems = 81
)

// salt makes items. It is a view's salt, spread to 64 bits.
type salt uint64

func newSalt(s uint32) salt { return salt(member.Mix(uint64(s) + 0x9e3779b97f4a7c15)) }

func (s salt) tag(id member.ID) uint32 { return uint32(member.Mix(uint64(id)^uint64(s)) >> 32) }

func (s salt) item(tag uint32, m *member.Member) uint64 {
	v := uint64(tag)<<tagShift |
		uint64(m.Incarnation)&(1<<orderBits-1)<<(versionBits+checkBits) |
		member.Mix(m.Item()^uint64(s))>>(64-versionBits)<<checkBits
	return v | member.Mix(v)&(1<<checkBits-1)
}

// ahead compares the order bits of an incarnation with an item's: above 0 it is ahead, below
// behind, as of the nearer way round. It may be wrong; the answer to a Push puts that right.
func ahead(incarnation uint32, item uint64) int {
	d := incarnation - uint32(item>>(versionBits+checkBits))
	return int(int32(d<<(32-orderBits)) >> (32 - orderBits))
}

// Seal makes an item of the upper 50 bits of a number, for sketches of something else than members.
func Seal(v uint64) uint64 {
	v &^= 1<<checkBits - 1
	return v | member.Mix(v)&(1<<checkBits-1)
}

// places returns the four cells of an item, and whether its check is right.
func places(item uint64, cells int) (at [4]int, whole bool) {
	h := member.Mix(item &^ (1<<checkBits - 1))
	whole = (h^item)&(1<<checkBits-1) == 0
	h >>= checkBits
	quarter := cells / 4
	for j := range at {
		at[j] = j*quarter + int(h&0xfff)*quarter>>12
		h >>= 12
	}
	return at, whole
}

// Toggle adds an item to a sketch, or takes it out.
func Toggle(cells []uint64, item uint64) {
	at, _ := places(item, len(cells))
	for _, i := range at {
		cells[i] ^= item
	}
}

// Peel appends the items of a sketch to a slice, sorted, and says whether that is all of them. It
// destroys the sketch. What a partial decode yields must not be used: a wrong single item is rare,
// but a partial decode is where it shows.
func Peel(cells, items []uint64) ([]uint64, bool) {
	start := len(items)
	for again := true; again; {
		again = false
		for i, v := range cells {
			if v == 0 {
				continue
			}
			at, whole := places(v, len(cells))
			if !whole || !slices.Contains(at[:], i) {
				continue
			}
			if len(items)-start >= len(cells) { // a wrong single item going round
				return items[:start], false
			}
			for _, j := range at {
				cells[j] ^= v
			}
			items, again = append(items, v), true
		}
	}
	for _, v := range cells {
		if v != 0 {
			return items[:start], false
		}
	}
	found := items[start:]
	slices.Sort(found)
	return items[:start+len(dropPairs(found))], true
}

// dropPairs takes out what stands twice in a sorted slice: a wrong item that was peeled in and out
// again.
func dropPairs(s []uint64) []uint64 {
	n := 0
	for i := 0; i < len(s); i++ {
		if i+1 < len(s) && s[i] == s[i+1] {
			i++
			continue
		}
		s[n] = s[i]
		n++
	}
	return s[:n]
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
