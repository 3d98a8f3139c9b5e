package wire

import (
	"encoding/binary"
	"net/netip"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// The messages of coming in and of being kept out. A newcomer asks a seed with a Join. The seed
// answers with a Challenge, to the address in the newcomer's record. The newcomer asks again with
// the cookie of that, and is welcome or refused. Each answer brings back the number of the Join,
// which is a random one.

// MaxCluster bounds a cluster's name, in bytes: a Join with it and the longest record fits MinRoom.
const MaxCluster = 32

// MaxSettings bounds how many hashes of settings are read.
const MaxSettings = 16

// Hashes are those of settings that must be alike in a cluster, two bytes each, in an order that
// never changes.
type Hashes []byte

// Len returns how many there are.
func (h Hashes) Len() int { return len(h) / 2 }

// At returns one of them.
func (h Hashes) At(i int) uint16 { return binary.BigEndian.Uint16(h[2*i:]) }

// AppendHash adds one.
func AppendHash(h Hashes, hash uint16) Hashes { return binary.BigEndian.AppendUint16(h, hash) }

func appendHashes(b []byte, h Hashes) []byte {
	h = h[:2*min(h.Len(), MaxSettings)]
	return append(append(b, byte(h.Len())), h...)
}

// hashes reads all that were written, and keeps those that this version may know.
func (c *cursor) hashes() Hashes {
	h := Hashes(c.take(2 * int(c.u8())))
	return h[:2*min(h.Len(), MaxSettings)]
}

// Join asks a seed to let the sender in.
type Join struct {
	Detector  uint8  // which failure detector the sender runs: all members run the same
	Cluster   []byte // the cluster's name, in full, so that a refusal can be clear
	Record    Record // the sender
	Number    uint32 // what the answer is to bring back
	Merge     bool   // the sender's cluster and the seed's may become one
	Alone     bool   // the sender has no cluster beside itself
	HasCookie bool
	ClusterID uint64 // of the sender's cluster, 0 if it has none yet
	Settings  Hashes
	Cookie    uint64 // of the seed's Challenge, if HasCookie
}

// Told says whether the sender was told to ask the seed, by its configuration or its user, and does
// not ask a former peer: that is the lowest bit of its number.
func (m *Join) Told() bool { return m.Number&1 != 0 }

// The flags of a Join.
const (
	flagMerge  = 1
	flagAlone  = 2
	flagCookie = 4
)

// AppendJoin writes a Join of the member with record r at an incarnation; m.Record is not used.
func AppendJoin(b []byte, m *Join, r *member.Record, incarnation uint32) []byte {
	start := len(b)
	b = append(begin(b, TypeJoin), m.Detector)
	b = appendBytes(b, m.Cluster)
	b = appendRecord(b, r, &Claim{Incarnation: incarnation})
	b = binary.BigEndian.AppendUint32(b, m.Number)
	b = append(b, flag(m.Merge, flagMerge)|flag(m.Alone, flagAlone)|flag(m.HasCookie, flagCookie))
	b = binary.BigEndian.AppendUint64(b, m.ClusterID)
	b = appendHashes(b, m.Settings)
	if m.HasCookie {
		b = binary.BigEndian.AppendUint64(b, m.Cookie)
	}
	return end(b, start)
}

// ReadJoin reads the body of a Join.
func ReadJoin(body []byte) (m Join, ok bool) {
	c := cursor{b: body}
	m.Detector = c.u8()
	m.Cluster = c.bytes()
	m.Record = c.record()
	m.Number = c.u32()
	f := c.u8()
	m.Merge, m.Alone, m.HasCookie = f&flagMerge != 0, f&flagAlone != 0, f&flagCookie != 0
	m.ClusterID = c.u64()
	m.Settings = c.hashes()
	if m.HasCookie {
		m.Cookie = c.u64()
	}
	return m, !c.bad
}

// TypeChallenge is the type of Challenge.
const TypeChallenge Type = 0x16

// Challenge answers a Join without a cookie: "show that this reaches you".
type Challenge struct {
	Number    uint32 // of the Join
	Cookie    uint64 // for the next Join
	ClusterID uint64
	Live      uint32         // members that the seed knows, at most 2²⁴−1
	Seen      netip.AddrPort // where the Join came from
}

// AppendChallenge writes a Challenge.
func AppendChallenge(b []byte, m *Challenge) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint32(begin(b, TypeChallenge), m.Number)
	b = binary.BigEndian.AppendUint64(b, m.Cookie)
	b = binary.BigEndian.AppendUint64(b, m.ClusterID)
	b = append24(b, min(m.Live, 1<<24-1))
	return end(appendAddr(b, m.Seen), start)
}

