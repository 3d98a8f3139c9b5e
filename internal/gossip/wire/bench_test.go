package wire_test

import (
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// readAll goes through a datagram with the readers that a node uses, and returns something of what
// it read.
func readAll(datagram []byte) (sum uint64) {
	h, r, err := wire.Open(datagram)
	if err != nil {
		return 0
	}
	sum = uint64(h.From)
	for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
		switch t {
		case wire.TypePing, wire.TypeAck, wire.TypeNack:
			m, _ := wire.ReadSeq(body)
			sum += uint64(m)
		case wire.TypePingReq:
			m, _ := wire.ReadPingReq(body)
			sum += uint64(m.Target)
		case wire.TypeFingerprint:
			m, _ := wire.ReadFingerprint(body)
			sum += m.Hash
		case wire.TypeUpdate:
			m, _ := wire.ReadUpdate(body)
			sum += uint64(m.ID) + m.Generation
		case wire.TypeRecord:
			m, _ := wire.ReadRecord(body)
			sum += m.Generation + uint64(len(m.Tags))
		case wire.TypeRequest:
			wire.ReadRequest(body, func(id member.ID) { sum += uint64(id) })
		default:
			sum += readOther(t, body)
		}
	}
	return sum
}

func readOther(t wire.Type, body []byte) uint64 {
	switch t {
	case wire.TypeJoin:
		m, _ := wire.ReadJoin(body)
		return m.Record.Generation
	case wire.TypeWelcome:
		m, _ := wire.ReadWelcome(body)
		return uint64(m.Live)
	case wire.TypeChallenge:
		m, _ := wire.ReadChallenge(body)
		return m.Cookie
	case wire.TypeMerged:
		m, _ := wire.ReadMerged(body)
		return m.New
	case wire.TypeRefuse:
		m, _ := wire.ReadRefuse(body)
		return m.Generation
	case wire.TypeConflict:
		m, _ := wire.ReadConflict(body)
		return m.Uptime
	case wire.TypeMistaken:
		m, _ := wire.ReadMistaken(body)
		return uint64(m.Instance)
	case wire.TypeSketch:
		m, _ := wire.ReadSketch(body)
		return uint64(m.Cells.Len())
	case wire.TypeList:
		v, _, _ := wire.ReadList(body)
		return uint64(v.Salt)
	case wire.TypeWant:
		var tags [wire.MaxWant]uint32
		_, list, _ := wire.ReadWant(body, tags[:0])
		return uint64(len(list))
	case wire.TypePush:
		_, records, _ := wire.ReadPush(body)
		n := uint64(0)
		for _, _, ok := records.Next(); ok; _, _, ok = records.Next() {
			n++
		}
		return n
	case wire.TypeLease:
		m, _ := wire.ReadLease(body)
		return uint64(m.Seq)
	case wire.TypeInquiry:
		m, _ := wire.ReadInquiry(body)
		return uint64(m.Target)
	case wire.TypeFinding:
		m, _ := wire.ReadFinding(body)
		return uint64(m.Pings)
	case wire.TypeEvidence:
		m, _ := wire.ReadEvidence(body)
		return uint64(m.Pings) + uint64(m.Count)
	case wire.TypeCarry:
		m, bodies, ok := wire.ReadCarry(body)
		n := m.First
		for i := 0; ok && i < int(m.Count); i++ {
			n += uint64(len(bodies.Next().Body))
		}
		return n
	case wire.TypeOffer:
		m, _ := wire.ReadOffer(body)
		return m.First
	case wire.TypeConfirm:
		m, ok := wire.ReadConfirm(body)
		n := uint64(m.Instance)
		for c, more := m.Next(); ok && more; c, more = m.Next() {
			n += c.First
		}
		return n
	case wire.TypeHeads, wire.TypeAsk, wire.TypePage, wire.TypePull, wire.TypeSupply:
		return touchStream(t, body)
	case wire.TypeKeySketch, wire.TypeKeyDigest, wire.TypeDeltas:
		return touchKeys(t, body)
	case wire.TypeDone:
		m, _ := wire.ReadDone(body)
		return uint64(m.Prefix)
	case wire.TypeBusy:
		m, _, _ := wire.ReadBusy(body)
		return uint64(m.Prefix)
	}
	return 0
}

// BenchmarkPingAck is one probe: a ping with two updates and a fingerprint, its ack with a
// fingerprint, each written and read. It reports the bytes of the two datagrams beside.
func BenchmarkPingAck(b *testing.B) {
	ping, ack := make([]byte, 0, wire.DefaultMTU), make([]byte, 0, wire.DefaultMTU)
	from := wire.Header{Cluster: 1, From: idOf(wren), Generation: uint32(wren.Generation),
		To: instanceOf(robin)}
	back := wire.Header{Cluster: 1, From: idOf(robin), Generation: uint32(robin.Generation),
		To: instanceOf(wren)}
	alive := updateOf(robin, wire.Claim{Incarnation: 2})
	suspect := updateOf(lark, wire.Claim{State: member.Suspect, Accuser: idOf(wren)})
	fp := wire.Fingerprint{Hash: 0x0123456789abcdef, Live: 3}
	b.ReportAllocs()
	var sum uint64
	for b.Loop() {
		ping = wire.AppendPing(wire.AppendHeader(ping[:0], from), 7)
		ping = wire.AppendUpdate(wire.AppendUpdate(ping, alive), suspect)
		ping = wire.AppendFingerprint(ping, fp)
		sum += readAll(ping)
		ack = wire.AppendFingerprint(wire.AppendAck(wire.AppendHeader(ack[:0], back), 7), fp)
		sum += readAll(ack)
	}
	if sum == 0 {
		b.Fatal("nothing was read")
	}
	b.ReportMetric(float64(len(ping)+len(ack)), "wire-B/op")
}
