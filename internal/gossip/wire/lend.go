package wire

import "encoding/binary"

// TypeBorrow and TypeLend are the types of the messages by which members of a zone share what they
// may send to another one.
const (
	TypeBorrow Type = 0x18
	TypeLend   Type = 0x19
	loanSize        = 6
)

// Loan is some bytes that may be sent to a zone: asked for in a Borrow, granted in a Lend.
type Loan struct {
	Zone  uint16 // by its place on the ring
	Bytes uint32
}

// AppendLoan writes a Borrow or a Lend.
func AppendLoan(b []byte, t Type, m Loan) []byte {
	b = binary.BigEndian.AppendUint16(append(b, byte(t), loanSize), m.Zone)
	return binary.BigEndian.AppendUint32(b, m.Bytes)
}

// ReadLoan reads the body of a Borrow or a Lend.
func ReadLoan(body []byte) (m Loan, ok bool) {
	c := cursor{b: body}
	m = Loan{Zone: c.u16(), Bytes: c.u32()}
	return m, !c.bad
}