// ReadChallenge reads the body of a Challenge.
func ReadChallenge(body []byte) (m Challenge, ok bool) {
	c := cursor{b: body}
	m = Challenge{Number: c.u32(), Cookie: c.u64(), ClusterID: c.u64(), Live: c.u24(),
		Seen: c.lone()}
	return m, !c.bad
}

// lone reads an address that no other follows.
func (c *cursor) lone() netip.AddrPort {
	a := c.addr(c.u8())
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// Welcome says yes to a Join. The records in the same datagram are a sample of the table, the
// sender's own first.
type Welcome struct {
	Number    uint32 // of the Join
	Live      uint32 // members that the sender knows, the newcomer included
	ClusterID uint64
	Seen      netip.AddrPort // where the Join came from
	Settings  Hashes         // the sender's
}

// AppendWelcome writes a Welcome.
func AppendWelcome(b []byte, m *Welcome) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint32(begin(b, TypeWelcome), m.Number)
	b = binary.BigEndian.AppendUint32(b, m.Live)
	b = binary.BigEndian.AppendUint64(b, m.ClusterID)
	return end(appendHashes(appendAddr(b, m.Seen), m.Settings), start)
}

// ReadWelcome reads the body of a Welcome.
func ReadWelcome(body []byte) (m Welcome, ok bool) {
	c := cursor{b: body}
	m = Welcome{Number: c.u32(), Live: c.u32(), ClusterID: c.u64(), Seen: c.lone(),
		Settings: c.hashes()}
	return m, !c.bad
}

// Reason says why a Join was refused.
type Reason uint8

// The reasons.
const (
	WrongCluster  Reason = 1 // Text: the name of the cluster that the seed belongs to
	WrongDetector Reason = 2 // Text: the detector that the cluster runs
	// Generation: the one that the cluster knows; come again with a higher one
	OldGeneration Reason = 3
	WrongProtocol Reason = 4 // no common protocol version
	TableFull     Reason = 5 //
	NameTaken     Reason = 6 // Text: the address of the live member that has the name
	// Text: the seed's cluster's ID; it has the same name and is another one
	OtherCluster Reason = 7
	Family       Reason = 8 // Text: the address in the record; the seed cannot send to its kind
	// Text: the address in the record; what the seed sends there does not reach the newcomer
	NotReached  Reason = 9
	NotAdmitted Reason = 10 // the newcomer does not show that it may come in
	Banned      Reason = 11 //
	// Text: the address of the member that has the name and does not answer
	NameWaits Reason = 12
)

// Refuse says no to a Join.
type Refuse struct {
	Number     uint32 // of the Join
	Reason     Reason
	Generation uint64
	Text       []byte
	Seen       netip.AddrPort // where the Join came from
}

// AppendRefuse writes a Refuse.
func AppendRefuse(b []byte, m *Refuse) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint32(begin(b, TypeRefuse), m.Number)
	b = append(b, byte(m.Reason))
	b = binary.AppendUvarint(b, m.Generation)
	b = appendBytes(b, m.Text)
	return end(appendAddr(b, m.Seen), start)
}

