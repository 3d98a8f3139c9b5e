package wire_test

import (
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// FuzzOpen walks any bytes through all readers. Nothing panics; the work is no more than the bytes
// justify; what was read, written and read again is the same, and no longer than it came.
func FuzzOpen(f *testing.F) {
	for _, v := range goldenVectors(f) {
		f.Add(v.inDatagram())
	}
	f.Fuzz(func(t *testing.T, datagram []byte) {
		if len(datagram) > wire.MaxMTU {
			return // no socket brings that
		}
		h, r, err := wire.Open(datagram)
		if err != nil {
			return
		}
		readAll(datagram)
		again := wire.AppendHeader(nil, h)
		count, size := 0, 0
		for mt, body, ok := r.Next(); ok; mt, body, ok = r.Next() {
			count++
			size += wire.SizeOf(len(body))
			again = checkMessage(t, again, mt, body)
		}
		if rest := len(datagram) - wire.HeaderSize; size > rest || !r.Malformed() && size != rest {
			t.Fatalf("%d messages of %d bytes in a datagram of %d", count, size, len(datagram))
		}
		whole := datagram[:wire.HeaderSize+size]
		if got, want := describeDatagram(again), describeDatagram(whole); got != want {
			t.Fatalf("read again:\n%sread first:\n%s", got, want)
		}
	})
}

// checkMessage holds a message against what it is once it was written again, which it appends to b.
func checkMessage(t *testing.T, b []byte, mt wire.Type, body []byte) []byte {
	start := len(b)
	b = rewrite(b, mt, body)
	written := wire.Body(b[start:])
	if wire.Type(b[start]) != mt || len(written) > len(body) {
		t.Fatalf("%s of %d bytes was written again as type %#02x with %d bytes", mt, len(body),
			b[start], len(written))
	}
	first, ok := describe(mt, body)
	second, still := describe(mt, written)
	if ok != still || ok && first != second {
		t.Fatalf("read first as %q (%t), then as %q (%t)", first, ok, second, still)
	}
	if mt == wire.TypeRecord && ok {
		m, _ := wire.ReadRecord(body)
		if fact, err := m.Fact(); err == nil {
			r := fact.Record.Value()
			if err := r.Validate(); err != nil {
				t.Fatalf("a fact of an invalid record: %v", err)
			}
		}
	}
	return b
}
