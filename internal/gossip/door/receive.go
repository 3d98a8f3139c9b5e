package door

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Receive handles the messages of coming in and going, and says whether they could be read.
func (d *Door) Receive(_ mono.Time, from plane.Sender, t wire.Type, body []byte) (ok bool) {
	peer := from.Peer
	switch t {
	case wire.TypeJoin:
		var j wire.Join
		if j, ok = wire.ReadJoin(body); ok {
			d.answerJoin(peer, from.Size, &j)
		}
	case wire.TypeChallenge:
		var c wire.Challenge
		if c, ok = wire.ReadChallenge(body); ok {
			d.challenged(peer, &c)
		}
	case wire.TypeWelcome:
		var w wire.Welcome
		if w, ok = wire.ReadWelcome(body); ok && d.seeds.answers(w.Number) && !d.leaving {
			d.seen = Sight{w.Seen, peer.Addr, d.now}
			d.flow.Proven(peer.Addr)
			d.inside = d.welcomed && w.ClusterID != 0 && d.cluster.is(w.ClusterID)
			d.cluster.admitted(&w, peer)
			d.welcome()
			d.greeted, d.greeting, d.took = peer, w.Live, 0
			if s := d.seeds.at(peer.Addr, w.Number); s != nil && s.shown != 0 {
				d.took = d.now.Sub(s.shown)
			}
			d.roster.In.Hush() // what rides along is known to all
			d.compareSettings(peer, peer.Addr.String(), w.Settings)
		}
	case wire.TypeRefuse:
		var r wire.Refuse
		if r, ok = wire.ReadRefuse(body); ok && d.seeds.answers(r.Number) {
			d.refused(peer, &r)
		}
	case wire.TypeConflict:
		var c wire.Conflict
		if c, ok = wire.ReadConflict(body); ok {
			d.names.hearClaim(peer, &c)
		}
	case wire.TypeMistaken:
		var m wire.Mistaken
		if m, ok = wire.ReadMistaken(body); ok {
			d.mistaken(peer, &m)
		} else {
			d.roster.In.PassOver(true)
		}
	case wire.TypeUnopened:
		if ok = len(body) == 0; ok {
			d.hearUnopened(peer)
		}
	case wire.TypeMerged:
		var m wire.Merged
		if m, ok = wire.ReadMerged(body); ok {
			d.cluster.hearMerged(m)
		}
	}
	return ok
}

// mistaken hears that another node lives at a member's address. It is none of the cluster's for
// that: its record, which rides along, is taken only if its name is known here and it is of this
// cluster. A member that lost its memory and founded a cluster anew is asked for its own, so that
// the two become one.
func (d *Door) mistaken(peer plane.Peer, m *wire.Mistaken) {
	_, known := d.roster.Table().Get(peer.ID)
	own := d.cluster.is(m.ClusterID)
	kin := known && (own || m.Founded && m.ClusterID != 0)
	d.roster.In.PassOver(!kin)
	if kin {
		if !own {
			d.regain(peer.Addr)
		}
		return
	}
	if known && m.ClusterID == 0 {
		return // it is on its way into some cluster, perhaps this one
	}
	whose := ""
	if m.ClusterID != 0 && !own {
		whose = fmt.Sprintf("; its cluster of the same name is %016x, and this one %016x",
			m.ClusterID, d.cluster.id)
	}
	d.tell(AddressTaken, fmt.Errorf(
		"another node lives at %s, where a member was; it is no member of this "+
			"cluster%s", peer.Addr, whose))
}

// Answered makes a member of a newcomer that was welcomed, before its first word is read.
func (d *Door) Answered(peer plane.Peer) {
	if d.porch.guests.Len() > 0 { // else it is inlined, for each message
		d.answered(peer)
	}
}

func (d *Door) answered(peer plane.Peer) {
	g, ok := d.porch.guests.Get(peer.ID)
	if !ok || d.now.Sub(g.since) > GuestFor {
		return
	}
	r := g.Record.Value()
	if _, known := d.roster.Table().Get(peer.ID); known || member.Instance(peer.ID,
		uint32(r.Generation)) != peer.Instance {
		return
	}
	d.porch.guests.Take(peer.ID)
	c := wire.Claim{Generation: r.Generation, Incarnation: g.Incarnation, State: g.State}
	// tells it how the life ended that it goes on with
	d.roster.Buried(peer, peer.ID, r.Check(), &c, nil)
	d.roster.Apply(g.Fact, true, 0, 0)
	d.enter(true)
}

// RefuseStranger looks for a Join in a datagram of another cluster: its sender was given a
// wrong address or a wrong name, and should hear of it.
func (d *Door) RefuseStranger(peer plane.Peer, r wire.Reader) {
	for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
		switch t {
		case wire.TypeJoin:
			if j, ok := wire.ReadJoin(body); ok {
				d.porch.refuse(peer, &guest{number: j.Number, seen: peer.Addr},
					wire.WrongCluster, 0, d.cfg.Cluster)
			}
			return
		case wire.TypeRefuse:
			if m, ok := wire.ReadRefuse(body); ok && m.Reason == wire.WrongCluster &&
				d.seeds.answers(m.Number) {
				d.refused(peer, &m)
			}
			return
		}
	}
}

