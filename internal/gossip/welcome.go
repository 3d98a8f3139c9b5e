package gossip

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/flow"
	"github.com/starling-gossip/starling/internal/gossip/marks"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/siphash"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Letting others in, and being refused.

// sampleSize is how many members a newcomer is told of at once, and secondWelcome how many bytes,
// before sealing, the Welcome has if it asks again: the first may have been too long for the way.
const (
	sampleSize    = 15
	secondWelcome = 600
)

// secretLife is how old the secret of cookies gets. The one before it still counts.
const secretLife = time.Minute

// maxKnocks bounds the newcomers that are remembered as challenged: to tell those
// that do not come back.
const maxKnocks = 64

// knockWait is how long a challenged newcomer has, and how often it is told that it is not reached.
const knockWait = time.Second

// door is what a seed keeps of newcomers: none of it says which they are.
type door struct {
	secrets [2]siphash.Key // the last one first
	drawn   Time           // when that was; 0: never
	knocks  [maxKnocks]knock
	guests  marks.Table[member.ID, welcomed]
	shut    Time // when somebody was last told that what it sends does not open; 0: never
}

// A newcomer that was welcomed becomes a member by its next word, within guestFor. Of maxGuests,
// the last, that word is enough; another one's record has to be in it, or is asked for.
const (
	maxGuests = 256
	guestFor  = time.Minute
)

// welcomed is what a newcomer that was welcomed, and has not answered yet, says of itself.
type welcomed struct {
	member.Fact
	since Time
}

// knock is that somebody was challenged.
type knock struct {
	key   uint64 // of ID and source
	since Time
	told  Time
}

// open returns the secrets, with a new one if the last is old.
func (d *door) open(now Time, chance *rand.Rand) *[2]siphash.Key {
	if d.drawn == 0 || now.Sub(d.drawn) >= secretLife {
		next := siphash.Key{chance.Uint64(), chance.Uint64()}
		if d.drawn == 0 || now.Sub(d.drawn) >= 2*secretLife {
			d.secrets[0] = siphash.Key{chance.Uint64(), chance.Uint64()} // nothing of before counts
		}
		d.secrets[1], d.secrets[0], d.drawn = d.secrets[0], next, max(now, 1)
	}
	return &d.secrets
}

// guest is a newcomer as far as a cookie goes.
type guest struct {
	plane.Peer        // where it is sent to
	number     uint32 // of its Joins
	generation uint64
	seen       netip.AddrPort // where its Join came from
}

// cookie is what only a node knows that gets what this one sends to an address.
func (g *guest) cookie(k siphash.Key) uint64 {
	var b [16 + 2 + 4 + 8 + 8]byte
	ip := g.Addr.Addr().As16()
	copy(b[:], ip[:])
	binary.BigEndian.PutUint16(b[16:], g.Addr.Port())
	binary.BigEndian.PutUint32(b[18:], g.number)
	binary.BigEndian.PutUint64(b[22:], uint64(g.ID))
	binary.BigEndian.PutUint64(b[30:], g.generation)
	return siphash.Sum64(k, b[:])
}

// guest returns the sender of a Join: it is answered at the address in its record that members of
// this node's zone use.
func (n *Node) guest(peer plane.Peer, j *wire.Join) guest {
	r := &j.Record
	to := r.Addr
	if r.Outside.IsValid() && member.Top(string(r.Zone)) != member.Top(n.roster.Record().Zone) {
		to = r.Outside
	}
	g := guest{Peer: peer, number: j.Number, generation: r.Generation, seen: peer.Addr}
	g.Addr = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	return g
}

// answerJoin lets a newcomer in, or says why not. One that does not show the cookie gets a
// Challenge, and nothing changes.
func (n *Node) answerJoin(peer plane.Peer, j *wire.Join) {
	g := n.guest(peer, j)
	switch {
	case string(j.Cluster) != n.cfg.Cluster: // two names with one hash
		n.refuse(peer, &g, wire.WrongCluster, 0, n.cfg.Cluster)
		return
	case Detector(j.Detector) != n.cfg.Detector:
		n.refuse(peer, &g, wire.WrongDetector, 0, n.cfg.Detector.String())
		return
	case n.entry.leaving:
		return
	}
	if j.Record.State != member.Alive || member.IDOf(string(j.Record.Name)) != peer.ID ||
		member.Instance(peer.ID, uint32(j.Record.Generation)) != peer.Instance ||
		!sendable(g.Addr) {
		n.stats.Malformed++
		return
	}
	if !n.roster.Serves(g.Addr.Addr()) {
		n.refuse(peer, &g, wire.Family, 0, g.Addr.String())
		return
	}
	keys := n.entry.door.open(n.now, n.proof)
	if !j.HasCookie || j.Cookie != g.cookie(keys[0]) && j.Cookie != g.cookie(keys[1]) {
		n.challenge(&g, n.size)
		n.knock(peer, &g)
		return
	}
	n.letIn(&g, j)
}

