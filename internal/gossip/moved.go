package gossip

import (
	"errors"
	"net/netip"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// Moved tells that this node is reached at another address from now on: that of its host changed,
// or the one that it told first was a guess. All members are told, in the same life: the generation
// stays, the incarnation rises by one. The address where the node is already changes nothing. Do
// fails if nobody can send to the address, or if it is a link-local one of IPv6: what it means
// depends on the host.
type Moved struct {
	Addr    netip.AddrPort
	Outside netip.AddrPort // as in Self; not valid: it stays what it is
}

func (Moved) command() {}

var errLinkLocal = errors.New("a link-local address means another host at each member")

func (n *Node) move(to Moved) error {
	plain := func(a netip.AddrPort) netip.AddrPort {
		return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
	}
	r := n.self.Value()
	was := r
	r.Addr = plain(to.Addr)
	if to.Outside.IsValid() {
		r.Outside = plain(to.Outside)
	}
	if err := r.Validate(); err != nil {
		return err
	}
	if a := r.Addr.Addr(); a.Is6() && a.IsLinkLocalUnicast() {
		return errLinkLocal
	}
	if r.Addr == was.Addr && r.Outside == was.Outside || n.entry.leaving {
		return nil
	}
	n.setSelf(member.Share(r))
	n.inc++
	n.announce(true)
	n.ways.Renew(n.now)
	return nil
}
