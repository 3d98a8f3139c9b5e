//go:build linux && !starling_portable

package transport

// This file translates between netip.AddrPort and the kernel's socket addresses.

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// putSockaddr writes an address for a socket of the given family and returns its length. An IPv6
// socket reaches IPv4 by 4-in-6 addresses; an IPv4 socket cannot reach IPv6.
func putSockaddr(sa *unix.RawSockaddrInet6, to netip.AddrPort, inet6 bool) (uint32, error) {
	addr := to.Addr()
	if !addr.IsValid() {
		return 0, unix.EDESTADDRREQ
	}
	if !inet6 {
		addr = addr.Unmap()
		if !addr.Is4() {
			return 0, unix.EAFNOSUPPORT
		}
		sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		*sa4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: addr.As4()}
		putPort(&sa4.Port, to.Port())
		return unix.SizeofSockaddrInet4, nil
	}
	*sa = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: addr.As16()}
	putPort(&sa.Port, to.Port())
	if zone := addr.Zone(); zone != "" {
		index, ok := zones.index(zone)
		if !ok {
			return 0, unix.ENXIO
		}
		sa.Scope_id = index
	}
	return unix.SizeofSockaddrInet6, nil
}

// fromSockaddr reads the address that a datagram came from.
func fromSockaddr(sa *unix.RawSockaddrInet6) netip.AddrPort {
	if sa.Family == unix.AF_INET {
		sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(sa4.Addr), port(&sa4.Port))
	}
	addr := netip.AddrFrom16(sa.Addr).Unmap()
	if sa.Scope_id != 0 && addr.Is6() {
		addr = addr.WithZone(zones.name(sa.Scope_id))
	}
	return netip.AddrPortFrom(addr, port(&sa.Port))
}

// Ports are in network order whatever the machine's own.
func putPort(p *uint16,
	v uint16) {
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(p))[:], v)
}
func port(p *uint16) uint16 { return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:]) }

// zones translates the zones of link-local addresses, which people write by the interface's name
// and the kernel by its number.
var zones zoneCache

const (
	zoneFresh = time.Minute // how long the list of interfaces is trusted
	zoneRetry = time.Second // how often it is read again for an unknown interface
)

type zoneCache struct {
	mu      sync.Mutex
	read    time.Time
	numbers map[string]uint32
	names   map[uint32]string
}

func (z *zoneCache) index(name string) (uint32, bool) {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n), true
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.refresh(zoneFresh)
	if _, ok := z.numbers[name]; !ok {
		z.refresh(zoneRetry)
	}
	n, ok := z.numbers[name]
	return n, ok
}

func (z *zoneCache) name(index uint32) string {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.refresh(zoneFresh)
	if _, ok := z.names[index]; !ok {
		z.refresh(zoneRetry)
	}
	if name, ok := z.names[index]; ok {
		return name
	}
	return strconv.FormatUint(uint64(index), 10)
}

// refresh reads the interfaces again if the list is older than age. A failure leaves the old one.
func (z *zoneCache) refresh(age time.Duration) {
	now := time.Now()
	if z.names != nil && now.Sub(z.read) < age {
		return
	}
	z.read = now
	all, err := net.Interfaces()
	if err != nil && z.names != nil {
		return
	}
	z.numbers, z.names = map[string]uint32{}, map[uint32]string{}
	for _, i := range all {
		z.numbers[i.Name], z.names[uint32(i.Index)] = uint32(i.Index), i.Name
	}
}
