package wire

import (
	"encoding/binary"
	"net/netip"
)

// cursor reads fields off a body. After the first one that is not there it reads zeros and
// remembers that it failed, so that a decoder checks once, at its end.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.bad, c.b = true, nil
		return nil
	}
	f := c.b[:n:n]
	c.b = c.b[n:]
	return f
}

func (c *cursor) u8() uint8 {
	if f := c.take(1); f != nil {
		return f[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if f := c.take(2); f != nil {
		return binary.BigEndian.Uint16(f)
	}
	return 0
}

func (c *cursor) u24() uint32 {
	if f := c.take(3); f != nil {
		return uint32(f[0])<<16 | uint32(f[1])<<8 | uint32(f[2])
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if f := c.take(4); f != nil {
		return binary.BigEndian.Uint32(f)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if f := c.take(8); f != nil {
		return binary.BigEndian.Uint64(f)
	}
	return 0
}

func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.bad, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

// uvarint32 fails on a number that does not fit, so that no two encodings of different numbers read
// alike.
func (c *cursor) uvarint32() uint32 {
	v := c.uvarint()
	if v > 1<<32-1 {
		c.bad = true
		return 0
	}
	return uint32(v)
}

// bytes reads a length and as many bytes.
func (c *cursor) bytes() []byte {
	n := c.uvarint()
	if n > uint64(len(c.b)) {
		c.bad, c.b = true, nil
		return nil
	}
	return c.take(int(n))
}

// twoAddrs, in the first byte of an address, says that another one follows it.
const twoAddrs = 0x20

// addrs reads an address, and the one for those outside the zone, if there is one.
func (c *cursor) addrs() (inside, outside netip.AddrPort) {
	n := c.u8()
	inside = c.addr(n &^ twoAddrs)
	if n&twoAddrs != 0 {
		outside = c.addr(c.u8())
		outside = netip.AddrPortFrom(outside.Addr().Unmap(), outside.Port())
	}
	return inside, outside
}

func (c *cursor) addr(size uint8) netip.AddrPort {
	var ip netip.Addr
	switch size {
	case 4, 16:
		ip, _ = netip.AddrFromSlice(c.take(int(size)))
	default:
		c.bad = true
	}
	return netip.AddrPortFrom(ip, c.u16())
}

func appendBytes[S ~string | ~[]byte](b []byte, s S) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// appendAddr writes an address without its zone, which means something on one host alone.
func appendAddr(b []byte, a netip.AddrPort) []byte {
	ip := a.Addr().Unmap()
	if ip.Is4() {
		f := ip.As4()
		b = append(append(b, 4), f[:]...)
	} else {
		f := ip.As16()
		b = append(append(b, 16), f[:]...)
	}
	return binary.BigEndian.AppendUint16(b, a.Port())
}
