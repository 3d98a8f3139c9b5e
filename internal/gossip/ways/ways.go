// Package ways is what a node knows of the ways to the members that it talks to, in one place and
// whatever the detector. It has what the node hears of them, which of its probes they answer, how
// long that takes, and how long datagrams may be there (sizes.go).
package ways

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/rate"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Max bounds how many ways a node keeps something of: those of the last probes.
const Max = 64

const (
	maxCounted = 128             // probes of each that are counted; then both counts are halved
	muteFor    = 5 * time.Second // after its last datagram a member is heard
	answerIn   = time.Second     // within it the last probe is not yet one without an answer
	muteAfter  = 5               // probes in a row that a member which is heard did not answer
)

// Host is the node, as far as Ways needs more of it than an Env.
type Host interface {
	plane.Env
	// Proof is the source of numbers that nobody may guess. All that Ways draws comes from it, so
	// that what else the node draws is as it would be without.
	Proof() *rand.Rand
	// Leaving says whether the node goes: nothing is checked then.
	Leaving() bool
	// MustWait says whether a datagram of so many bytes to a member has to wait for a budget.
	MustWait(now mono.Time, id member.ID, bytes int) bool
	// Small tells the user that datagrams of so many bytes do not pass between this node and a
	// member, though short ones do; 0: they do again.
	Small(m member.Member, size int)
}

// way is the one to a member, in one life and at one address.
type way struct {
	// what is looked at of all of them stands together, in a line of the processor's cache
	heard mono.Time // the last datagram; 0: none
	sizes

	peer plane.Peer
	from *netip.AddrPort // where it came from; nil: all came from the member's address
	seen *netip.AddrPort // where the member last saw a Pad of this node come from; nil: not told

	sent mono.Time // when the last probe left; Never: it is answered, or tells nothing
	rtt  time.Duration
	seq  uint32 // of the last probe
	// of the last probes, and of those the ones that were answered before the next, up to
	// maxCounted
	probes, answers uint8
	missed          uint8 // probes in a row that were not, up to muteAfter
	speaks          bool  // it was heard since so many were missed
}

// Ways are those that a node keeps something of.
type Ways struct {
	plane.None
	env     Host
	longest int
	ids     []member.ID // of the list, in its order
	list    []way
	care
	stats Stats
	buf   []byte
}

// Stats counts checks of sizes.
type Stats struct {
	Passed     uint64 // the longest datagrams passed there and back
	Small      uint64 // they did not, and short ones did
	Unanswered uint64 // neither was to be found out
}

// New returns the ways of a node that starts, whose datagrams have at most so many bytes, before
// sealing.
func New(now mono.Time, env Host, longest int) *Ways {
	w := &Ways{env: env, longest: longest}
	w.answers = rate.Full(seenRate, 2*seenRate, now)
	w.Renew(now)
	return w
}

// Stats returns the counters.
func (w *Ways) Stats() Stats { return w.stats }

// find returns the way to a member, nil if nothing is kept of it.
func (w *Ways) find(id member.ID) *way {
	for i, x := range w.ids {
		if x == id {
			return &w.list[i]
		}
	}
	return nil
}

// to returns the way to a member, which begins anew if the member is in another life or at another
// address. Over the bound the way of which was heard longest ago makes room, one that takes no long
// datagrams last.
func (w *Ways) to(peer plane.Peer) *way {
	p := w.find(peer.ID)
	switch {
	case p == nil && len(w.list) < Max:
		w.ids, w.list = append(w.ids, 0), append(w.list, way{})
		p = w.keep(len(w.list)-1, peer)
	case p == nil:
		p = w.keep(w.oldest(), peer)
	case p.peer != peer:
		*p = way{peer: peer, sent: mono.Never}
	}
	return p
}

func (w *Ways) keep(i int, peer plane.Peer) *way {
	w.ids[i], w.list[i] = peer.ID, way{peer: peer, sent: mono.Never}
	return &w.list[i]
}

func (w *Ways) oldest() (at int) {
	age := func(p *way) mono.Time {
		if p.over > 0 {
			return p.heard.Add(math.MaxInt64 / 2)
		}
		return p.heard
	}
	least := mono.Never
	for i := range w.list {
		if a := age(&w.list[i]); a < least {
			at, least = i, a
		}
	}
	return at
}

// drop forgets the way to a member; the last one takes its place.
func (w *Ways) drop(id member.ID) {
	for i, x := range w.ids {
		if x == id {
			last := len(w.ids) - 1
			w.ids[i], w.list[i] = w.ids[last], w.list[last]
			w.list[last] = way{}
			w.ids, w.list = w.ids[:last], w.list[:last]
			return
		}
	}
}

// Changed takes in that a member changed: the way to one that is dead is of no interest, and one
// that is elsewhere has another.
func (w *Ways) Changed(_ mono.Time, _, after member.Member) {
	switch {
	case w.find(after.ID) == nil:
	case after.State.Live():
		w.to(plane.PeerOf(&after))
	default:
		w.drop(after.ID)
	}
}

// Counts returns how many ways are kept, and how many of them take no long datagrams.
func (w *Ways) Counts() (all, small int) {
	for i := range w.list {
		if w.list[i].over > 0 {
			small++
		}
	}
	return len(w.list), small
}

// LastHeard returns when the last datagram of any of these members came; 0: none has.
func (w *Ways) LastHeard() (last mono.Time) {
	for i := range w.list {
		last = max(last, w.list[i].heard)
	}
	return last
}

