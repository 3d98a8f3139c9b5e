package door

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/marks"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/rate"
	"github.com/starling-gossip/starling/internal/gossip/siphash"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// This file is what a seed keeps of newcomers, and says to them before they are in.

// SecretLife is how old the secret of cookies gets. The one before it still counts.
const SecretLife = time.Minute

// maxKnocks bounds the newcomers that are remembered as challenged: to tell those
// that do not come back.
const maxKnocks = 64

// knockWait is how long a challenged newcomer has, and how often it is told that it is not reached.
const knockWait = time.Second

// porch is that: none of it says which they are.
type porch struct {
	*common
	cluster  *cluster
	secrets  [2]siphash.Key // the last one first
	drawn    mono.Time      // when that was; 0: never
	knocks   [maxKnocks]knock
	guests   marks.Table[member.ID, welcomed]
	welcomes rate.Bucket // for the samples that newcomers get
	shut     mono.Time   // when somebody was last told that what it sends does not open; 0: never
}

// A newcomer that was welcomed becomes a member by its next word, within GuestFor. Of maxGuests,
// the last, that word is enough; another one's record has to be in it, or is asked for.
const (
	maxGuests = 256
	GuestFor  = time.Minute
)

// welcomed is what a newcomer that was welcomed, and has not answered yet, says of itself.
type welcomed struct {
	member.Fact
	since mono.Time
}

// knock is that somebody was challenged.
type knock struct {
	key   uint64 // of ID and source
	since mono.Time
	told  mono.Time
}

// open returns the secrets, with a new one if the last is old.
func (p *porch) open() *[2]siphash.Key {
	if p.drawn == 0 || p.now.Sub(p.drawn) >= SecretLife {
		next := siphash.Key{p.proof.Uint64(), p.proof.Uint64()}
		if p.drawn == 0 || p.now.Sub(p.drawn) >= 2*SecretLife {
			// nothing of before counts
			p.secrets[0] = siphash.Key{p.proof.Uint64(), p.proof.Uint64()}
		}
		p.secrets[1], p.secrets[0], p.drawn = p.secrets[0], next, max(p.now, 1)
	}
	return &p.secrets
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

// sendable says whether a datagram may be sent to an address that a stranger named.
func sendable(a netip.AddrPort) bool {
	ip := a.Addr()
	return a.Port() != 0 && ip.IsValid() && !ip.IsUnspecified() && !member.IsCrowd(ip)
}

// guest returns the sender of a Join: it is answered at the address in its record that members of
// this node's zone use.
func (p *porch) guest(peer plane.Peer, j *wire.Join) guest {
	r := &j.Record
	to := r.Addr
	if r.Outside.IsValid() && member.Top(string(r.Zone)) != member.Top(p.roster.Record().Zone) {
		to = r.Outside
	}
	g := guest{Peer: peer, number: j.Number, generation: r.Generation, seen: peer.Addr}
	g.Addr = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	return g
}

// challenge sends a newcomer the cookie that it has to show, unless that takes more bytes than it
// sent: so a Challenge never makes more of what a stranger sends to an address that it names.
func (p *porch) challenge(g *guest, most int) {
	keys := p.open()
	start := p.flow.Open(g.Instance)
	p.flow.Bytes = wire.AppendChallenge(p.flow.Bytes, &wire.Challenge{
		Number: g.number, Cookie: g.cookie(keys[0]), ClusterID: p.cluster.id,
		Live: uint32(p.roster.Table().Live()), Seen: g.seen,
	})
	if len(p.flow.Bytes)-start > most {
		p.flow.Drop(start)
		return
	}
	p.flow.CloseFree(start, g.Peer)
}

// knock notes that a newcomer was challenged. If one asks again and again without the cookie, from
// another address than that in its record, it is told where nothing reaches it.
func (p *porch) knock(peer plane.Peer, g *guest) {
	if peer.Addr == g.Addr {
		return // nor would this reach it
	}
	ip := peer.Addr.Addr().As16()
	key := member.Mix(uint64(g.ID) ^
		member.Mix(binary.BigEndian.Uint64(ip[8:])^uint64(peer.Addr.Port())))
	k := &p.knocks[key%maxKnocks]
	switch {
	case k.key != key || p.now.Sub(k.since) > 2*maxJoinPause:
		*k = knock{key: key, since: p.now, told: p.now}
	case p.now.Sub(k.told) >= knockWait:
		k.told = p.now
		p.refuse(peer, g, wire.NotReached, 0, g.Addr.String())
	}
}

// refuse tells a newcomer why it is not let in: where its Join came from, or at its address if that
// is proven.
func (p *porch) refuse(to plane.Peer, g *guest, reason wire.Reason, generation uint64,
	text string) {
	if start, ok := p.flow.Reply(to); ok {
		p.flow.Bytes = wire.AppendRefuse(p.flow.Bytes, &wire.Refuse{
			Number: g.number, Reason: reason, Generation: generation, Text: []byte(text),
			Seen: g.seen,
		})
		p.flow.CloseReply(start, to)
	}
}

// unopenedPause is between two such answers, wherever they go.
const unopenedPause = 100 * time.Millisecond

// Unopened tells that a datagram of so many bytes came from an address and did not open: it is
// sealed with a key that this node lacks, or it is not sealed, or it is and this node has no key.
// Its sender is told so, ten times a second at most, by a datagram that is shorter; what is as
// short as that is not answered, so that two nodes never answer each other.
func (d *Door) Unopened(from netip.AddrPort, size int) {
	p := &d.porch
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	if size > wire.UnopenedSize && sendable(from) &&
		(p.shut == 0 || d.now.Sub(p.shut) >= unopenedPause) && !d.stopped {
		p.shut = d.now
		start := d.flow.Open(0)
		d.flow.Bytes = wire.AppendUnopened(d.flow.Bytes)
		d.flow.CloseFree(start, plane.Peer{Addr: from})
	}
}
