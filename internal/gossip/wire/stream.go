package wire

import (
	"encoding/binary"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// The messages by which members find out what they lack of each other's streams, and get it
// (package stream). Heads rides on probes and tells what changed lately. Ask and Page tell all.
// Pull asks for pieces and Supply brings them. Each stands alone and may be lost or come twice.

// The types of streams. 0x3d to 0x3f are free.
const (
	TypeHeads  Type = 0x38
	TypeAsk    Type = 0x39
	TypePage   Type = 0x3a
	TypePull   Type = 0x3b
	TypeSupply Type = 0x3c
)

// Head is how far a member has the stream of an origin.
type Head struct {
	Origin     member.ID
	Generation uint64
	Low        uint64 // the first piece that it holds; High+1 if it holds none any more
	High       uint64 // the last piece that it has seen
}

// HeadSize is the most that a Head takes, in bytes.
const HeadSize = 8 + 3*binary.MaxVarintLen64

func appendHead(b []byte, h *Head) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(h.Origin))
	b = binary.AppendUvarint(b, h.Generation)
	b = binary.AppendUvarint(b, h.Low)
	return binary.AppendUvarint(b, h.High+1-h.Low)
}

func (c *cursor) head() (h Head) {
	h.Origin = member.ID(c.u64())
	h.Generation = c.uvarint()
	h.Low = c.uvarint()
	n := c.uvarint()
	h.High = h.Low + n - 1
	if h.Low == 0 || h.Origin == 0 || h.Low+n < n {
		c.bad = true
	}
	return h
}

// HeadReader goes through the Heads of a message.
type HeadReader struct{ c cursor }

// Next returns the next Head; ok is false at the end and at one that cannot be read.
func (r *HeadReader) Next() (h Head, ok bool) {
	if len(r.c.b) == 0 || r.c.bad {
		return Head{}, false
	}
	h = r.c.head()
	return h, !r.c.bad
}

// Malformed says whether the list ended at a Head that could not be read.
func (r *HeadReader) Malformed() bool { return r.c.bad }

// BeginHeads opens a Heads at the end of b; AppendHead and EndHeads follow. hash is over all heads
// of the sender.
func BeginHeads(b []byte, hash uint64) []byte {
	return binary.BigEndian.AppendUint64(begin(b, TypeHeads), hash)
}

// HeadsSize is what BeginHeads appends.
const HeadsSize = MessageSize + 8

// AppendHead adds a Head to a Heads or a Page.
func AppendHead(b []byte, h *Head) []byte { return appendHead(b, h) }

// EndHeads closes the Heads that BeginHeads opened at start.
func EndHeads(b []byte, start int) []byte { return end(b, start) }

// ReadHeads reads the body of a Heads.
func ReadHeads(body []byte) (hash uint64, heads HeadReader, ok bool) {
	c := cursor{b: body}
	hash = c.u64()
	return hash, HeadReader{c}, !c.bad
}

// Ask asks for a Page.
type Ask struct {
	From member.ID // the first origin that is asked about
	All  bool      // of all streams; else of those that the receiver holds something of
	// Back is for how long the asker is in, if it is a newcomer: it wants to know how far the
	// streams were then. On the wire in milliseconds, at most a minute.
	Back time.Duration
}

// maxBack is the most that an Ask can say.
const maxBack = time.Minute

// AppendAsk writes an Ask.
func AppendAsk(b []byte, m Ask) []byte {
	b = append(b, byte(TypeAsk), 11)
	b = append(binary.BigEndian.AppendUint64(b, uint64(m.From)), flag(m.All, 1))
	return binary.BigEndian.AppendUint16(b, uint16(min(m.Back, maxBack)/time.Millisecond))
}

// ReadAsk reads the body of an Ask.
func ReadAsk(body []byte) (m Ask, ok bool) {
	c := cursor{b: body}
	m = Ask{From: member.ID(c.u64()), All: c.u8()&1 != 0}
	m.Back = time.Duration(c.u16()) * time.Millisecond
	return m, !c.bad
}

// Page tells how far the sender has the streams of all origins from one to another.
type Page struct {
	From, To member.ID // both included
	All      bool      // also of those that it holds nothing of any more
	Settled  bool      // the sender knows where streams began: a newcomer may begin where this says
}

// BeginPage opens a Page at the end of b; AppendHead, in rising order of origin and generation, and
// EndPage follow.
func BeginPage(b []byte) []byte { return append(begin(b, TypePage), make([]byte, pageHead)...) }

const pageHead = 1 + 8 + 8

// PageSize is what BeginPage appends.
const PageSize = MessageSize + pageHead

// EndPage closes the Page that BeginPage opened at start.
func EndPage(b []byte, start int, m *Page) []byte {
	h := b[start+MessageSize:]
	h[0] = flag(m.Settled, 1) | flag(m.All, 2)
	binary.BigEndian.PutUint64(h[1:], uint64(m.From))
	binary.BigEndian.PutUint64(h[9:], uint64(m.To))
	return end(b, start)
}

// ReadPage reads the body of a Page.
func ReadPage(body []byte) (m Page, heads HeadReader, ok bool) {
	c := cursor{b: body}
	flags := c.u8()
	m = Page{Settled: flags&1 != 0, All: flags&2 != 0, From: member.ID(c.u64()),
		To: member.ID(c.u64())}
	return m, HeadReader{c}, !c.bad && m.From <= m.To
}

