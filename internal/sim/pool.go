package sim

import "math/bits"

// pool keeps the bytes of packets that have arrived for the next ones: by power-of-two sizes, so
// that a short packet does not hold a long one's memory while it flies.
type pool struct{ free [17][][]byte }

const minBuffer = 6 // 64 bytes

// copy returns a copy of b in a pooled buffer.
func (p *pool) copy(b []byte) []byte {
	c := max(bits.Len(uint(len(b)-1)), minBuffer)
	if len(b) == 0 {
		c = minBuffer
	}
	var buf []byte
	if l := len(p.free[c]); l > 0 {
		buf = p.free[c][l-1]
		p.free[c] = p.free[c][:l-1]
	} else {
		buf = make([]byte, 1<<c)
	}
	return buf[:copy(buf[:len(b)], b)]
}

// put takes a buffer of copy back.
func (p *pool) put(b []byte) {
	c := bits.Len(uint(cap(b) - 1))
	p.free[c] = append(p.free[c], b)
}
