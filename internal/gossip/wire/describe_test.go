package wire_test

// A second reading of messages, for tests alone: as text, and back to bytes.

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// describeDatagram says what a datagram holds, a line for the header and one for each message.
func describeDatagram(b []byte) string {
	h, r, err := wire.Open(b)
	if err != nil {
		return err.Error()
	}
	head := fmt.Sprintf("Header cluster=%08x from=%016x generation=%08x to=%08x\n", h.Cluster,
		uint64(h.From), h.Generation, h.To)
	return head + describeMessages(r)
}

// describeMessages says what the messages are, a line each.
func describeMessages(r wire.Reader) string {
	var b strings.Builder
	for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
		text, ok := describe(t, body)
		if !ok {
			text = fmt.Sprintf("not a %s: %x", t, body)
		}
		b.WriteString(text + "\n")
	}
	if r.Malformed() {
		b.WriteString("cut short\n")
	}
	return b.String()
}

// describe says what one message is; ok is false if its reader refuses it.
func describe(t wire.Type, body []byte) (text string, ok bool) {
	switch t {
	case wire.TypePing, wire.TypeAck, wire.TypeNack:
		seq, ok := wire.ReadSeq(body)
		text := fmt.Sprintf("%s seq=%d", t, seq)
		if t == wire.TypeAck && wire.AckTries(body) {
			text += " try"
		}
		return text, ok
	case wire.TypePingReq:
		m, ok := wire.ReadPingReq(body)
		return fmt.Sprintf("PingReq seq=%d target=%016x instance=%08x", m.Seq,
			uint64(m.Target), m.Instance), ok
	case wire.TypeFingerprint:
		m, ok := wire.ReadFingerprint(body)
		text := fmt.Sprintf("Fingerprint hash=%016x live=%d", m.Hash, m.Live)
		if m.Keys != 0 {
			text += fmt.Sprintf(" keys=%016x", m.Keys)
		}
		return text, ok
	case wire.TypeUpdate:
		m, ok := wire.ReadUpdate(body)
		return fmt.Sprintf("Update id=%016x check=%08x %s", uint64(m.ID), m.Check,
			describeClaim(&m.Claim)), ok
	case wire.TypeRecord:
		m, ok := wire.ReadRecord(body)
		return "Record " + describeRecord(&m), ok
	case wire.TypeRequest:
		return fmt.Sprintf("Request ids=%016x", readRequest(body)), true
	case wire.TypeSketch, wire.TypeList, wire.TypeWant, wire.TypePush, wire.TypeDone, wire.TypeBusy:
		return describeRepair(t, body)
	case wire.TypeLease, wire.TypeInquiry, wire.TypeFinding:
		return describeInquest(t, body)
	case wire.TypeBorrow, wire.TypeLend:
		m, ok := wire.ReadLoan(body)
		return fmt.Sprintf("%s zone=%04x bytes=%d", t, m.Zone, m.Bytes), ok
	case wire.TypePad:
		m, ok := wire.ReadPad(body)
		return fmt.Sprintf("Pad number=%08x over=%d", m.Number, m.Over), ok
	case wire.TypeSeen:
		m, ok := wire.ReadSeen(body)
		return fmt.Sprintf("Seen number=%08x from=%s", m.Number, m.From), ok
	case wire.TypeAcross:
		family, ok := wire.ReadAcross(body)
		return fmt.Sprintf("Across family=%d", family), ok
	case wire.TypeBridge:
		m, ok := wire.ReadBridge(body)
		text := fmt.Sprintf("Bridge family=%d by=%016x lacks", m.Family, uint64(m.By))
		for i := range len(m.Lacks) / 8 {
			text += fmt.Sprintf(" %016x", uint64(m.LacksAt(i)))
		}
		return text, ok
	case wire.TypeLocate:
		seq, ok := wire.ReadLocate(body)
		return fmt.Sprintf("Locate seq=%d", seq), ok
	case wire.TypeLocated:
		m, ok := wire.ReadLocated(body)
		text := fmt.Sprintf("Located seq=%d inside=%v+%d error=%d", m.Seq, m.Inside.Point,
			m.Inside.Height, m.Inside.Error)
		if m.Outside.Height > 0 {
			text += fmt.Sprintf(" outside=%v+%d error=%d", m.Outside.Point, m.Outside.Height,
				m.Outside.Error)
		}
		return text, ok
	case wire.TypeCounters:
		return describeCounters(body)
	case wire.TypeCarry, wire.TypeOffer, wire.TypeConfirm:
		return describeTree(t, body)
	case wire.TypeHeads, wire.TypeAsk, wire.TypePage, wire.TypePull, wire.TypeSupply:
		return describeStream(t, body)
	case wire.TypeKeySketch, wire.TypeKeyDigest, wire.TypeDeltas:
		return describeKeys(t, body)
	case wire.TypeAlarm:
		m, ok := wire.ReadAlarm(body)
		return fmt.Sprintf("Alarm accuser=%016x by=%08x target=%016x instance=%08x seq=%d on=%t",
			uint64(m.Accuser), m.By, uint64(m.Target), m.Instance, m.Seq, m.On), ok
	case wire.TypeSilence:
		m, ok := wire.ReadSilence(body)
		return fmt.Sprintf("Silence from=%04x zone=%04x count=%d age=%s", m.From, m.Zone,
			m.Count, m.Age), ok
	case wire.TypeEvidence:
		m, ok := wire.ReadEvidence(body)
		text := fmt.Sprintf("Evidence target=%016x instance=%08x incarnation=%d accuser=%016x "+
			"cause=%d pings=%d span=%s",
			uint64(m.Target), m.Instance, m.Incarnation, uint64(m.Accuser), m.Cause, m.Pings,
			m.Span)
		for _, v := range m.Votes[:m.Count] {
			text += fmt.Sprintf(" vote(juror=%016x cause=%d pings=%d span=%s)",
				uint64(v.Juror), v.Cause, v.Pings, v.Span)
		}
		return text, ok
	}
	return describeEntry(t, body)
}