// Pull asks for pieces of a stream. The ranges of sequences follow.
type Pull struct {
	Ticket     uint32 // the answers have it too
	Origin     member.ID
	Generation uint64
	Limit      uint32 // bytes of bodies that the answer may have; one piece may always come
}

// BeginPull opens a Pull at the end of b; AppendRun and EndPull follow.
func BeginPull(b []byte, m *Pull) []byte {
	b = binary.BigEndian.AppendUint32(begin(b, TypePull), m.Ticket)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Origin))
	b = binary.AppendUvarint(b, m.Generation)
	return binary.AppendUvarint(b, uint64(m.Limit))
}

// Run is consecutive sequences.
type Run struct{ From, To uint64 } // both included

// AppendRun adds a range to a Pull; after is the To of the one before, 0 at first.
func AppendRun(b []byte, after uint64, r Run) []byte {
	b = binary.AppendUvarint(b, r.From-after)
	return binary.AppendUvarint(b, r.To-r.From)
}

// EndPull closes the Pull that BeginPull opened at start.
func EndPull(b []byte, start int) []byte { return end(b, start) }

// RunReader goes through the ranges of a Pull, in rising order.
type RunReader struct {
	c     cursor
	after uint64
}

// Next returns the next range; ok is false at the end and at one that cannot be read.
func (r *RunReader) Next() (run Run, ok bool) {
	if len(r.c.b) == 0 || r.c.bad {
		return Run{}, false
	}
	skip := r.c.uvarint()
	run.From = r.after + skip
	n := r.c.uvarint()
	run.To = run.From + n
	if r.c.bad || skip == 0 || run.From < skip || run.To < run.From {
		r.c.bad = true
		return Run{}, false
	}
	r.after = run.To
	return run, true
}

// Malformed says whether the list ended at a range that could not be read.
func (r *RunReader) Malformed() bool { return r.c.bad }

// ReadPull reads the body of a Pull.
func ReadPull(body []byte) (m Pull, runs RunReader, ok bool) {
	c := cursor{b: body}
	m = Pull{Ticket: c.u32(), Origin: member.ID(c.u64()), Generation: c.uvarint(),
		Limit: c.uvarint32()}
	return m, RunReader{c: c}, !c.bad && m.Origin != 0
}

// Supply answers a Pull: of the pieces that were asked for it brings all that the sender holds in a
// range. Whatever it does not bring of that range, the sender does not have.
type Supply struct {
	Ticket uint32
	Done   bool // no more comes to this Pull: it was answered to the end, or to its limit
	Busy   bool // the sender has served enough for now, and this tells nothing of what it holds
	Head        // of the stream at the sender
	Range  Run
}

// BeginSupply opens a Supply at the end of b; AppendSupplied and EndSupply follow.
func BeginSupply(b []byte) []byte {
	return append(begin(b, TypeSupply),
		make([]byte, supplyHead)...)
}

const supplyHead = 4 + 1 + 8 + 5*8

// SupplySize is what BeginSupply appends, and SupplyPieceSize is the most that a piece costs beside
// its body.
const (
	SupplySize      = MessageSize + supplyHead
	SupplyPieceSize = binary.MaxVarintLen64 + 3
)

// AppendSupplied adds a piece to a Supply; after is the sequence of the one before, 0 at first.
func AppendSupplied(b []byte, after, seq uint64, body []byte) []byte {
	return appendBytes(binary.AppendUvarint(b, seq-after), body)
}

// EndSupply closes the Supply that BeginSupply opened at start.
func EndSupply(b []byte, start int, m *Supply) []byte {
	h := b[start+MessageSize : start+MessageSize]
	h = binary.BigEndian.AppendUint32(h, m.Ticket)
	h = append(h, flag(m.Done, 1)|flag(m.Busy, 2))
	for _, v := range [...]uint64{uint64(m.Origin), m.Generation, m.Low, m.High, m.Range.From,
		m.Range.To} {
		h = binary.BigEndian.AppendUint64(h, v)
	}
	return end(b, start)
}

// ReadSupply reads the body of a Supply.
func ReadSupply(body []byte) (m Supply, pieces SuppliedReader, ok bool) {
	c := cursor{b: body}
	m.Ticket = c.u32()
	flags := c.u8()
	m.Done, m.Busy = flags&1 != 0, flags&2 != 0
	m.Head = Head{Origin: member.ID(c.u64()), Generation: c.u64(), Low: c.u64(), High: c.u64()}
	m.Range = Run{From: c.u64(), To: c.u64()}
	ok = !c.bad && m.Origin != 0 && m.Low != 0 && m.Low-1 <= m.High && m.Range.From <= m.Range.To
	return m, SuppliedReader{c: c}, ok
}

// SuppliedReader goes through the pieces of a Supply, in rising order.
type SuppliedReader struct {
	c     cursor
	after uint64
}

// Next returns the next piece; ok is false at the end and at one that cannot be read.
func (r *SuppliedReader) Next() (seq uint64, body []byte, ok bool) {
	if len(r.c.b) == 0 || r.c.bad {
		return 0, nil, false
	}
	skip := r.c.uvarint()
	seq = r.after + skip
	body = r.c.bytes()
	if r.c.bad || skip == 0 || seq < skip {
		r.c.bad = true
		return 0, nil, false
	}
	r.after = seq
	return seq, body, true
}

// Malformed says whether the list ended at a piece that could not be read.
func (r *SuppliedReader) Malformed() bool { return r.c.bad }

func flag(on bool, bit byte) byte {
	if on {
		return bit
	}
	return 0
}