// Heard returns when the last datagram of a member came; 0: none has, or nothing is kept of it.
func (w *Ways) Heard(id member.ID) mono.Time {
	if p := w.find(id); p != nil {
		return p.heard
	}
	return 0
}

// Len returns how many ways are kept: at most Max.
func (w *Ways) Len() int { return len(w.list) }

// At returns the peer at the end of one of them, and when it was heard last.
func (w *Ways) At(i int) (plane.Peer, mono.Time) { return w.list[i].peer, w.list[i].heard }

// Hear takes in that a datagram of a peer came.
func (w *Ways) Hear(now mono.Time, from plane.Peer) {
	if p := w.find(from.ID); p != nil && p.peer.Instance == from.Instance {
		p.speaks = p.speaks || p.missed == muteAfter
		if p.heard = max(now, 1); p.from != nil || from.Addr != p.peer.Addr {
			note(&p.from, from.Addr)
		}
	}
}

// note keeps an address in the memory of the one before it.
func note(at **netip.AddrPort, a netip.AddrPort) {
	if *at == nil {
		*at = new(netip.AddrPort)
	}
	**at = a
}

// Probed takes in that the detector sends something to a member, and says whether that is a
// question that the member is to answer.
func (w *Ways) Probed(now mono.Time, to plane.Peer, messages []byte) bool {
	r := wire.Messages(messages)
	t, body, _ := r.Next()
	var seq uint32
	switch t {
	case wire.TypePing:
		seq, _ = wire.ReadSeq(body)
	case wire.TypeLease:
		m, _ := wire.ReadLease(body)
		seq = m.Seq
	case wire.TypeAck, wire.TypeCounters:
	default: // what jurors and accusers say to each other
		return false
	}
	if !plane.IsLive(w.env.Table(), to) {
		return false
	}
	p := w.to(to)
	if t == wire.TypeAck || t == wire.TypeCounters {
		return false
	}
	if p.sent != mono.Never && p.missed < muteAfter {
		p.missed++
	}
	if p.probes++; p.probes == maxCounted {
		p.probes, p.answers = p.probes/2, p.answers/2
	}
	p.seq, p.sent = seq, now
	return true
}

// Acked takes in an answer to a probe, and says whether it comes from a member that is known here.
// One to an earlier probe than the last came too late to count.
func (w *Ways) Acked(now mono.Time, from plane.Peer, body []byte) (known bool) {
	seq, ok := wire.ReadSeq(body)
	p := w.find(from.ID)
	if !ok || p == nil || p.peer.Instance != from.Instance {
		return false
	}
	if p.sent == mono.Never || p.seq != seq {
		return true
	}
	took := max(now.Sub(p.sent), 1)
	p.answers++
	p.sent, p.missed, p.speaks = mono.Never, 0, false
	if p.rtt == 0 {
		p.rtt = took
	}
	p.rtt = max(p.rtt+(took-p.rtt)/8, 1)
	return true
}

// Stalled takes back the probes whose answers came while this process stood still.
func (w *Ways) Stalled(mono.Time, time.Duration) {
	for i := range w.list {
		if p := &w.list[i]; p.sent != mono.Never {
			p.sent, p.missed, p.speaks = mono.Never, 0, false
			p.probes = max(p.probes, 1) - 1
		}
	}
}

// Way is what a node knows of the way to a member that it talks to.
type Way struct {
	Member member.Member
	Heard  mono.Time      // when its last datagram came; 0: none did
	From   netip.AddrPort // where that came from
	// where the member last saw datagrams of this node come from; not valid: it has not told
	Seen netip.AddrPort

	// the detector's last ones, at most 128, and how many of them were answered in time
	Probes, Answers int
	RTT             time.Duration // smoothed; 0: unknown

	// Passed is the longest datagram that is known to pass there and back, Over the shortest that
	// does not, in bytes before sealing; 0: unknown, and that there is none. Checked is when that
	// was last looked for; 0: never.
	Passed, Over int
	Checked      mono.Time

	// Silent says that nothing came from it for a second or more, nor an answer to the last probe.
	// Mute says that the last five probes in a row were not answered, and that it was heard after
	// them, in the last five seconds. It is not both.
	Silent, Mute bool
}

// All returns what is known of the ways to live members, in no order that means anything.
func (w *Ways) All(now mono.Time) (all []Way) {
	for i := range w.list {
		p := &w.list[i]
		m, ok := plane.LiveMember(w.env.Table(), p.peer)
		if !ok {
			continue
		}
		out := Way{
			Member: m, Heard: p.heard, From: p.peer.Addr,
			Probes: int(p.probes), Answers: int(p.answers), RTT: p.rtt,
			Silent: (p.missed > 0 || p.sent != mono.Never && now.Sub(p.sent) >= answerIn) &&
				now.Sub(p.heard) >= answerIn,
			Passed: int(p.passed), Over: int(p.over), Checked: p.checked,
		}
		if p.sent != mono.Never && now.Sub(p.sent) < answerIn && out.Probes > out.Answers {
			out.Probes-- // it may be answered yet
		}
		if p.isMute(now) {
			out.Silent, out.Mute = false, true
		}
		if p.from != nil {
			out.From = *p.from
		}
		if p.seen != nil {
			out.Seen = *p.seen
		}
		all = append(all, out)
	}
	return all
}

// isMute says whether a member sends and does not answer. What it sent before it fell silent does
// not count; after that it may be heard no more often than the pings of a pair that do not arrive.
func (p *way) isMute(now mono.Time) bool { return p.speaks && now.Sub(p.heard) < muteFor }
