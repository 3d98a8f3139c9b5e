package sim

// Chance that does not depend on the order of events. Every draw comes from a small stream seeded
// by what it is for: a packet, an action, a node. So the result is the same for any number of
// workers.

// stream is SplitMix64 (Steele, Lea, Flood 2014): one word of state, a draw in a nanosecond.
type stream uint64

// newStream seeds a stream with the run's seed and what the stream is for.
func newStream(seed uint64, about ...uint64) stream {
	h := mix(seed + 0x9e3779b97f4a7c15)
	for _, a := range about {
		h = mix(h ^ (a + 0x9e3779b97f4a7c15))
	}
	return stream(h)
}

// Uint64 makes stream a math/rand/v2 Source.
func (s *stream) Uint64() uint64 {
	*s += 0x9e3779b97f4a7c15
	return mix(uint64(*s))
}

// chance is true with probability p.
func (s *stream) chance(p float64) bool {
	return float64(s.Uint64()>>11) < p*(1<<53)
}

// mix is SplitMix64's finalizer: each bit of the input reaches all of the output.
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// hashBytes is FNV-1a over words of eight bytes, closed by mix: a trace hashes every packet.
func hashBytes(h uint64, b []byte) uint64 {
	const prime = 1099511628211
	h ^= uint64(len(b))
	for len(b) >= 8 {
		w := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		h = (h ^ w) * prime
		h ^= h >> 29 // a word's high bits must reach the low ones of the next step
		b = b[8:]
	}
	for _, c := range b {
		h = (h ^ uint64(c)) * prime
	}
	return mix(h)
}