// FromNamesake takes a datagram whose sender has this node's name: it is this node's own, come
// back, or another node.
func (d *Door) FromNamesake(h wire.Header, peer plane.Peer, size int, r wire.Reader) {
	own := h.Generation == uint32(d.roster.Record().Generation)
	asked := false
	for t, body, ok := r.Next(); ok && !d.stopped; t, body, ok = r.Next() {
		switch {
		case own && t == wire.TypeJoin:
			d.dropSeed(peer.Addr)
		case own:
		case t == wire.TypeJoin:
			if j, ok := wire.ReadJoin(body); ok && !asked {
				d.answerJoin(peer, size, &j)
			}
			asked = true
		case t == wire.TypeChallenge:
			if c, ok := wire.ReadChallenge(body); ok {
				d.challenged(peer, &c)
			}
		case t == wire.TypeRefuse:
			if m, ok := wire.ReadRefuse(body); ok && d.seeds.answers(m.Number) {
				d.refused(peer, &m)
			}
		case t == wire.TypeConflict:
			if c, ok := wire.ReadConflict(body); ok {
				d.names.conflict(&c)
			}
		case t == wire.TypeUpdate: // the other one yields
			if u, ok := wire.ReadUpdate(body); ok && u.ID == d.roster.ID() && !u.State.Live() {
				d.roster.AboutSelf(peer, u.Check, &u.Claim, nil)
			}
		}
	}
	if !own {
		d.Namesake++
	}
}

// refused hears that a seed did not let this node in.
func (d *Door) refused(peer plane.Peer, r *wire.Refuse) {
	if d.leaving {
		return
	}
	d.seen = Sight{r.Seen, peer.Addr, d.now}
	d.flow.Proven(peer.Addr)
	var err error
	switch r.Reason {
	case wire.OldGeneration:
		if r.Generation >= d.roster.Record().Generation { // this host's clock went back
			d.names.Outlived(r.Generation, netip.AddrPort{}, member.Alive, 0)
			d.roster.GoAbove(r.Generation, d.roster.Incarnation())
		}
		if s := d.seeds.at(peer.Addr, r.Number); s != nil {
			s.until, s.shown = 0, 0 // the cookie was for the generation of before
			d.dial(s)
		}
		return
	case wire.NameTaken:
		d.names.nameTaken(peer.Addr, string(r.Text))
		return
	case wire.NameWaits:
		d.names.nameWaits(peer.Addr, string(r.Text))
		return
	case wire.WrongCluster:
		err = fmt.Errorf("%s: %w: %q, and this node to %q", peer.Addr, ErrWrongCluster, r.Text,
			d.cfg.Cluster)
	case wire.OtherCluster:
		if strings.HasPrefix(string(r.Text), fmt.Sprintf("%016x ", d.cluster.id)) {
			return // they have become one since
		}
		err = fmt.Errorf("%s: %w: %s, and this node to %016x; a join by command merges them",
			peer.Addr, ErrOtherCluster, r.Text, d.cluster.id)
	case wire.WrongDetector:
		err = fmt.Errorf("%s: %w: %q, and this node %q", peer.Addr, ErrWrongDetector, r.Text,
			d.cfg.DetectorName)
	case wire.TableFull:
		err = fmt.Errorf("%s: %w: its table of members is full", peer.Addr, ErrRefused)
	case wire.Family:
		err = fmt.Errorf("%s: %w: it cannot send to %s, an address of the other IP version",
			peer.Addr, ErrNotReached, r.Text)
	case wire.NotReached:
		err = fmt.Errorf("%s: %w: it answers to %s, the address that this node tells, and sees "+
			"this node's datagrams come from %s", peer.Addr, ErrNotReached, r.Text, r.Seen)
	default:
		err = fmt.Errorf("%s: %w: reason %d", peer.Addr, ErrRefused, r.Reason)
	}
	d.hasty = 0 // it is no loss that keeps this node out
	d.tell(Refused, err)
}

// hearUnopened hears that somebody does not open what this node sends. Of others than seeds it is
// no news: they are told by what they drop.
func (d *Door) hearUnopened(peer plane.Peer) {
	if slices.ContainsFunc(d.seeds.list, func(s seed) bool { return s.addr == peer.Addr }) {
		d.Host.Tell(Notice{Event: KeyUnknown, Addr: peer.Addr})
	}
}

// Greeted ends a datagram that said welcome. agrees says that its sender holds the members to be
// what this node does.
func (d *Door) Greeted(agrees bool) {
	if d.greeting == 0 {
		return
	}
	if m, ok := d.roster.LiveMember(d.greeted); ok {
		if !agrees || !d.whole { // else it was in before, and lacks nothing that the seed knows
			d.Repair.Welcome(d.now, m, d.greeting)
		}
		if d.inside {
			d.Streams.Greeted(d.now, m)
		} else {
			d.Streams.Joined(d.now, m, d.took)
		}
		d.metSeed(&m, d.greeted.Addr)
	}
	d.greeting = 0
}
