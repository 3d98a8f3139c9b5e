package transport

import (
	"bytes"
	"testing"
)

// What is changed or cut is refused: each single bit, and each length.
func TestAlteredInTheClear(t *testing.T) {
	plain := []byte("a datagram of some length, in the clear")
	sent := AppendSummed([]byte("before"), plain)[len("before"):]
	if got, err := CheckSum(sent); err != nil || !bytes.Equal(got, plain) ||
		len(sent) != len(plain)+SumSize {
		t.Fatalf("%d bytes came as %q (%v)", len(sent), got, err)
	}
	for bit := range 8 * len(sent) {
		bad := bytes.Clone(sent)
		bad[bit/8] ^= 1 << (bit % 8)
		if got, err := CheckSum(bad); err != ErrAltered || got != nil {
			t.Errorf("with bit %d changed it came as %q (%v)", bit, got, err)
		}
	}
	for n := range sent {
		if got, err := CheckSum(sent[:n]); err != ErrAltered || got != nil {
			t.Errorf("its first %d bytes came as %q (%v)", n, got, err)
		}
	}
}
