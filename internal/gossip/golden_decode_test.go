package gossip

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Datagrams as text, for the interaction scripts: every message with its fields. Small numbers and
// letters stand for sequences and fingerprints, in the order in which they appear.

func (s *script) messages(r wire.Reader) string {
	var parts []string
	for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
		if steersNothing(t) {
			continue
		}
		text, ok := s.message(t, body)
		if !ok {
			text = fmt.Sprintf("malformed %#x", uint8(t))
		}
		parts = append(parts, text)
	}
	if r.Malformed() {
		parts = append(parts, "cut short")
	}
	return strings.Join(parts, " | ")
}

func (s *script) message(t wire.Type, body []byte) (string, bool) {
	switch t {
	case wire.TypePing, wire.TypeAck, wire.TypeNack:
		seq, ok := wire.ReadSeq(body)
		name := map[wire.Type]string{wire.TypePing: "ping", wire.TypeAck: "ack",
			wire.TypeNack: "nack"}[t]
		return fmt.Sprintf("%s #%d", name, s.seq(seq)), ok
	case wire.TypePingReq:
		m, ok := wire.ReadPingReq(body)
		return fmt.Sprintf("ping-req #%d %s", s.seq(m.Seq), s.name(m.Target)), ok
	case wire.TypeLease, wire.TypeInquiry, wire.TypeFinding:
		return s.inquest(t, body)
	case wire.TypeFingerprint:
		m, ok := wire.ReadFingerprint(body)
		return fmt.Sprintf("view %s of %d", s.view(m.Hash), m.Live), ok
	case wire.TypeUpdate:
		m, ok := wire.ReadUpdate(body)
		return "update " + s.claim(s.name(m.ID), &m.Claim), ok
	case wire.TypeRecord:
		m, ok := wire.ReadRecord(body)
		return s.record(&m), ok
	case wire.TypeAlarm:
		m, ok := wire.ReadAlarm(body)
		return fmt.Sprintf("alarm %d about %s by %s: %t", m.Seq, s.name(m.Target),
			s.name(m.Accuser), m.On), ok
	case wire.TypeEvidence:
		m, ok := wire.ReadEvidence(body)
		text := fmt.Sprintf("evidence against %s by %s in %s", s.name(m.Target),
			s.name(m.Accuser), m.Span)
		for _, v := range m.Votes[:m.Count] {
			text += " +" + s.name(v.Juror)
		}
		return text, ok
	case wire.TypeRequest:
		var names []string
		wire.ReadRequest(body, func(id member.ID) { names = append(names, s.name(id)) })
		return "request " + strings.Join(names, ","), true
	case wire.TypeCarry:
		m, bodies, ok := wire.ReadCarry(body)
		text := "carry " + s.branch(&m)
		for i := 0; ok && i < int(m.Count); i++ {
			text += fmt.Sprintf(" %q", bodies.Next().Body)
		}
		return text, ok
	case wire.TypeOffer:
		m, ok := wire.ReadOffer(body)
		return "offer " + s.branch(&m), ok
	case wire.TypeConfirm:
		return s.confirm(body)
	case wire.TypeHeads:
		_, heads, ok := wire.ReadHeads(body)
		text := "heads"
		for h, more := heads.Next(); more; h, more = heads.Next() {
			text += fmt.Sprintf(" %s.%d-%d", s.name(h.Origin), h.Low, h.High)
		}
		return text, ok
	case wire.TypeAsk:
		m, ok := wire.ReadAsk(body)
		return fmt.Sprintf("ask for heads all=%v", m.All), ok
	case wire.TypePage:
		m, _, ok := wire.ReadPage(body)
		return fmt.Sprintf("page of heads all=%v settled=%v", m.All, m.Settled), ok
	case wire.TypePush:
		answer, records, ok := wire.ReadPush(body)
		return fmt.Sprintf("push answer=%v [%s]", answer, s.messages(records)), ok
	}
	if wire.Specs[t].Plane == wire.Entry {
		return s.entryText(t, body)
	}
	return repairText(t, body)
}

func (s *script) branch(b *wire.Branch) string {
	text := fmt.Sprintf("%s.%d try %d", s.name(b.Origin), b.First, b.Attempt)
	switch b.Bits {
	case wire.SpanSelf:
	case wire.SpanNone:
		text += " beside the tree"
	default:
		text += fmt.Sprintf(" for %x/%d", b.Prefix, b.Bits)
	}
	return text
}

func (s *script) confirm(body []byte) (string, bool) {
	m, ok := wire.ReadConfirm(body)
	text := "confirm"
	for c, more := m.Next(); ok && more; c, more = m.Next() {
		text += fmt.Sprintf(" %d/%d verdict %d", c.First, c.Bits, c.Verdict)
		if c.Verdict == wire.DutyDone && c.Bits <= 64 {
			text += fmt.Sprintf(" %d of %d", c.Have, c.Of)
		}
	}
	return text, ok
}

func (s *script) inquest(t wire.Type, body []byte) (string, bool) {
	switch t {
	case wire.TypeLease:
		m, ok := wire.ReadLease(body)
		return fmt.Sprintf("ping #%d next in %s", s.seq(m.Seq), m.Next), ok
	case wire.TypeInquiry:
		m, ok := wire.ReadInquiry(body)
		return fmt.Sprintf("inquiry #%d %s silent for %s", s.seq(m.Seq), s.name(m.Target),
			m.Age), ok
	}
	m, ok := wire.ReadFinding(body)
	return fmt.Sprintf("finding #%d %s after %d pings in %s", s.seq(m.Seq), m.Word, m.Pings,
		m.Span), ok
}

