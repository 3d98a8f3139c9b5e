package wire_test

import (
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A Pad and a Seen have the size that is wanted, or one byte less where the length of the body
// needs one more; no answer is longer than the shortest question, over IPv6 too.
func TestPadHasItsSize(t *testing.T) {
	seen := wire.Seen{Number: 7, From: lark.Addr}
	asked := wire.Pad{Number: 7, Over: 1165}
	for size := range 20_000 {
		pad, answer := wire.AppendPad(nil, &asked, size), wire.AppendSeen(nil, &seen, size)
		want := max(size, wire.MinPad)
		if n := len(pad); n > want || n < want-1 || len(answer) != n {
			t.Fatalf("of %d bytes: a Pad of %d and a Seen of %d", size, n, len(answer))
		}
		if m, ok := wire.ReadPad(wire.Body(pad)); !ok || m != asked {
			t.Fatalf("a Pad of %d bytes is read as %+v, %t", len(pad), m, ok)
		}
		if m, ok := wire.ReadSeen(wire.Body(answer)); !ok || m != seen {
			t.Fatalf("a Seen of %d bytes is read as %+v, %t", len(answer), m, ok)
		}
	}
}