func describeInquest(t wire.Type, body []byte) (text string, ok bool) {
	switch t {
	case wire.TypeLease:
		m, ok := wire.ReadLease(body)
		return fmt.Sprintf("Lease seq=%d next=%s", m.Seq, m.Next), ok
	case wire.TypeInquiry:
		m, ok := wire.ReadInquiry(body)
		return fmt.Sprintf("Inquiry seq=%d target=%016x instance=%08x age=%s heard=%t", m.Seq,
			uint64(m.Target), m.Instance, m.Age, m.Heard), ok
	case wire.TypeFinding:
		m, ok := wire.ReadFinding(body)
		return fmt.Sprintf("Finding seq=%d word=%d cause=%d pings=%d span=%s", m.Seq, m.Word,
			m.Cause, m.Pings, m.Span), ok
	}
	panic("not a message of Inquest")
}

func describeEntry(t wire.Type, body []byte) (text string, ok bool) {
	switch t {
	case wire.TypeJoin:
		m, ok := wire.ReadJoin(body)
		text := fmt.Sprintf("Join detector=%d cluster=%q %s number=%08x merge=%t alone=%t "+
			"id=%016x settings=%x",
			m.Detector, m.Cluster, describeRecord(&m.Record), m.Number, m.Merge, m.Alone,
			m.ClusterID, m.Settings)
		if m.HasCookie {
			text += fmt.Sprintf(" cookie=%016x", m.Cookie)
		}
		return text, ok
	case wire.TypeChallenge:
		m, ok := wire.ReadChallenge(body)
		return fmt.Sprintf("Challenge number=%08x cookie=%016x id=%016x live=%d seen=%s",
			m.Number, m.Cookie, m.ClusterID, m.Live, m.Seen), ok
	case wire.TypeMerged:
		m, ok := wire.ReadMerged(body)
		return fmt.Sprintf("Merged new=%016x old=%016x", m.New, m.Old), ok
	case wire.TypeWelcome:
		m, ok := wire.ReadWelcome(body)
		return fmt.Sprintf("Welcome number=%08x live=%d id=%016x seen=%s settings=%x",
			m.Number, m.Live, m.ClusterID, m.Seen, m.Settings), ok
	case wire.TypeRefuse:
		m, ok := wire.ReadRefuse(body)
		return fmt.Sprintf("Refuse number=%08x reason=%d generation=%d text=%q seen=%s",
			m.Number, m.Reason, m.Generation, m.Text, m.Seen), ok
	case wire.TypeConflict:
		m, ok := wire.ReadConflict(body)
		return fmt.Sprintf("Conflict number=%08x uptime=%d stop=%t %s", m.Number, m.Uptime,
			m.Stop, describeRecord(&m.Record)), ok
	case wire.TypeMistaken:
		m, ok := wire.ReadMistaken(body)
		return fmt.Sprintf("Mistaken instance=%08x id=%016x founded=%t", m.Instance,
			m.ClusterID, m.Founded), ok
	case wire.TypeUnopened:
		return "Unopened", true
	}
	return fmt.Sprintf("unknown %02x", uint8(t)), true
}

