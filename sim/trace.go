package sim

import (
	"fmt"
	"io"
	"strings"

	"github.com/starling-gossip/starling/gossip"
	"github.com/starling-gossip/starling/gossip/wire"
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
	t.line(now, from.name, fmt.Sprintf("→ %-8s %4d B %s: %s", name, len(data), f, t.contents(data)))
}

// contents names the messages of a datagram, with what they say of whom.
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
		return fmt.Sprintf("%s %d", typeName(typ), seq)
	case wire.TypePingReq:
		m, _ := wire.ReadPingReq(body)
		return fmt.Sprintf("ping-req %d of n%d", m.Seq, t.w.memberOf(m.Target))
	case wire.TypeUpdate:
		m, _ := wire.ReadUpdate(body)
		return fmt.Sprintf("n%d is %s %d.%d", t.w.memberOf(m.ID), m.State, m.Generation, m.Incarnation)
	case wire.TypeRecord:
		m, _ := wire.ReadRecord(body)
		return fmt.Sprintf("record of %s, %s %d.%d", m.Name, m.State, m.Generation, m.Incarnation)
	case wire.TypeFingerprint:
		m, _ := wire.ReadFingerprint(body)
		return fmt.Sprintf("fingerprint %08x of %d", m.Hash>>32, m.Live)
	case wire.TypeMessage:
		m, _ := wire.ReadMessage(body)
		return fmt.Sprintf("message %d of n%d", m.Seq, t.w.memberOf(m.Origin))
	case wire.TypeLease:
		m, _ := wire.ReadLease(body)
		return fmt.Sprintf("ping %d, the next within %s", m.Seq, m.Next)
	case wire.TypeInquiry:
		m, _ := wire.ReadInquiry(body)
		return fmt.Sprintf("inquiry %d about n%d, silent for %s", m.Seq, t.w.memberOf(m.Target), m.Age)
	case wire.TypeFinding:
		m, _ := wire.ReadFinding(body)
		return fmt.Sprintf("finding %d: %s, %s, %d pings in %s", m.Seq, wordNames[m.Word], causeNames[m.Cause], m.Pings, m.Span)
	case wire.TypeEvidence:
		m, _ := wire.ReadEvidence(body)
		return fmt.Sprintf("evidence against n%d by n%d, %d votes", t.w.memberOf(m.Target), t.w.memberOf(m.Accuser), m.Count)
	}
	return typeName(typ)
}

// What jurors say and see, by its number.
var (
	wordNames  = [...]string{wire.WordUnknown: "unknown", wire.WordOpen: "open", wire.WordAcquit: "acquit", wire.WordGuilty: "guilty"}
	causeNames = [...]string{wire.CauseSilent: "silent", wire.CauseRefused: "refused", wire.CauseStalled: "stalled"}
)

func typeName(t wire.Type) string {
	names := map[wire.Type]string{
		wire.TypePing: "ping", wire.TypeAck: "ack", wire.TypeNack: "nack", wire.TypeRequest: "request",
		wire.TypeJoin: "join", wire.TypeWelcome: "welcome", wire.TypeRefuse: "refuse",
		wire.TypeConflict: "conflict", wire.TypeMistaken: "mistaken",
		wire.TypeSketch: "sketch", wire.TypeList: "list", wire.TypeWant: "want", wire.TypePush: "push",
		wire.TypeDone: "done", wire.TypeBusy: "busy",
	}
	if s, ok := names[t]; ok {
		return s
	}
	return fmt.Sprintf("type %#02x", uint8(t))
}

func (t *tracer) event(now gossip.Time, p *proc, e *gossip.Event) {
	names := map[gossip.EventKind]string{
		gossip.MemberJoined: "joined", gossip.MemberUpdated: "updated", gossip.MemberSuspected: "suspected",
		gossip.MemberRecovered: "recovered", gossip.MemberFailed: "failed", gossip.MemberLeft: "left",
		gossip.Welcomed: "is welcome", gossip.Refused: "is refused", gossip.Conflicted: "has a rival and stops",
		gossip.LeaveDone: "has left", gossip.Isolated: "is isolated", gossip.Reunited: "is isolated no more",
		gossip.MemberUnreachable: "is unreachable from here", gossip.MemberReachable: "is reachable again",
	}
	text := names[e.Kind]
	switch {
	case e.Kind == gossip.MessageDelivered:
		text = fmt.Sprintf("gets message %d of n%d", e.Message.Seq, t.w.memberOf(e.Message.Origin))
	case e.Member.ID != 0:
		text = fmt.Sprintf("sees that %s %s (%s)", e.Member.Name(), text, holding(&e.Member))
	case e.Err != nil:
		text += ": " + e.Err.Error()
	}
	t.line(now, p.name, text)
}

// count observes the copies of messages that a packet carries.
func (s *shard) count(p *proc, now gossip.Time, data []byte) {
	_, r, err := wire.Open(data)
	if err != nil {
		return
	}
	for typ, body, ok := r.Next(); ok; typ, body, ok = r.Next() {
		if typ != wire.TypeMessage {
			continue
		}
		if m, ok := wire.ReadMessage(body); ok {
			s.observe(Obs{At: now, Kind: Copied, Node: p.index, host: p.host.index, Member: s.w.memberOf(m.Origin),
				Seq: m.Seq, After: Holding{Gen: m.Generation}})
		}
	}
}
