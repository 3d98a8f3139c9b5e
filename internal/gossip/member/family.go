package member

import "net/netip"

// Family is the IP version of the addresses that a node can send to.
type Family uint8

// The families. A socket that is bound to all addresses mostly has both, and its host may have
// routes of one alone.
const (
	AnyFamily Family = 0
	IPv4      Family = 4
	IPv6      Family = 6
)

// Serves says whether an address is of the family.
func (f Family) Serves(a netip.Addr) bool {
	return f == AnyFamily || (f == IPv4) == a.Unmap().Is4()
}

// HasFamily says whether a member has an address of an IP version, for some of the others.
func (m *Member) HasFamily(f Family) bool {
	r := m.Handle.Value()
	is := func(a netip.AddrPort) bool { return a.IsValid() && f.Serves(a.Addr()) }
	return is(r.Addr) || is(r.Outside)
}