func describeRepair(t wire.Type, body []byte) (text string, ok bool) {
	switch t {
	case wire.TypeSketch:
		m, ok := wire.ReadSketch(body)
		if !ok {
			return "", false
		}
		return fmt.Sprintf("Sketch %s cells=%016x estimate=%08x", describeView(m.View),
			words(m.Cells), estimate(&m)), true
	case wire.TypeList:
		v, items, ok := wire.ReadList(body)
		return fmt.Sprintf("List %s items=%016x", describeView(v), words(items)), ok
	case wire.TypeWant:
		salt, tags, ok := wire.ReadWant(body, nil)
		return fmt.Sprintf("Want salt=%08x tags=%08x", salt, tags), ok
	case wire.TypePush:
		answer, records, ok := wire.ReadPush(body)
		return fmt.Sprintf("Push answer=%t%s", answer, describePushed(records)), ok
	case wire.TypeDone:
		r, ok := wire.ReadDone(body)
		return fmt.Sprintf("Done bits=%d prefix=%04x", r.Bits, r.Prefix), ok
	case wire.TypeBusy:
		r, retry, ok := wire.ReadBusy(body)
		return fmt.Sprintf("Busy bits=%d prefix=%04x retry=%d", r.Bits, r.Prefix, retry), ok
	}
	panic("not a message of anti-entropy")
}

// describePushed does not go into a Push within a Push: what is not a Record or an Update is told
// as bytes.
func describePushed(r wire.Reader) string {
	var b strings.Builder
	for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
		text := fmt.Sprintf("%02x %x", uint8(t), body)
		if t == wire.TypeRecord || t == wire.TypeUpdate {
			text, _ = describe(t, body)
		}
		b.WriteString(" {" + text + "}")
	}
	return b.String()
}

func describeView(v wire.View) string {
	return fmt.Sprintf("salt=%08x bits=%d prefix=%04x count=%d report=%t", v.Salt, v.Bits,
		v.Prefix, v.Count, v.Report)
}

func describeClaim(c *wire.Claim) string {
	s := fmt.Sprintf("state=%s generation=%d incarnation=%d", c.State, c.Generation, c.Incarnation)
	switch c.State {
	case member.Suspect:
		s += fmt.Sprintf(" accuser=%016x", uint64(c.Accuser))
	case member.Failed:
		s += fmt.Sprintf(" age=%d cause=%s", c.Age, c.Cause)
	case member.Left:
		s += fmt.Sprintf(" age=%d", c.Age)
	}
	return s
}

func describeRecord(r *wire.Record) string {
	addr := netip.AddrPortFrom(r.Addr.Addr().Unmap(), r.Addr.Port())
	if r.Outside.IsValid() {
		return fmt.Sprintf("name=%q addr=%s outside=%s zone=%q tags=%q protocol=%d %s", r.Name,
			addr, r.Outside, r.Zone, r.Tags, r.Protocol, describeClaim(&r.Claim))
	}
	return fmt.Sprintf("name=%q addr=%s zone=%q tags=%q protocol=%d %s", r.Name, addr, r.Zone,
		r.Tags, r.Protocol, describeClaim(&r.Claim))
}

func words(w wire.Words) (list []uint64) {
	for i := range w.Len() {
		list = append(list, w.At(i))
	}
	return list
}

func estimate(m *wire.Sketch) (list []uint32) {
	for i := range len(m.Estimate) / 4 {
		list = append(list, m.EstimateAt(i))
	}
	return list
}

func readRequest(body []byte) (ids []member.ID) {
	wire.ReadRequest(body, func(id member.ID) { ids = append(ids, id) })
	return ids
}

// rewrite appends a message again as it was read, or as it is if its reader refuses it or its type
// is unknown.
func rewrite(b []byte, t wire.Type, body []byte) []byte {
	if _, ok := describe(t, body); !ok {
		return appendRaw(b, t, body)
	}
	switch t {
	case wire.TypePing, wire.TypeAck, wire.TypeNack:
		seq, _ := wire.ReadSeq(body)
		if t == wire.TypeAck && wire.AckTries(body) {
			return wire.AppendAckTry(b, seq)
		}
		return appendSeq(b, t, seq)
	case wire.TypePingReq:
		m, _ := wire.ReadPingReq(body)
		return wire.AppendPingReq(b, m)
	case wire.TypeFingerprint:
		m, _ := wire.ReadFingerprint(body)
		return wire.AppendFingerprint(b, m)
	case wire.TypeUpdate:
		m, _ := wire.ReadUpdate(body)
		return wire.AppendUpdate(b, &m)
	case wire.TypeRecord:
		m, _ := wire.ReadRecord(body)
		r := recordOf(&m)
		return wire.AppendRecord(b, &r, &m.Claim)
	case wire.TypeRequest:
		return wire.AppendRequest(b, readRequest(body))
	case wire.TypeSketch, wire.TypeList, wire.TypeWant, wire.TypePush, wire.TypeDone, wire.TypeBusy:
		return rewriteRepair(b, t, body)
	case wire.TypeLease, wire.TypeInquiry, wire.TypeFinding:
		return rewriteInquest(b, t, body)
	case wire.TypeCounters:
		return rewriteCounters(b, body)
	case wire.TypeCarry, wire.TypeOffer, wire.TypeConfirm:
		return rewriteTree(b, t, body)
	case wire.TypeHeads, wire.TypeAsk, wire.TypePage, wire.TypePull, wire.TypeSupply:
		return rewriteStream(b, t, body)
	case wire.TypeKeySketch, wire.TypeKeyDigest, wire.TypeDeltas:
		return rewriteKeys(b, t, body)
	case wire.TypeAlarm:
		m, _ := wire.ReadAlarm(body)
		return wire.AppendAlarm(b, m)
	case wire.TypeSilence:
		m, _ := wire.ReadSilence(body)
		return wire.AppendSilence(b, m)
	case wire.TypeEvidence:
		m, _ := wire.ReadEvidence(body)
		return wire.AppendEvidence(b, &m)
	}
	return rewriteEntry(b, t, body)
}

