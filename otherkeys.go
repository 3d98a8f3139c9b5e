package starling

// This file says which seeds have other keys than this node. A datagram that does not open tells nothing
// of why, and one that is not answered less; but that it comes from a seed that is asked does.

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/starling-gossip/starling/gossip"
	"github.com/starling-gossip/starling/transport"
)

const (
	// otherKeyFor is for how long a seed counts as one with another key after the last word of that: seeds that are no
	// members are asked once a gossip.Config.Reseed.
	otherKeyFor = 3 * time.Minute
	// maxOtherKeys bounds the seeds with other keys that are remembered; of more the rest is not told.
	maxOtherKeys = 64
)

// otherKey is that a seed has another key.
type otherKey struct {
	addr netip.AddrPort
	at   gossip.Time // the last word of it
	err  error
	here bool // what comes from it does not open here; else what it gets from here does not open there
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

// hasOtherKey notes that a seed has another key.
func (n *Node) hasOtherKey(seed netip.AddrPort, err error, here bool) {
	now := n.now()
	n.dropOtherKeys(func(k *otherKey) bool { return k.addr == seed || now.Sub(k.at) > otherKeyFor })
	if len(n.otherKeys) < maxOtherKeys {
		n.otherKeys = append(n.otherKeys, otherKey{seed, now, err, here})
	}
	n.log.warn(now, err.Error(), "a seed has another key than this node; it lets in nobody whom it does not understand", "error", err)
}

func (n *Node) dropOtherKeys(drop func(k *otherKey) bool) {
	n.otherKeys = slices.DeleteFunc(n.otherKeys, func(k otherKey) bool { return drop(&k) })
}

// wrongKeys are the words about seeds that have other keys, as of now.
func (n *Node) wrongKeys() (words []string) {
	for _, k := range n.otherKeys {
		if n.now().Sub(k.at) <= otherKeyFor {
			words = append(words, k.err.Error())
		}
	}
	slices.Sort(words)
	return words
}

// otherKeysError joins these words for those who wait for a seed; nil if there are none.
func (n *Node) otherKeysError() error {
	var all []error
	n.read(func() {
		for _, w := range n.wrongKeys() {
			all = append(all, errors.New(w))
		}
	})
	return errors.Join(all...)
}
