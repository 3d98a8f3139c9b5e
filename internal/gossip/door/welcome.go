package door

import (
	"cmp"
	"fmt"

	"github.com/starling-gossip/starling/internal/gossip/flow"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// This file is how others are let in.

// sampleSize is how many members a newcomer is told of at once, and secondWelcome how many bytes,
// before sealing, the Welcome has if it asks again: the first may have been too long for the way.
const (
	sampleSize    = 15
	secondWelcome = 600
	// bytes a second of samples for newcomers; a thousand of them at once fit the burst
	welcomeRate = 512 << 10
	// FingerprintSize is that of a Fingerprint with that of keys.
	fingerprintSize = 19
)

// answerJoin lets a newcomer in, or says why not. One that does not show the cookie gets a
// Challenge, and nothing changes.
func (d *Door) answerJoin(peer plane.Peer, size int, j *wire.Join) {
	g := d.porch.guest(peer, j)
	switch {
	case string(j.Cluster) != d.cfg.Cluster: // two names with one hash
		d.porch.refuse(peer, &g, wire.WrongCluster, 0, d.cfg.Cluster)
		return
	case j.Detector != d.cfg.Detector:
		d.porch.refuse(peer, &g, wire.WrongDetector, 0, d.cfg.DetectorName)
		return
	case d.leaving:
		return
	}
	if j.Record.State != member.Alive || member.IDOf(string(j.Record.Name)) != peer.ID ||
		member.Instance(peer.ID, uint32(j.Record.Generation)) != peer.Instance ||
		!sendable(g.Addr) {
		d.Malformed++
		return
	}
	if !d.roster.Serves(g.Addr.Addr()) {
		d.porch.refuse(peer, &g, wire.Family, 0, g.Addr.String())
		return
	}
	keys := d.porch.open()
	if !j.HasCookie || j.Cookie != g.cookie(keys[0]) && j.Cookie != g.cookie(keys[1]) {
		d.porch.challenge(&g, size)
		d.porch.knock(peer, &g)
		return
	}
	d.letIn(&g, j)
}

// letIn welcomes a newcomer that showed the cookie, if its name is free. It is a member once it has
// answered: of a thousand that showed cookies and do no more nobody hears, and no jury sits on
// them.
func (d *Door) letIn(g *guest, j *wire.Join) {
	d.flow.Proven(g.Addr)
	fact, err := j.Record.Fact()
	if err != nil {
		d.Malformed++
		return
	}
	r := fact.Record.Value()
	m, known := d.roster.Table().Get(g.ID)
	switch {
	case g.ID == d.roster.ID():
		d.names.claimedSelf(g)
		return
	case d.cluster.isOther(j) && !(known && m.Generation() == r.Generation):
		// a life that is a member was away during a merge
		d.porch.refuse(g.Peer, g, wire.OtherCluster, 0, fmt.Sprintf("%016x with %d members",
			d.cluster.id, d.roster.Table().Live()))
		return
	case known && m.State.Live() && m.Handle.Value().Addr != r.Addr &&
		!d.names.inherits(&m, g, &j.Record.Claim):
		d.names.claimName(&m, g, &r)
		return
	case known && isOutlived(&m, &j.Record.Claim, &r):
		d.porch.refuse(g.Peer, g, wire.OldGeneration, m.Generation(), "")
		return
	case !known && r.Generation < d.roster.Graves.LastLife(g.ID):
		d.porch.refuse(g.Peer, g, wire.OldGeneration, d.roster.Graves.LastLife(g.ID), "")
		return
	case !known && d.roster.Table().Len() >= member.MaxMembers:
		d.porch.refuse(g.Peer, g, wire.TableFull, 0, "")
		return
	case !d.roster.Credible(g.ID, &j.Record.Claim):
		d.Malformed++
		return
	}
	alone := d.roster.Table().Live() == 1
	before, again := d.porch.guests.Get(g.ID)
	if again = again && before.Record == fact.Record; known {
		again = m.State.Live() && m.Generation() == r.Generation
		d.roster.Learn(g.Peer, g.ID, 0, &j.Record.Claim, &j.Record)
	} else {
		d.porch.guests.Put(g.ID, welcomed{fact, d.now})
	}
	most := d.flow.Longest()
	if again {
		most = secondWelcome
	}
	cluster := d.cluster.id
	d.cluster.admit(j, g.Peer, alone)
	d.sendWelcome(g, cmp.Or(cluster, d.cluster.id), most)
	m, known = d.roster.Table().Get(g.ID)
	if known && (!m.State.Live() || m.Handle != fact.Record) {
		d.roster.Note(&m, g.Peer, m.Handle != fact.Record) // it lives: let it refute
	} else if known {
		d.enter(true) // the two are of one cluster, whichever of them asked
	}
	d.compareSettings(g.Peer, r.Name, j.Settings)
}

// sendWelcome tells a newcomer of this node and of a few others, so that it can ask many for the
// rest. In a flood of Joins it tells of this node alone, which costs no more than the Join. The ID
// of the cluster is that of before the newcomer, so that it sees whether two became one.
func (d *Door) sendWelcome(g *guest, cluster uint64, most int) {
	live := d.roster.Table().Live() - d.Reach.Stale(d.now)
	_, known := d.roster.Table().Get(g.ID)
	if !known {
		live++
	}
	start := d.flow.Open(g.Instance)
	d.flow.Bytes = wire.AppendWelcome(d.flow.Bytes, &wire.Welcome{
		Number: g.number, Live: uint32(live), ClusterID: cluster, Seen: g.seen,
		Settings: d.settings,
	})
	var room [sampleSize + 1]member.Member
	sample := append(room[:0], d.roster.Self())
	if d.porch.welcomes.Ready(d.now) {
		sample = topology.Pick(d.rng, d.roster.Table(), sampleSize, sample, d.roster.ID(), g.ID)
	}
	for i := range sample {
		if d.Reach.IsStale(d.now, sample[i].ID) {
			continue
		}
		before := len(d.flow.Bytes)
		d.roster.News.AppendMember(&sample[i], true, d.roster.ID())
		if d.flow.Room(start) < wire.MessageSize+fingerprintSize || i > 0 &&
			len(d.flow.Bytes)-start > most-wire.MessageSize-fingerprintSize {
			d.flow.Drop(before)
			break
		}
	}
	d.roster.News.AppendFingerprint()
	d.porch.welcomes.Take(len(d.flow.Bytes) - start + flow.IPOverhead)
	d.flow.Close(start, g.Peer)
}
