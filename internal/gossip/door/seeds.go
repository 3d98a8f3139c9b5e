package door

import (
	"net/netip"
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// seedKind says how far a seed may be of another cluster than this node. The higher ones may more.
type seedKind uint8

const (
	remembered seedKind = iota // a peer of a former life or of before a sleep: never
	configured                 // while this node is new, or its cluster is
	wished                     // a user said so
)

// seed is an address that is asked to let this node in.
type seed struct {
	addr   netip.AddrPort
	kind   seedKind
	cookie uint64    // of its last Challenge
	until  mono.Time // the cookie is good; 0: there is none
	shown  mono.Time // when a Challenge was last answered at once
	met    bool      // it has welcomed this node since Join last named it
}

// seeds are those that this node asks to let it in.
type seeds struct {
	*common
	list []seed
	// that answers to this node's Joins bring back, but for the lowest bit; 0: none was drawn yet
	number   uint32
	numbered mono.Time // when it was drawn
}

// numberOf is the number of Joins to seeds of a kind: its lowest bit is that the cluster of the
// seed may be another, so that no answer to a Join that may not merge becomes one to a Join that
// may.
func (s *seeds) numberOf(kind seedKind) uint32 {
	if kind == remembered {
		return s.number
	}
	return s.number | 1
}

// add puts an address among the seeds, with the cookie that it had before.
func (s *seeds) add(a netip.AddrPort, kind seedKind, before []seed) {
	is := func(one seed) bool { return one.addr == a }
	if a == s.roster.Record().Addr || slices.ContainsFunc(s.list, is) || len(s.list) >= MaxSeeds {
		return
	}
	one := seed{addr: a}
	if i := slices.IndexFunc(before, is); i >= 0 {
		one = before[i]
	}
	one.kind = kind
	s.list = append(s.list, one)
}

// at returns the seed at an address that answered a Join with a number, and otherwise one that
// may do what all may of those that were asked with such a number: a seed may answer from another
// address, or have made way for others meanwhile. nil: the seed has been asked again since, as one
// that may more, or less.
func (s *seeds) at(a netip.AddrPort, number uint32) *seed {
	least := wished
	for i := range s.list {
		one := &s.list[i]
		switch {
		case one.addr != a:
		case s.numberOf(one.kind) != number:
			return nil
		default:
			return one
		}
		if one.kind != remembered {
			least = min(least, one.kind)
		}
	}
	if number == s.number {
		least = remembered
	}
	return &seed{addr: a, kind: least}
}

// next returns the number of this node's Joins to seeds of a kind, a new one now and then. A
// seed's cookie holds for one number.
func (s *seeds) next(kind seedKind) uint32 {
	if s.number == 0 || s.now.Sub(s.numbered) >= numberLife {
		s.number, s.numbered = max(uint32(s.proof.Uint64())&^1, 2), s.now
		for i := range s.list {
			s.list[i].until = 0
		}
	}
	return s.numberOf(kind)
}

// answers says whether a number is that of this node's Joins of late.
func (s *seeds) answers(number uint32) bool {
	return s.number != 0 && number&^1 == s.number && s.now.Sub(s.numbered) < numberLife+maxJoinPause
}
