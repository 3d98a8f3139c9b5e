package wire

import (
	"encoding/binary"
	"net/netip"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// What is said of members: Record in full, Update in short for nodes that know the record. The two
// carry the same fact. An Update names the record by its check, and a node that does not hold that
// record asks for it with a Request.

// Claim is what Update and Record share: the fact's version and what is needed to weigh it.
type Claim struct {
	Generation  uint64
	Incarnation uint32
	State       member.State
	Accuser     member.ID // of the suspicion, if State is Suspect; independent ones are counted
	Age         uint32    // seconds since the verdict, if State is Failed or Left
	Cause       Cause     // of the verdict, if State is Failed
}

func appendClaim(b []byte, m *Claim) []byte {
	b = append(b, byte(m.State))
	b = binary.AppendUvarint(b, m.Generation)
	b = binary.AppendUvarint(b, uint64(m.Incarnation))
	switch m.State {
	case member.Suspect:
		b = binary.BigEndian.AppendUint64(b, uint64(m.Accuser))
	case member.Failed:
		b = append(binary.AppendUvarint(b, uint64(m.Age)), byte(m.Cause))
	case member.Left:
		b = binary.AppendUvarint(b, uint64(m.Age))
	}
	return b
}

func (c *cursor) claim() (m Claim) {
	m.State = member.State(c.u8())
	m.Generation = c.uvarint()
	m.Incarnation = c.uvarint32()
	if m.Generation > member.MaxGeneration {
		c.bad = true
	}
	switch m.State {
	case member.Alive:
	case member.Suspect:
		m.Accuser = member.ID(c.u64())
	case member.Failed:
		m.Age, m.Cause = c.uvarint32(), Cause(c.u8())
		c.bad = c.bad || m.Cause > CauseForgotten
	case member.Left:
		m.Age = c.uvarint32()
	default: // a state of a later version: this node cannot weigh it
		c.bad = true
	}
	return m
}

// Update says something of a member whose record the receiver is likely to hold.
type Update struct {
	ID    member.ID
	Check uint32 // of the record that is meant
	Claim
}

// AppendUpdate writes an Update.
func AppendUpdate(b []byte, m *Update) []byte {
	start := len(b)
	b = begin(b, TypeUpdate)
	b = binary.BigEndian.AppendUint64(b, uint64(m.ID))
	b = binary.BigEndian.AppendUint32(b, m.Check)
	b = appendClaim(b, &m.Claim)
	return end(b, start)
}

// ReadUpdate reads the body of an Update.
func ReadUpdate(body []byte) (m Update, ok bool) {
	c := cursor{b: body}
	m.ID = member.ID(c.u64())
	m.Check = c.u32()
	m.Claim = c.claim()
	return m, !c.bad && m.ID != 0
}

// Record says something of a member in full. Its bytes point into the datagram.
type Record struct {
	Claim
	Name     []byte
	Addr     netip.AddrPort
	Outside  netip.AddrPort // not valid without one
	Zone     []byte
	Tags     []byte
	Protocol uint8
}

// AppendRecord writes a record as a message.
func AppendRecord(b []byte, r *member.Record, m *Claim) []byte {
	start := len(b)
	b = begin(b, TypeRecord)
	b = appendRecord(b, r, m)
	return end(b, start)
}

func appendRecord(b []byte, r *member.Record, m *Claim) []byte {
	claim := *m
	claim.Generation = r.Generation
	b = appendClaim(b, &claim)
	b = appendBytes(b, r.Name)
	at := len(b)
	b = appendAddr(b, r.Addr)
	if r.Outside.IsValid() {
		b[at] |= twoAddrs
		b = appendAddr(b, r.Outside)
	}
	b = appendBytes(b, r.Zone)
	b = appendBytes(b, r.Tags)
	return append(b, r.Protocol)
}

// ReadRecord reads the body of a Record.
func ReadRecord(body []byte) (m Record, ok bool) {
	c := cursor{b: body}
	m = c.record()
	return m, !c.bad
}

func (c *cursor) record() (m Record) {
	m.Claim = c.claim()
	m.Name = c.bytes()
	m.Addr, m.Outside = c.addrs()
	m.Zone = c.bytes()
	m.Tags = c.bytes()
	m.Protocol = c.u8()
	return m
}

// Fact makes a member's fact of a record, or says what is wrong with it. It allocates: call it for
// news alone.
func (m *Record) Fact() (member.Fact, error) {
	r := member.Record{
		Name:       string(m.Name),
		Generation: m.Generation,
		Addr:       netip.AddrPortFrom(m.Addr.Addr().Unmap(), m.Addr.Port()),
		Outside:    m.Outside,
		Zone:       string(m.Zone),
		Tags:       member.Tags(m.Tags),
		Protocol:   m.Protocol,
	}
	if err := r.Validate(); err != nil {
		return member.Fact{}, err
	}
	return member.Fact{Record: member.Share(r), Incarnation: m.Incarnation, State: m.State}, nil
}

// MaxRequest is how many records one Request can ask for.
const MaxRequest = 64

// AppendRequest asks for the records of some members, at most MaxRequest.
func AppendRequest(b []byte, ids []member.ID) []byte {
	start := len(b)
	b = begin(b, TypeRequest)
	for _, id := range ids[:min(len(ids), MaxRequest)] {
		b = binary.BigEndian.AppendUint64(b, uint64(id))
	}
	return end(b, start)
}

// ReadRequest calls yield with each ID in the body of a Request, MaxRequest at most. ok is false if
// there is none.
func ReadRequest(body []byte, yield func(member.ID)) (ok bool) {
	for n := 0; len(body) >= 8 && n < MaxRequest; n++ {
		yield(member.ID(binary.BigEndian.Uint64(body)))
		body, ok = body[8:], true
	}
	return ok
}