// sendable says whether a datagram may be sent to an address that a stranger named.
func sendable(a netip.AddrPort) bool {
	ip := a.Addr()
	return a.Port() != 0 && ip.IsValid() && !ip.IsUnspecified() && !member.IsCrowd(ip)
}

// challenge sends a newcomer the cookie that it has to show, unless that takes more bytes than it
// sent: so a Challenge never makes more of what a stranger sends to an address that it names.
func (n *Node) challenge(g *guest, most int) {
	keys := n.entry.door.open(n.now, n.proof)
	start := n.flow.Open(g.Instance)
	n.flow.Bytes = wire.AppendChallenge(n.flow.Bytes, &wire.Challenge{
		Number: g.number, Cookie: g.cookie(keys[0]), ClusterID: n.identity.id,
		Live: uint32(n.roster.Table().Live()), Seen: g.seen,
	})
	if len(n.flow.Bytes)-start > most {
		n.flow.Drop(start)
		return
	}
	n.flow.CloseFree(start, g.Peer)
}

// knock notes that a newcomer was challenged. If one asks again and again without the cookie, from
// another address than that in its record, it is told where nothing reaches it.
func (n *Node) knock(peer plane.Peer, g *guest) {
	if peer.Addr == g.Addr {
		return // nor would this reach it
	}
	ip := peer.Addr.Addr().As16()
	key := member.Mix(uint64(g.ID) ^
		member.Mix(binary.BigEndian.Uint64(ip[8:])^uint64(peer.Addr.Port())))
	k := &n.entry.door.knocks[key%maxKnocks]
	switch {
	case k.key != key || n.now.Sub(k.since) > 2*maxJoinPause:
		*k = knock{key: key, since: n.now, told: n.now}
	case n.now.Sub(k.told) >= knockWait:
		k.told = n.now
		n.refuse(peer, g, wire.NotReached, 0, g.Addr.String())
	}
}

// letIn welcomes a newcomer that showed the cookie, if its name is free. It is a member once it has
// answered: of a thousand that showed cookies and do no more nobody hears, and no jury sits on
// them.
func (n *Node) letIn(g *guest, j *wire.Join) {
	n.flow.Proven(g.Addr)
	fact, err := j.Record.Fact()
	if err != nil {
		n.stats.Malformed++
		return
	}
	r := fact.Record.Value()
	m, known := n.roster.Table().Get(g.ID)
	switch {
	case g.ID == n.id:
		n.claimedSelf(g)
		return
	case n.otherCluster(j) && !(known && m.Generation() == r.Generation):
		// a life that is a member was away during a merge
		n.refuse(g.Peer, g, wire.OtherCluster, 0, fmt.Sprintf("%016x with %d members",
			n.identity.id, n.roster.Table().Live()))
		return
	case known && m.State.Live() && m.Handle.Value().Addr != r.Addr &&
		!n.inherits(&m, g, &j.Record.Claim):
		n.claimName(&m, g, &r)
		return
	case known && isOutlived(&m, &j.Record.Claim, &r):
		n.refuse(g.Peer, g, wire.OldGeneration, m.Generation(), "")
		return
	case !known && r.Generation < n.roster.LastLife(g.ID):
		n.refuse(g.Peer, g, wire.OldGeneration, n.roster.LastLife(g.ID), "")
		return
	case !known && n.roster.Table().Len() >= member.MaxMembers:
		n.refuse(g.Peer, g, wire.TableFull, 0, "")
		return
	case !n.roster.Credible(g.ID, &j.Record.Claim):
		n.stats.Malformed++
		return
	}
	alone := n.roster.Table().Live() == 1
	before, again := n.entry.door.guests.Get(g.ID)
	if again = again && before.Record == fact.Record; known {
		again = m.State.Live() && m.Generation() == r.Generation
		n.roster.Learn(g.Peer, g.ID, 0, &j.Record.Claim, &j.Record)
	} else {
		n.entry.door.guests.Put(g.ID, welcomed{fact, n.now})
	}
	most := n.flow.Longest()
	if again {
		most = secondWelcome
	}
	cluster := n.identity.id
	n.admit(j, g.Peer, alone)
	n.sendWelcome(g, cmp.Or(cluster, n.identity.id), most)
	if m, known = n.roster.Table().Get(g.ID); known && (!m.State.Live() || m.Handle != fact.Record) {
		n.roster.Note(&m, g.Peer, m.Handle != fact.Record) // it lives: let it refute
	} else if known {
		n.enter(true) // the two are of one cluster, whichever of them asked
	}
	n.compareSettings(g.Peer, r.Name, j.Settings)
}

// answered makes a member of a newcomer that was welcomed, before its first word is read.
func (n *Node) answered(peer plane.Peer) {
	g, ok := n.entry.door.guests.Get(peer.ID)
	if !ok || n.now.Sub(g.since) > guestFor {
		return
	}
	r := g.Record.Value()
	if _, known := n.roster.Table().Get(peer.ID); known || member.Instance(peer.ID,
		uint32(r.Generation)) != peer.Instance {
		return
	}
	n.entry.door.guests.Take(peer.ID)
	c := wire.Claim{Generation: r.Generation, Incarnation: g.Incarnation, State: g.State}
	n.roster.Buried(peer, peer.ID, r.Check(), &c, nil) // tells it how the life ended that it goes on with
	n.roster.Apply(g.Fact, true, 0, 0)
	n.enter(true)
}

