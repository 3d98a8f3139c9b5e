package sim

import (
	"fmt"
	"io"
	"strings"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
	streams "github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// tracer writes a readable line for everything that happens.
type tracer struct {
	w  *World
	to io.Writer
}

func (t *tracer) line(now gossip.Time, who, text string) {
	fmt.Fprintf(t.to, "%12.6f %-8s %s\n", (span(now) - span(t.w.epoch)).Seconds(), who, text)
}

func (t *tracer) packet(now gossip.Time, from *proc, to int32, data []byte, f fate) {
	name := fmt.Sprintf("host %d", to)
	if to >= 0 && t.w.hosts[to].proc != nil {
		name = t.w.hosts[to].proc.name
	}
	t.line(now, from.name, fmt.Sprintf("→ %-8s %4d B %s: %s", name,
		len(data)+t.w.sealing(data), f, t.contents(data)))
}

// contents names the messages of a datagram, with what they say of which member.
func (t *tracer) contents(data []byte) string {
	_, r, err := wire.Open(data)
	if err != nil {
		return err.Error()
	}
	var all []string
	for {
		typ, body, ok := r.Next()
		if !ok {
			return strings.Join(all, ", ")
		}
		all = append(all, t.message(typ, body))
	}
}

func (t *tracer) message(typ wire.Type, body []byte) string {
	switch typ {
	case wire.TypePing, wire.TypeAck, wire.TypeNack:
		seq, _ := wire.ReadSeq(body)
		return fmt.Sprintf("%s %d", typ, seq)
	case wire.TypePingReq:
		m, _ := wire.ReadPingReq(body)
		return fmt.Sprintf("PingReq %d of n%d", m.Seq, t.w.memberOf(m.Target))
	case wire.TypeUpdate:
		m, _ := wire.ReadUpdate(body)
		return fmt.Sprintf("n%d is %s %d.%d", t.w.memberOf(m.ID), m.State, m.Generation,
			m.Incarnation)
	case wire.TypeRecord:
		m, _ := wire.ReadRecord(body)
		return fmt.Sprintf("record of %s, %s %d.%d", m.Name, m.State, m.Generation, m.Incarnation)
	case wire.TypeFingerprint:
		m, _ := wire.ReadFingerprint(body)
		return fmt.Sprintf("fingerprint %08x of %d", m.Hash>>32, m.Live)
	case wire.TypeCarry:
		b, _, _ := wire.ReadCarry(body)
		return "carry " + t.branch(&b)
	case wire.TypeOffer:
		b, _ := wire.ReadOffer(body)
		return "offer " + t.branch(&b)
	case wire.TypeConfirm:
		return t.confirm(body)
	case wire.TypeLease:
		m, _ := wire.ReadLease(body)
		return fmt.Sprintf("ping %d, the next within %s", m.Seq, m.Next)
	case wire.TypeInquiry:
		m, _ := wire.ReadInquiry(body)
		return fmt.Sprintf("inquiry %d about n%d, silent for %s", m.Seq,
			t.w.memberOf(m.Target), m.Age)
	case wire.TypeFinding:
		m, _ := wire.ReadFinding(body)
		return fmt.Sprintf("finding %d: %s, %s, %d pings in %s", m.Seq, m.Word, m.Cause,
			m.Pings, m.Span)
	case wire.TypeEvidence:
		m, _ := wire.ReadEvidence(body)
		return fmt.Sprintf("evidence against n%d by n%d, %d votes", t.w.memberOf(m.Target),
			t.w.memberOf(m.Accuser), m.Count)
	}
	return typ.String()
}

func (t *tracer) branch(b *wire.Branch) string {
	text := fmt.Sprintf("piece %d of n%d", b.First, t.w.memberOf(b.Origin))
	switch {
	case b.Mixed:
		text = fmt.Sprintf("mixed parcel %d of n%d, %d pieces", b.First, t.w.memberOf(b.Origin),
			b.Count)
	case b.Count > 1:
		text = fmt.Sprintf("pieces %d to %d of n%d", b.First, b.First+uint64(b.Count)-1,
			t.w.memberOf(b.Origin))
	}
	switch b.Bits {
	case wire.SpanSelf:
	case wire.SpanNone:
		text += ", a copy beside the tree"
	default:
		text += fmt.Sprintf(" for the ring's %x/%d", b.Prefix>>32, b.Bits)
	}
	return text
}

func (t *tracer) confirm(body []byte) string {
	m, _ := wire.ReadConfirm(body)
	var all []string
	for c, ok := m.Next(); ok; c, ok = m.Next() {
		text := fmt.Sprintf("piece %d is here", c.First)
		switch {
		case c.Verdict == wire.DutyTaken:
			text = fmt.Sprintf("piece %d is taken", c.First)
		case c.Verdict == wire.DutyLacks:
			text = fmt.Sprintf("piece %d is not here", c.First)
		case c.Verdict == wire.DutyVoid:
			text = fmt.Sprintf("piece %d was before my time", c.First)
		case c.Bits <= 64:
			text = fmt.Sprintf("piece %d is at %d of %d", c.First, c.Have, c.Of)
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func (t *tracer) event(now gossip.Time, p *proc, e *gossip.Event) {
	names := map[gossip.EventKind]string{
		gossip.MemberJoined: "joined", gossip.MemberUpdated: "updated",
		gossip.MemberSuspected: "suspected",
		gossip.MemberRecovered: "recovered", gossip.MemberFailed: "failed",
		gossip.MemberLeft: "left",
		gossip.Welcomed:   "is welcome", gossip.Refused: "is refused",
		gossip.Conflicted: "has a rival and stops",
		gossip.LeaveDone:  "has left", gossip.Isolated: "is isolated",
		gossip.Reunited:    "is isolated no more",
		gossip.NameClaimed: "is told", gossip.ClustersMerged: "is told",
		gossip.SettingsDiffer: "is told", gossip.AddressTaken: "is told",
		gossip.KeyUnknown: "is told", gossip.StoodStill: "stood still",
		gossip.HeldFailed: "hears that it is held failed",
		gossip.Undecided:  "cannot tell who is dead", gossip.Decided: "can tell who is dead",
		gossip.Unheard: "hears, and is not heard", gossip.HeardAgain: "is heard again",
		gossip.Outlived:  "is told",
		gossip.SeedMet:   "is in touch",
		gossip.Unreached: "is not reached", gossip.Reached: "is reached again",
		gossip.MemberUnreachable: "is unreachable from " +
			"here", gossip.MemberReachable: "is reachable again",
	}
	text := names[e.Kind]
	switch {
	case e.Kind == gossip.MessagesLost:
		text = fmt.Sprintf("lost %d messages of n%d, up to %d", e.Lost.Count,
			t.w.memberOf(e.Lost.Origin), e.Lost.To)
	case e.Kind == gossip.KeyChanged:
		text = fmt.Sprintf("holds version %d of n%d, %s", e.Key.Version,
			t.w.memberOf(e.Key.Owner), e.Key.Key)
	case e.Kind == gossip.KeysReset:
		text = fmt.Sprintf("holds nothing of n%d's keys", t.w.memberOf(e.Key.Owner))
	case e.Kind == gossip.MessageDelivered:
		text = fmt.Sprintf("gets message %d of n%d", e.Message.Seq, t.w.memberOf(e.Message.Origin))
	case e.Kind == gossip.MessageSpread:
		text = fmt.Sprintf("hears that %d of %d have its message %d", e.Spread.Have,
			e.Spread.Of, e.Spread.Seq)
	case e.Kind == gossip.ZoneUnreachable:
		text = fmt.Sprintf("hears nobody of zone %s, %d members", e.Zone.Name, e.Zone.Members)
	case e.Kind == gossip.ZoneRecovered:
		text = fmt.Sprintf("hears of zone %s again", e.Zone.Name)
	case e.Member.ID != 0:
		text = fmt.Sprintf("sees that %s %s (%s)", e.Member.Name(), text, holding(&e.Member))
	case e.Err != nil:
		text += ": " + e.Err.Error()
	}
	t.line(now, p.name, text)
}

// count observes the copies of messages that a packet carries: of a message in several pieces,
// those of the first.
func (s *shard) count(p *proc, now gossip.Time, to int32, data []byte) {
	across := to >= 0 && s.w.hosts[to].zone != p.host.zone
	_, r, err := wire.Open(data)
	if err != nil {
		return
	}
	for typ, body, ok := r.Next(); ok; typ, body, ok = r.Next() {
		switch typ {
		case wire.TypeCarry:
			if b, pieces, ok := wire.ReadCarry(body); ok {
				for range b.Count {
					x := pieces.Next()
					s.countPiece(p, now, across, x.Origin, x.Generation, x.Body)
				}
			}
		case wire.TypeSupply:
			if m, pieces, ok := wire.ReadSupply(body); ok {
				for _, piece, more := pieces.Next(); more; _, piece, more = pieces.Next() {
					s.countPiece(p, now, across, m.Origin, m.Generation, piece)
				}
			}
		}
	}
}

func (s *shard) countPiece(p *proc, now gossip.Time, across bool, origin member.ID,
	generation uint64, body []byte) {
	if seq, index, ok := streams.MessageOf(body); ok && index == 0 {
		s.observe(Obs{At: now, Kind: Copied, Node: p.index, host: p.host.index,
			Member: s.w.memberOf(origin),
			Seq:    seq, After: Holding{Gen: wire.LifeOf(generation)}, Across: across})
	}
}
