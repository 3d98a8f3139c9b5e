package sim

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/starling-gossip/starling/internal/gossip"
)

// Two clusters of one name in one network. The second one, of strangers, is as old as the first,
// since its processes remember its ID. It comes by the addresses of processes that die, as where a
// cloud gives the address of a dead host to another customer. Strangers are no members, and no node
// of either cluster may take one of the other for a member. That ends when a node is told to join
// the other cluster: from then on those that have met are one cluster, and the strangers are
// members as others.

// strangersID is the identity of the second cluster.
const strangersID = 0x5712a26e25

// addStranger makes a process of the second cluster, on a host of its own.
func (w *World) addStranger() *proc {
	q := w.addProc()
	w.strangers = append(w.strangers, q)
	q.stranger, q.cluster, q.founder = true, strangersID, w.strangers[0].host.addr
	return q
}

// invade has strangers start at the addresses of processes. These crash if they run, and are dead
// until they start again, at another address. The first stranger, which the others know, has a host
// of its own. Seeds' addresses are left alone, since a node that dials one means any process that
// is there.
func (w *World) invade(procs []*proc) error {
	if len(w.strangers) == 0 {
		if err := w.addStranger().start(); err != nil {
			return err
		}
	}
	for _, p := range procs {
		if p.clone || slices.Contains(w.dialled, p.host.addr) || p.host.proc != nil &&
			p.host.proc != p {
			continue
		}
		if p.up {
			w.crash(p)
		}
		q := w.addStranger()
		p.host, q.host = q.host, p.host
		if err := q.start(); err != nil {
			return err
		}
	}
	return nil
}

// wish has a process told to join the second cluster, as long as it lives.
func (w *World) wish(p *proc) error {
	if len(w.strangers) == 0 {
		return nil
	}
	w.joins = true
	p.wishes = nil
	for _, q := range w.strangers {
		if q.up {
			p.wishes = append(p.wishes, q.host.addr)
		}
	}
	if !p.up {
		return nil
	}
	return p.do(p.seeds())
}

// home are the seeds of a process. A stranger has its own, and those of the others too once the two
// clusters are one: an operator that makes them one tells the members of both where it starts anew.
func (p *proc) home() []netip.AddrPort {
	switch {
	case !p.founder.IsValid():
		return p.w.seeds
	case p.stranger:
		return []netip.AddrPort{p.founder}
	}
	return append([]netip.AddrPort{p.founder}, p.w.seeds...)
}

// meets judges that a process holds somebody, or does not any more, if that is of the other
// cluster; it says whether that is so.
func (r *recorder) meets(o *Obs) bool {
	if o.Kind != Saw || o.Member < 0 || !o.After.Known ||
		r.w.procs[o.Node].stranger == r.w.procs[o.Member].stranger {
		return false
	}
	if r.w.joins {
		r.adopt(o.At)
		return false
	}
	r.fail("clusters", o.At, fmt.Sprintf("%s holds %s, of another cluster, for %s, and nobody "+
		"joined the two",
		r.w.procs[o.Node].name, r.w.procs[o.Member].name, o.After))
	return true
}

// adopt makes all strangers members.
func (r *recorder) adopt(now gossip.Time) {
	for _, q := range r.w.strangers {
		q.stranger = false
		if !q.up {
			continue
		}
		self := q.node.Self()
		at := Holding{Gen: self.Generation(), Inc: self.Incarnation, Known: true}
		r.take(&Obs{At: now, Kind: Started, Node: q.index, host: q.host.index,
			After: Holding{Gen: at.Gen}})
		r.take(&Obs{At: now, Kind: Own, Node: q.index, host: q.host.index, After: at})
		r.take(&Obs{At: now, Kind: Welcomed, Node: q.index, host: q.host.index})
	}
	for _, q := range r.w.strangers {
		if !q.up {
			continue
		}
		t := q.node.Table()
		r.take(&Obs{At: now, Kind: View, Node: q.index, host: q.host.index,
			Hash: t.Fingerprint(), Count: t.Live()})
		for i, id := range r.w.idOf {
			if m, ok := t.Get(id); ok && id != 0 {
				r.take(&Obs{At: now, Kind: Saw, Told: true, Node: q.index, Member: int32(i),
					host: q.host.index, After: holding(&m)})
			}
		}
	}
	r.w.strangers = nil
}