// sendWelcome tells a newcomer of this node and of a few others, so that it can ask many for the
// rest. In a flood of Joins it tells of this node alone, which costs no more than the Join. The ID
// of the cluster is that of before the newcomer, so that it sees whether two became one.
func (n *Node) sendWelcome(g *guest, cluster uint64, most int) {
	live := n.roster.Table().Live() - n.reach.Stale(n.now)
	_, known := n.roster.Table().Get(g.ID)
	if !known {
		live++
	}
	start := n.flow.Open(g.Instance)
	n.flow.Bytes = wire.AppendWelcome(n.flow.Bytes, &wire.Welcome{
		Number: g.number, Live: uint32(live), ClusterID: cluster, Seen: g.seen,
		Settings: n.settings,
	})
	var room [sampleSize + 1]member.Member
	sample := append(room[:0], n.roster.Self())
	if n.welcomes.Ready(n.now) {
		sample = topology.Pick(n.rng, n.roster.Table(), sampleSize, sample, n.id, g.ID)
	}
	for i := range sample {
		if n.reach.IsStale(n.now, sample[i].ID) {
			continue
		}
		before := len(n.flow.Bytes)
		n.roster.News.AppendMember(&sample[i], true, n.id)
		if n.flow.Room(start) < wire.MessageSize+fingerprintSize || i > 0 &&
			len(n.flow.Bytes)-start > most-wire.MessageSize-fingerprintSize {
			n.flow.Drop(before)
			break
		}
	}
	n.roster.News.AppendFingerprint()
	n.welcomes.Take(len(n.flow.Bytes) - start + flow.IPOverhead)
	n.flow.Close(start, g.Peer)
}

// refuse tells a newcomer why it is not let in: where its Join came from, or at its address if that
// is proven.
func (n *Node) refuse(to plane.Peer, g *guest, reason wire.Reason, generation uint64,
	text string) {
	if start, ok := n.flow.Reply(to); ok {
		n.flow.Bytes = wire.AppendRefuse(n.flow.Bytes, &wire.Refuse{
			Number: g.number, Reason: reason, Generation: generation, Text: []byte(text),
			Seen: g.seen,
		})
		n.flow.CloseReply(start, to)
	}
}

// refuseStranger looks for a Join in a datagram of another cluster: its sender was given a
// wrong address or a wrong name, and should hear of it.
func (n *Node) refuseStranger(peer plane.Peer, r wire.Reader) {
	for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
		switch t {
		case wire.TypeJoin:
			if j, ok := wire.ReadJoin(body); ok {
				n.refuse(peer, &guest{number: j.Number, seen: peer.Addr}, wire.WrongCluster, 0,
					n.cfg.Cluster)
			}
			return
		case wire.TypeRefuse:
			if m, ok := wire.ReadRefuse(body); ok && m.Reason == wire.WrongCluster &&
				n.answers(m.Number) {
				n.refused(peer, &m)
			}
			return
		}
	}
}

// refused hears that a seed did not let this node in.
func (n *Node) refused(peer plane.Peer, r *wire.Refuse) {
	if n.entry.leaving {
		return
	}
	n.entry.seen = Sight{r.Seen, peer.Addr, n.now}
	n.flow.Proven(peer.Addr)
	var err error
	switch r.Reason {
	case wire.OldGeneration:
		if r.Generation >= n.roster.Record().Generation { // this host's clock went back
			n.tellOutlived(r.Generation, netip.AddrPort{}, member.Alive, 0)
			n.roster.GoAbove(r.Generation, n.roster.Incarnation())
		}
		if s := n.seedAt(peer.Addr, r.Number); s != nil {
			s.until, s.shown = 0, 0 // the cookie was for the generation of before
			n.dial(s)
		}
		return
	case wire.NameTaken:
		n.nameTaken(peer.Addr, string(r.Text))
		return
	case wire.NameWaits:
		n.nameWaits(peer.Addr, string(r.Text))
		return
	case wire.WrongCluster:
		err = fmt.Errorf("%s: %w: %q, and this node to %q", peer.Addr, ErrWrongCluster, r.Text,
			n.cfg.Cluster)
	case wire.OtherCluster:
		if strings.HasPrefix(string(r.Text), fmt.Sprintf("%016x ", n.identity.id)) {
			return // they have become one since
		}
		err = fmt.Errorf("%s: %w: %s, and this node to %016x; a join by command merges them",
			peer.Addr, ErrOtherCluster, r.Text, n.identity.id)
	case wire.WrongDetector:
		err = fmt.Errorf("%s: %w: %q, and this node %q", peer.Addr, ErrWrongDetector, r.Text,
			n.cfg.Detector)
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
	n.entry.hasty = 0 // it is no loss that keeps this node out
	n.out.Events = append(n.out.Events, Event{Kind: Refused, Err: err})
}
