package wire

import (
	"encoding/binary"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// TestNumbersFitTheirFields: a number that is too large for its field is malformed, and not cut.
func TestNumbersFitTheirFields(t *testing.T) {
	for _, incarnation := range []uint64{1<<32 - 1, 1 << 32, 1<<33 - 1, 1 << 40} {
		b := begin(nil, TypeUpdate)
		b = binary.BigEndian.AppendUint64(b, 7)
		b = binary.BigEndian.AppendUint32(b, 1)
		b = append(b, byte(member.Alive))
		b = binary.AppendUvarint(b, 5)
		b = end(binary.AppendUvarint(b, incarnation), 0)
		if m, ok := ReadUpdate(Body(b)); ok != (incarnation < 1<<32) || ok &&
			uint64(m.Incarnation) != incarnation {
			t.Errorf("the incarnation %d is read as %d, %t", incarnation, m.Incarnation, ok)
		}
	}
}

// TestMissingIsBounded: a Confirm names at most MaxMissing members.
func TestMissingIsBounded(t *testing.T) {
	for n := MaxMissing - 1; n <= MaxMissing+1; n++ {
		c := Confirmed{First: 1, Of: 100, Have: 50, Missing: make([]byte, 8*n)}
		b := AppendConfirmed(BeginConfirm(nil, 1), 0, &c)
		if _, ok := ReadConfirm(Body(b)); ok != (n <= MaxMissing) {
			t.Errorf("with %d missing members it is read: %t", n, ok)
		}
	}
}