func rewriteInquest(b []byte, t wire.Type, body []byte) []byte {
	switch t {
	case wire.TypeLease:
		m, _ := wire.ReadLease(body)
		return wire.AppendLease(b, m)
	case wire.TypeInquiry:
		m, _ := wire.ReadInquiry(body)
		return wire.AppendInquiry(b, m)
	}
	m, _ := wire.ReadFinding(body)
	return wire.AppendFinding(b, m)
}

func rewriteEntry(b []byte, t wire.Type, body []byte) []byte {
	switch t {
	case wire.TypeJoin:
		m, _ := wire.ReadJoin(body)
		if m.Record.State != member.Alive { // a Join is always written as of a live member
			return appendRaw(b, t, body)
		}
		r := recordOf(&m.Record)
		return wire.AppendJoin(b, &m, &r, m.Record.Incarnation)
	case wire.TypeChallenge:
		m, _ := wire.ReadChallenge(body)
		return wire.AppendChallenge(b, &m)
	case wire.TypeMerged:
		m, _ := wire.ReadMerged(body)
		return wire.AppendMerged(b, m)
	case wire.TypeWelcome:
		m, _ := wire.ReadWelcome(body)
		return wire.AppendWelcome(b, &m)
	case wire.TypeRefuse:
		m, _ := wire.ReadRefuse(body)
		return wire.AppendRefuse(b, &m)
	case wire.TypeConflict:
		m, _ := wire.ReadConflict(body)
		if m.Record.State != member.Alive { // as is a Conflict
			return appendRaw(b, t, body)
		}
		r := recordOf(&m.Record)
		return wire.AppendConflict(b, &m, &r, m.Record.Incarnation)
	case wire.TypeMistaken:
		m, _ := wire.ReadMistaken(body)
		return wire.AppendMistaken(b, m)
	}
	return appendRaw(b, t, body)
}

func rewriteRepair(b []byte, t wire.Type, body []byte) []byte {
	switch t {
	case wire.TypeSketch:
		m, _ := wire.ReadSketch(body)
		return wire.AppendSketch(b, &m.View, words(m.Cells), estimate(&m))
	case wire.TypeList:
		v, items, _ := wire.ReadList(body)
		return wire.AppendList(b, &v, words(items))
	case wire.TypeWant:
		salt, tags, _ := wire.ReadWant(body, nil)
		return wire.AppendWant(b, salt, tags)
	case wire.TypePush:
		answer, records, _ := wire.ReadPush(body)
		start := len(b)
		b = wire.BeginPush(b, answer)
		for t, body, ok := records.Next(); ok; t, body, ok = records.Next() {
			if t == wire.TypeRecord || t == wire.TypeUpdate { // the others are told as bytes
				b = rewrite(b, t, body)
			} else {
				b = appendRaw(b, t, body)
			}
		}
		return wire.EndPush(b, start)
	case wire.TypeDone:
		r, _ := wire.ReadDone(body)
		return wire.AppendDone(b, r)
	case wire.TypeBusy:
		r, retry, _ := wire.ReadBusy(body)
		return wire.AppendBusy(b, r, retry)
	}
	panic("not a message of anti-entropy")
}

func appendSeq(b []byte, t wire.Type, seq uint32) []byte {
	switch t {
	case wire.TypePing:
		return wire.AppendPing(b, seq)
	case wire.TypeAck:
		return wire.AppendAck(b, seq)
	}
	return wire.AppendNack(b, seq)
}

func appendRaw(b []byte, t wire.Type, body []byte) []byte {
	b = binary.AppendUvarint(append(b, byte(t)), uint64(len(body)))
	return append(b, body...)
}

// recordOf makes a member's record of what was read, valid or not.
func recordOf(m *wire.Record) member.Record {
	return member.Record{
		Name: string(m.Name), Generation: m.Generation, Addr: m.Addr, Outside: m.Outside,
		Zone: string(m.Zone), Tags: member.Tags(m.Tags), Protocol: m.Protocol,
	}
}
