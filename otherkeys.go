package starling

// This file says which seeds have other keys than this node, and from where else datagrams come
// that do not open. Such a one tells nothing of why, and one that is not answered less; but that it
// comes from a seed that is asked does.

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/transport"
)

const (
	// otherKeyFor is for how long a seed counts as one with another key after the last word of
	// that: seeds that are no members are asked once a minute.
	otherKeyFor = 3 * time.Minute
	// maxOtherKeys bounds the seeds with other keys that are remembered; of more the rest is not
	// told.
	maxOtherKeys = 64
	// maxStrangers bounds the others that are named, each in a line a minute at most. If there are
	// more, one line says so.
	maxStrangers = 8
)

// otherKey is that a node has another key.
type otherKey struct {
	addr netip.AddrPort
	at   gossip.Time // the last word of it
	err  error
	// what comes from it does not open here; else what it gets from here does not open there
	here bool
	seed bool // it is asked to let this node in
}

// asks says whether an address is one that this node asks to let it in.
func (n *Node) asks(a netip.AddrPort) bool {
	return slices.Contains(n.found, a) || slices.Contains(n.former, a) ||
		slices.ContainsFunc(n.joins, func(j *join) bool { return slices.Contains(j.addrs, a) })
}

// errOtherKey says in plain words what it means that what comes from a seed does not open.
func errOtherKey(seed netip.AddrPort, err error) error {
	switch err {
	case errSealed:
		return fmt.Errorf("the seed at %s sealed with a key, and this node has none", seed)
	case transport.ErrNotSealed:
		return fmt.Errorf("the seed at %s does not seal, and this node does: it has no key", seed)
	}
	return fmt.Errorf("the seed at %s sealed with another key", seed)
}

// errStranger is errOtherKey for a node that is no seed, which may be no node at all.
func errStranger(from netip.AddrPort, err error) error {
	switch err {
	case errSealed:
		return fmt.Errorf("what comes from %s is sealed with a key, and this node has none", from)
	case transport.ErrNotSealed:
		return fmt.Errorf("what comes from %s is not sealed, and this node seals", from)
	}
	return fmt.Errorf("what comes from %s is sealed with another key, or altered on its way", from)
}

// noteOtherKey keeps the last word of a node with another key, if there is room for it.
func (n *Node) noteOtherKey(k otherKey) bool {
	n.dropOtherKeys(func(o *otherKey) bool {
		return o.addr == k.addr || k.at.Sub(o.at) > otherKeyFor
	})
	strangers := 0
	for i := range n.otherKeys {
		if !n.otherKeys[i].seed {
			strangers++
		}
	}
	if k.seed && len(n.otherKeys)-strangers >= maxOtherKeys ||
		!k.seed && strangers >= maxStrangers {
		return false
	}
	n.otherKeys = append(n.otherKeys, k)
	return true
}

// isStrange notes that what comes from a node that is no seed does not open, and says so now and
// then.
func (n *Node) isStrange(from netip.AddrPort, err error) {
	now, about := n.now(), "unopened"
	if n.noteOtherKey(otherKey{addr: from, at: now, err: errStranger(from, err), here: true}) {
		about += from.String()
	}
	n.log.warn(now, about, "dropping datagrams: do all members have the same key?", "from", from,
		"error", err)
}

// hasOtherKey notes that a seed has another key.
func (n *Node) hasOtherKey(seed netip.AddrPort, err error, here bool) {
	now := n.now()
	n.noteOtherKey(otherKey{seed, now, err, here, true})
	n.log.warn(now, err.Error(), "a seed has another key than this node; it lets in nobody whom "+
		"it does not understand", "error", err)
}

func (n *Node) dropOtherKeys(drop func(k *otherKey) bool) {
	n.otherKeys = slices.DeleteFunc(n.otherKeys, func(k otherKey) bool { return drop(&k) })
}

// wrongKeys are the words about seeds that have other keys, as of now, and those about others.
func (n *Node) wrongKeys() (seeds, others []string) {
	for _, k := range n.otherKeys {
		switch word := k.err.Error(); {
		case n.now().Sub(k.at) > otherKeyFor:
		case k.seed:
			seeds = append(seeds, word)
		default:
			others = append(others, word)
		}
	}
	slices.Sort(seeds)
	slices.Sort(others)
	return seeds, others
}

// otherKeysError joins these words for the calls that wait for a seed; nil if there are none.
func (n *Node) otherKeysError() error {
	var all []error
	n.read(func() {
		seeds, _ := n.wrongKeys()
		for _, w := range seeds {
			all = append(all, errors.New(w))
		}
	})
	return errors.Join(all...)
}
