package gossip

import (
	"errors"
	"net/netip"
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
