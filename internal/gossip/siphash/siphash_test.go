package siphash

import "testing"

// The vectors of the paper's appendix A, and the first of the reference implementation: under the
// key 00 01 … 0f, the hashes of the first n bytes of 00 01 02 ….
func TestVectors(t *testing.T) {
	key := Key{0x0706050403020100, 0x0f0e0d0c0b0a0908}
	input := make([]byte, 15)
	for i := range input {
		input[i] = byte(i)
	}
	for n, want := range map[int]uint64{
		15: 0xa129ca6149be45e5, // appendix A
		0:  0x726fdb47dd0e0e31,
		1:  0x74f839c593dc67fd,
		2:  0x0d6c8009d9a94f5a,
		3:  0x85676696d7fb7e2d,
		7:  0xab0200f58b01d137,
		8:  0x93f5f5799a932462,
	} {
		if got := Sum64(key, input[:n]); got != want {
			t.Errorf("of %d bytes: %016x, want %016x", n, got, want)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	p := make([]byte, 38)
	if n := testing.AllocsPerRun(100, func() { Sum64(Key{1, 2}, p) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
