package wire

import (
	"encoding/binary"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// The messages of versioned keys (package state): KeySketch and KeyDigest find what differs, Deltas
// brings it. Each stands alone and may be lost or come twice.

// The types of versioned keys. 0x43 to 0x47 are free.
const (
	TypeKeySketch Type = 0x40
	TypeKeyDigest Type = 0x41
	TypeDeltas    Type = 0x42
)

// AppendKeySketch writes how far the sender holds the keys of the live members of a range, as an
// invertible Bloom lookup table. View.Report is not used.
func AppendKeySketch(b []byte, v *View, cells []uint64) []byte {
	start := len(b)
	b = appendView(begin(b, TypeKeySketch), v)
	for _, c := range cells {
		b = binary.BigEndian.AppendUint64(b, c)
	}
	return end(b, start)
}

// ReadKeySketch reads the body of a KeySketch.
func ReadKeySketch(body []byte) (v View, cells Words, ok bool) {
	c := cursor{b: body}
	v = c.view()
	n := len(c.b) / 8
	return v, Words(c.take(8 * n)), !c.bad && n <= MaxCells && !v.Report
}

// KeyMark is how far somebody holds an owner's keys.
type KeyMark struct {
	Owner    member.ID
	Instance uint32 // the owner's life
	Version  uint64 // all up to here is held
	Floor    uint64 // and all that was deleted up to here is known to be
	// the version after Version of which Offset bytes are held already, if Offset is not 0
	Part   uint64
	Offset uint32
}

// MaxKeyMark is the most that a KeyMark takes, in bytes, KeyDigestSize what BeginKeyDigest appends.
const (
	MaxKeyMark    = 8 + 4 + 3*binary.MaxVarintLen64 + binary.MaxVarintLen32
	KeyDigestSize = MessageSize + 1 + 8
)

// KeyDigest is what stands before the marks of one.
type KeyDigest struct {
	Reply bool   // the sender wants to be told where the receiver is behind
	End   uint64 // that of the Deltas that are asked for
}

// BeginKeyDigest opens a KeyDigest at the end of b; AppendKeyMark and EndKeyDigest follow.
func BeginKeyDigest(b []byte, m KeyDigest) []byte {
	b = append(begin(b, TypeKeyDigest), flag(m.Reply, 1))
	return binary.BigEndian.AppendUint64(b, m.End)
}

// AppendKeyMark adds a mark.
func AppendKeyMark(b []byte, m *KeyMark) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(m.Owner))
	b = binary.BigEndian.AppendUint32(b, m.Instance)
	b = binary.AppendUvarint(b, m.Version)
	b = binary.AppendUvarint(b, m.Floor)
	b = binary.AppendUvarint(b, uint64(m.Offset))
	if m.Offset > 0 {
		b = binary.AppendUvarint(b, m.Part-m.Version)
	}
	return b
}

// EndKeyDigest closes the KeyDigest that BeginKeyDigest opened at start.
func EndKeyDigest(b []byte, start int) []byte { return end(b, start) }

// KeyMarks goes through the marks of a KeyDigest.
type KeyMarks struct{ c cursor }

// ReadKeyDigest reads the body of a KeyDigest.
func ReadKeyDigest(body []byte) (m KeyDigest, marks KeyMarks, ok bool) {
	c := cursor{b: body}
	m = KeyDigest{Reply: c.u8()&1 != 0, End: c.u64()}
	return m, KeyMarks{c}, !c.bad
}

// Next returns the next mark; ok is false at the end and at one that cannot be read.
func (r *KeyMarks) Next() (m KeyMark, ok bool) {
	c := &r.c
	if len(c.b) == 0 || c.bad {
		return KeyMark{}, false
	}
	m = KeyMark{Owner: member.ID(c.u64()), Instance: c.u32(), Version: c.uvarint(),
		Floor: c.uvarint(), Offset: c.uvarint32()}
	if m.Offset > 0 {
		skip := c.uvarint()
		m.Part = m.Version + skip
		c.bad = c.bad || skip == 0 || m.Part < skip
	}
	c.bad = c.bad || m.Owner == 0
	if c.bad {
		return KeyMark{}, false
	}
	return m, true
}

// Malformed says whether the list ended at a mark that could not be read.
func (r *KeyMarks) Malformed() bool { return r.c.bad }

// Delta is what an owner wrote from one version to another: the entries that follow are all that
// stands of it still. They are in rising order of version, and the last alone may be a part of a
// value, of the version that comes after To.
type Delta struct {
	Owner    member.ID
	Instance uint32 // the owner's life
	Floor    uint64 // no entry tells of what was deleted up to here
	From, To uint64 // after From, up to and with To
	More     bool   // the sender has more than this
	Count    int    // of entries
}

// KeyEntry is one write.
type KeyEntry struct {
	Version uint64
	Key     []byte
	Value   []byte // or a part of it
	Deleted bool
	TTL     uint64 // milliseconds that it has left, 0 if it does not lapse
	Part    bool
	Total   uint32 // bytes of the value of which this is a part
	Offset  uint32 // and where the part begins
}

