package called

import (
	"net/netip"
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// Came notes from which host somebody came to this node's TCP port; over the bound the one that
// came longest ago makes way.
func (r *Called) Came(now mono.Time, ip netip.Addr) {
	if !ip.IsValid() {
		return
	}
	i := slices.IndexFunc(r.callers, func(c caller) bool { return c.ip == ip })
	switch {
	case i >= 0:
	case len(r.callers) < maxCallers:
		i = len(r.callers)
		r.callers = append(r.callers, caller{})
	default:
		i = 0
		for k := range r.callers {
			if r.callers[k].at < r.callers[i].at {
				i = k
			}
		}
	}
	r.callers[i] = caller{ip, now}
}

// Settle finds out whether this node is deaf in company: a few that hear each other, and
// nothing of the others. What they ask each other is no sign that anybody else reaches them; and
// that the others do not answer may be their death, or a cut. But a juror of a member comes to
// its TCP port too. So if this node reaches no more than half of the live, and of the others some
// came to its port from hosts of which no datagram has come for long, these live, and what they
// send is lost.
func (r *Called) Settle() {
	on := r.env.NoMajority() && r.comeUnheard()
	if on != r.deafened {
		r.deafened = on
		r.settleReached()
	}
}

// comeUnheard says whether members that this node cannot reach came to its port since it last heard
// them. Hosts that others share say nothing.
func (r *Called) comeUnheard() bool {
	came := 0
	for id := range r.env.Silent() {
		m, ok := r.env.Table().Get(id)
		if !ok {
			continue
		}
		heard := r.start // of one that was never heard
		if at := r.env.LastHeard(m.ID); at != 0 {
			heard = at
		}
		ip := m.Addr().Addr()
		if slices.ContainsFunc(r.callers, func(c caller) bool {
			return c.ip == ip && c.at.Sub(heard) >= cameAfter
		}) && r.hasHostAlone(ip, m.ID) {
			came++
		}
	}
	return came > 0 && came >= min(callersMost, r.env.Absent())
}

// hasHostAlone says whether a member is the only live one at an address.
func (r *Called) hasHostAlone(ip netip.Addr, id member.ID) bool {
	for i := range r.env.Table().Live() {
		if m := r.env.Table().At(i); m.ID != id && m.Addr().Addr() == ip {
			return false
		}
	}
	return true
}