func (s *script) entryText(t wire.Type, body []byte) (string, bool) {
	switch t {
	case wire.TypeJoin:
		m, ok := wire.ReadJoin(body)
		text := fmt.Sprintf("join %s %s", m.Cluster, s.record(&m.Record))
		for _, f := range []struct {
			on   bool
			text string
		}{{m.Merge, " merge"}, {m.Alone, " alone"}, {m.HasCookie, " with cookie"}} {
			if f.on {
				text += f.text
			}
		}
		if m.ClusterID != 0 {
			text += fmt.Sprintf(" of cluster %d", s.cluster(m.ClusterID))
		}
		return text, ok
	case wire.TypeWelcome:
		m, ok := wire.ReadWelcome(body)
		return fmt.Sprintf("welcome to %d of cluster %d", m.Live, s.cluster(m.ClusterID)), ok
	case wire.TypeChallenge:
		m, ok := wire.ReadChallenge(body)
		return fmt.Sprintf("challenge by one of %d, seen at %s", m.Live, s.place(m.Seen)), ok
	case wire.TypeMerged:
		m, ok := wire.ReadMerged(body)
		return fmt.Sprintf("cluster %d is %d now", s.cluster(m.Old), s.cluster(m.New)), ok
	case wire.TypeRefuse:
		m, ok := wire.ReadRefuse(body)
		return fmt.Sprintf("refuse reason=%d generation=%d %s", m.Reason, m.Generation, m.Text), ok
	case wire.TypeConflict:
		m, ok := wire.ReadConflict(body)
		return fmt.Sprintf("conflict up %d us stop=%t %s", m.Uptime, m.Stop,
			s.record(&m.Record)), ok
	case wire.TypeMistaken:
		m, ok := wire.ReadMistaken(body)
		text := "mistaken"
		if m.ClusterID != 0 {
			text += fmt.Sprintf(" of cluster %d", s.cluster(m.ClusterID))
		}
		return text, ok
	case wire.TypeUnopened:
		return "unopened", true
	}
	return fmt.Sprintf("type %#x", uint8(t)), true
}

func repairText(t wire.Type, body []byte) (string, bool) {
	ranged := func(g wire.Range) string { return fmt.Sprintf("range %d/%d", g.Prefix, g.Bits) }
	switch t {
	case wire.TypeSketch:
		m, ok := wire.ReadSketch(body)
		return fmt.Sprintf("sketch %s of %d in %d cells report=%v", ranged(m.Range), m.Count,
			m.Cells.Len(), m.Report), ok
	case wire.TypeList:
		v, items, ok := wire.ReadList(body)
		return fmt.Sprintf("list %s of %d report=%v", ranged(v.Range), items.Len(), v.Report), ok
	case wire.TypeWant:
		_, tags, ok := wire.ReadWant(body, nil)
		return fmt.Sprintf("want %d", len(tags)), ok
	case wire.TypeDone:
		g, ok := wire.ReadDone(body)
		return "done " + ranged(g), ok
	case wire.TypeBusy:
		g, retry, ok := wire.ReadBusy(body)
		return fmt.Sprintf("busy %s retry=%dms", ranged(g), retry), ok
	}
	return fmt.Sprintf("type %#x", uint8(t)), true
}

func (s *script) claim(name string, c *wire.Claim) string {
	text := fmt.Sprintf("%s %d.%d %s", name, c.Generation, c.Incarnation, c.State)
	if c.State == member.Suspect {
		text += " by " + s.name(c.Accuser)
	}
	if c.Age > 0 {
		text += fmt.Sprintf(" for %ds", c.Age)
	}
	return text
}

func (s *script) record(r *wire.Record) string {
	text := "record " + s.claim(string(r.Name), &r.Claim)
	if p := s.at(r.Addr); p == nil || p.roster.Record().Name != string(r.Name) {
		text += " at " + r.Addr.String()
	}
	for k, v := range member.Tags(r.Tags).All() {
		text += fmt.Sprintf(" %s=%s", k, v)
	}
	return text
}

func (s *script) name(id member.ID) string {
	if n, ok := s.names[id]; ok {
		return n
	}
	return fmt.Sprintf("%x", uint64(id))
}

// place names a node by its address.
func (s *script) place(a netip.AddrPort) string {
	if p := s.at(a); p != nil {
		return p.roster.Record().Name
	}
	return a.String()
}

func (s *script) cluster(id uint64) int { return indexOf(&s.clusters, id) + 1 }

func (s *script) seq(n uint32) int { return indexOf(&s.seqs, n) + 1 }

func (s *script) view(hash uint64) string {
	i := indexOf(&s.views, hash)
	if i < 26 {
		return string(rune('A' + i))
	}
	return fmt.Sprintf("A%d", i)
}

// indexOf returns where a value stands in a list, to which it is added if it is new.
func indexOf[T comparable](list *[]T, v T) int {
	i := slices.Index(*list, v)
	if i < 0 {
		i = len(*list)
		*list = append(*list, v)
	}
	return i
}