// Sizes, in bytes: what BeginDeltas appends, and the most that AppendDelta and AppendKeyEntry do
// beside key and value.
const (
	DeltasSize      = MessageSize + 8
	MaxDelta        = 8 + 4 + 1 + 3*binary.MaxVarintLen64 + 3
	MaxKeyEntry     = binary.MaxVarintLen64 + 1 + 2 + 6 + 3 + 3 + 3
	maxEntryTTL     = 1 << 40
	maxEntryKey     = 128
	maxEntryValue   = 64 << 10
	flagDeleted     = 1
	flagTTL         = 2
	flagPart        = 4
	maxDeltaEntries = 1 << 15
)

// BeginDeltas opens a Deltas at the end of b; of each delta an AppendDelta and Count times
// AppendKeyEntry follow, and then EndDeltas. The receiver passes on what comes to it along the ring
// to the members from its own place to end; 0 if it was sent to the receiver alone.
func BeginDeltas(b []byte, end uint64) []byte {
	return binary.BigEndian.AppendUint64(begin(b, TypeDeltas), end)
}

// AppendDelta adds a delta's head.
func AppendDelta(b []byte, m *Delta) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(m.Owner))
	b = binary.BigEndian.AppendUint32(b, m.Instance)
	b = append(b, flag(m.More, 1))
	b = binary.AppendUvarint(b, m.Floor)
	b = binary.AppendUvarint(b, m.From)
	b = binary.AppendUvarint(b, m.To-m.From)
	return binary.AppendUvarint(b, uint64(m.Count))
}

// AppendKeyEntry adds an entry with a key and a value, or a part of the value. The Key and Value of
// e are not used. after is the version of the entry before it, at first the delta's From.
func AppendKeyEntry(b []byte, after uint64, e *KeyEntry, key, value string) []byte {
	b = binary.AppendUvarint(b, e.Version-after)
	b = append(b, flag(e.Deleted, flagDeleted)|flag(e.TTL > 0, flagTTL)|flag(e.Part, flagPart))
	b = appendBytes(b, key)
	if e.TTL > 0 {
		b = binary.AppendUvarint(b, e.TTL)
	}
	if e.Part {
		b = binary.AppendUvarint(b, uint64(e.Total))
		b = binary.AppendUvarint(b, uint64(e.Offset))
	}
	if !e.Deleted {
		b = appendBytes(b, value)
	}
	return b
}

// EndDeltas closes the Deltas that BeginDeltas opened at start.
func EndDeltas(b []byte, start int) []byte { return end(b, start) }

// DeltaReader goes through the deltas of a Deltas.
type DeltaReader struct {
	c     cursor
	to    uint64 // of the current delta
	after uint64
	left  int
}

// ReadDeltas reads the body of a Deltas.
func ReadDeltas(body []byte) (end uint64, deltas DeltaReader, ok bool) {
	c := cursor{b: body}
	end = c.u64()
	return end, DeltaReader{c: c}, !c.bad
}

// Next returns the next delta, past what is left of the one before; ok is false at the end and at
// one that cannot be read.
func (r *DeltaReader) Next() (m Delta, ok bool) {
	for r.left > 0 {
		r.Entry()
	}
	c := &r.c
	if len(c.b) == 0 || c.bad {
		return Delta{}, false
	}
	m = Delta{Owner: member.ID(c.u64()), Instance: c.u32(), More: c.u8()&1 != 0,
		Floor: c.uvarint(), From: c.uvarint()}
	n := c.uvarint()
	m.To = m.From + n
	count := c.uvarint()
	if c.bad || m.Owner == 0 || m.To < n || count > maxDeltaEntries {
		c.bad = true
		return Delta{}, false
	}
	m.Count = int(count)
	r.left, r.after, r.to = m.Count, m.From, m.To
	return m, true
}

// Entry returns the next entry of the delta; ok is false at its end and at one that cannot be read.
func (r *DeltaReader) Entry() (e KeyEntry, ok bool) {
	c := &r.c
	if r.left == 0 || c.bad {
		r.left = 0
		return KeyEntry{}, false
	}
	r.left--
	skip := c.uvarint()
	e.Version = r.after + skip
	f := c.u8()
	e.Deleted, e.Part = f&flagDeleted != 0, f&flagPart != 0
	e.Key = c.bytes()
	if f&flagTTL != 0 {
		e.TTL = c.uvarint()
		c.bad = c.bad || e.TTL == 0 || e.TTL > maxEntryTTL
	}
	if e.Part {
		e.Total, e.Offset = c.uvarint32(), c.uvarint32()
	}
	if !e.Deleted {
		e.Value = c.bytes()
	}
	c.bad = c.bad || skip == 0 || e.Version < skip || !r.fits(&e)
	if c.bad {
		return KeyEntry{}, false
	}
	r.after = e.Version
	return e, true
}

// fits says whether an entry keeps to the rules of keys, and stands where it may.
func (r *DeltaReader) fits(e *KeyEntry) bool {
	if len(e.Key) == 0 || len(e.Key) > maxEntryKey || e.Deleted && (e.Part || e.TTL > 0) {
		return false
	}
	if e.Part {
		return r.left == 0 && e.Version > r.to && e.Total <= maxEntryValue && len(e.Value) > 0 &&
			uint64(e.Offset)+uint64(len(e.Value)) <= uint64(e.Total)
	}
	return e.Version <= r.to && len(e.Value) <= maxEntryValue
}

// Malformed says whether the list ended at what could not be read.
func (r *DeltaReader) Malformed() bool { return r.c.bad }