// ReadRefuse reads the body of a Refuse.
func ReadRefuse(body []byte) (m Refuse, ok bool) {
	c := cursor{b: body}
	m = Refuse{Number: c.u32(), Reason: Reason(c.u8()), Generation: c.uvarint(),
		Text: c.bytes(), Seen: c.lone()}
	return m, !c.bad
}

// Conflict tells a member that another node claims its name. A member that has the name answers a
// seed's with its own record and the seed's number. Between two that run, the one that has been up
// for longer stays and the other stops; no clocks are compared. Of the two, the one with the lower
// address judges, so that they never both stay.
type Conflict struct {
	Number uint32 // of the sender's choice, or the receiver's that it brings back
	Uptime uint64 // of the claimant, in microseconds
	Stop   bool   // the judgement: the receiver stops
	Asks   bool   // about the sender's own name: which member has it, as the receiver knows
	Record Record // the claimant
}

// AppendConflict writes a Conflict of the member with record r at an incarnation; m.Record is not
// used.
func AppendConflict(b []byte, m *Conflict, r *member.Record, incarnation uint32) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint32(begin(b, TypeConflict), m.Number)
	b = append(binary.AppendUvarint(b, m.Uptime), flag(m.Stop, 1)|flag(m.Asks, 2))
	b = appendRecord(b, r, &Claim{Incarnation: incarnation})
	return end(b, start)
}

// ReadConflict reads the body of a Conflict.
func ReadConflict(body []byte) (m Conflict, ok bool) {
	c := cursor{b: body}
	m = Conflict{Number: c.u32(), Uptime: c.uvarint()}
	flags := c.u8()
	m.Stop, m.Asks, m.Record = flags&1 != 0, flags&2 != 0, c.record()
	return m, !c.bad
}

// Mistaken answers a datagram that was meant for another instance: "that one is not here any more".
type Mistaken struct {
	Instance  uint32 // that the datagram was meant for
	ClusterID uint64 // of the sender's cluster, 0 if it has none yet
	Founded   bool   // the sender is alone in it, or is its first node and drew its ID of late
}

// AppendMistaken writes a Mistaken.
func AppendMistaken(b []byte, m Mistaken) []byte {
	b = binary.BigEndian.AppendUint32(append(b, byte(TypeMistaken), 4+8+1), m.Instance)
	return append(binary.BigEndian.AppendUint64(b, m.ClusterID), flag(m.Founded, 1))
}

// ReadMistaken reads the body of a Mistaken.
func ReadMistaken(body []byte) (m Mistaken, ok bool) {
	c := cursor{b: body}
	m = Mistaken{Instance: c.u32(), ClusterID: c.u64(), Founded: c.u8()&1 != 0}
	return m, !c.bad
}

// TypeUnopened is the type of a message without a body: what you sent here was not sealed with a
// key of mine, or sealed though I have none.
const TypeUnopened Type = 0x1f

// UnopenedSize is the size of a datagram that holds nothing but an Unopened, sealed.
const UnopenedSize = HeaderSize + 2 + SealSize

// AppendUnopened writes an Unopened.
func AppendUnopened(b []byte) []byte { return append(b, byte(TypeUnopened), 0) }

// TypeMerged is the type of Merged; MergedSize is its length as a message.
const (
	TypeMerged Type = 0x1e
	MergedSize      = MessageSize + 16
)

// Merged tells that two clusters are one now: which ID it has, and which it had. It is spread as
// news is.
type Merged struct{ New, Old uint64 }

// AppendMerged writes a Merged.
func AppendMerged(b []byte, m Merged) []byte {
	b = append(b, byte(TypeMerged), 16)
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, m.New), m.Old)
}

// ReadMerged reads the body of a Merged. The lower ID is the new one.
func ReadMerged(body []byte) (m Merged, ok bool) {
	c := cursor{b: body}
	m = Merged{New: c.u64(), Old: c.u64()}
	return m, !c.bad && m.New != 0 && m.New < m.Old
}
