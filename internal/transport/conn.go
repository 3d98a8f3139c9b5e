package transport

// This file is the socket as the node's loop sees it: Listen, Receive, Interrupt, Close. The
// system calls themselves are in batch_linux.go and single.go.

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// DefaultMaxDatagram is the largest datagram, in bytes of UDP payload, that a Conn receives
	// unless told otherwise. It is as much as a jumbo frame brings, so that a node hears members
	// that were told to send more than it does itself.
	DefaultMaxDatagram = 9216
	// DefaultReadBuffer is the socket's receive buffer in bytes unless told otherwise. The kernel
	// charges about 800 bytes for the smallest datagram, so this holds a burst of some 1,300.
	DefaultReadBuffer = 1 << 20

	// maxPayload is the largest UDP payload that IPv4 can carry.
	maxPayload = 65_507
	// maxReadErrors is how many failed reads in a row one Receive shrugs off. Errors that ICMP
	// messages leave on a socket are cleared by the read that reports them, so a longer run
	// means that the socket itself is broken.
	maxReadErrors = 16
)

// longAgo is the read deadline that wakes a blocked Receive.
var longAgo = time.Unix(1, 0)

// Packet is one datagram to send. A 4-in-6 address means the IPv4 address in it.
type Packet struct {
	To   netip.AddrPort
	Data []byte
}

// Options are the settings of a Conn; the zero value is good.
type Options struct {
	// ReadBuffer and WriteBuffer are the kernel's buffers in bytes. Zero means DefaultReadBuffer
	// and the system's default. The system may grant less (on Linux net.core.rmem_max).
	ReadBuffer, WriteBuffer int
	// MaxDatagram is the largest datagram received, in bytes of UDP payload, at most 65,507; zero
	// means DefaultMaxDatagram. Longer ones are dropped and counted in Stats.Truncated.
	MaxDatagram int
}

// Conn is one UDP socket. One goroutine drives it; only Interrupt, Close, LocalAddr and Stats may
// be called from others.
type Conn struct {
	udp   *net.UDPConn
	local netip.AddrPort
	max   int

	// armed is the read deadline that the socket has, as far as the driving goroutine knows; it
	// saves setting an unchanged one. Known only while armedKnown: Interrupt changes it unseen.
	armed       time.Time
	armedKnown  bool
	interrupted atomic.Bool

	sendErr  error
	counters counters
	sys      system // what this system's batches need
}

// Listen opens a UDP socket on bind; port 0 asks for any free one. An IPv4 address, 0.0.0.0 too,
// serves IPv4 alone; the address :: or none at all serves both families (only IPv4 on a machine
// without IPv6); any other IPv6 address serves IPv6. A link-local address needs its zone.
func Listen(bind netip.AddrPort, opts Options) (*Conn, error) {
	size := opts.MaxDatagram
	if size == 0 {
		size = DefaultMaxDatagram
	}
	if size < 0 || size > maxPayload {
		return nil, fmt.Errorf("transport: MaxDatagram is %d bytes; it must be from 1 to %d",
			size, maxPayload)
	}
	udp, err := listenUDP(bind)
	if err != nil {
		return nil, err
	}
	if err := setBuffers(udp, opts); err != nil {
		udp.Close()
		return nil, fmt.Errorf("transport: setting the socket buffers of UDP %v: %w", bind, err)
	}
	if err := noBroadcast(udp); err != nil {
		udp.Close()
		return nil, fmt.Errorf("transport: keeping UDP %v from broadcasts: %w", bind, err)
	}
	local := udp.LocalAddr().(*net.UDPAddr).AddrPort()
	c := &Conn{udp: udp, local: unmap(local), max: size}
	if err := c.initSystem(); err != nil {
		udp.Close()
		return nil, fmt.Errorf("transport: preparing UDP %v: %w", bind, err)
	}
	return c, nil
}

// listenUDP chooses the family. Package net would make 0.0.0.0 dual-stack too; an IPv4 address in a
// configuration means IPv4.
func listenUDP(bind netip.AddrPort) (*net.UDPConn, error) {
	addr := bind.Addr().Unmap()
	if !addr.IsValid() {
		addr = netip.IPv6Unspecified()
	}
	network := "udp6"
	switch {
	case addr.Is4():
		network = "udp4"
	case addr == netip.IPv6Unspecified():
		network = "udp"
	}
	udp, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr,
		bind.Port())))
	if network == "udp" && errors.Is(err, syscall.EAFNOSUPPORT) {
		udp, err = net.ListenUDP("udp4", &net.UDPAddr{Port: int(bind.Port())})
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("transport: UDP %v is taken by another program (or another "+
			"node); choose another port: %w", bind, err)
	case err != nil:
		return nil, fmt.Errorf("transport: cannot listen on UDP %v: %w", bind, err)
	}
	return udp, nil
}

func setBuffers(udp *net.UDPConn, opts Options) error {
	read := opts.ReadBuffer
	if read == 0 {
		read = DefaultReadBuffer
	}
	if err := udp.SetReadBuffer(read); err != nil {
		return err
	}
	if opts.WriteBuffer == 0 {
		return nil
	}
	return udp.SetWriteBuffer(opts.WriteBuffer)
}

// LocalAddr is the address that the socket is bound to, with the port that it got. It is safe
// from any goroutine.
func (c *Conn) LocalAddr() netip.AddrPort { return c.local }

// Receive waits until at least one datagram is there, the deadline passes (zero: never) or
// somebody calls Interrupt; then it hands every datagram that it read to deliver, in the order of
// their arrival, and returns how many. The bytes are valid only during the call of deliver, which
// runs outside all locks and may send, interrupt or close.
//
// It returns 0 and nil after the deadline or an Interrupt, and may do so now and then for no
// reason; the caller's loop looks at its clock and its queue anyway. With a deadline that has
// passed it does not wait but reads what lies in the socket, so a loop that is always late still
// receives. Calling it until it returns 0 drains the socket.
//
// Errors that the network reports (a peer's port unreachable) are counted, not returned. After
// Close the error is net.ErrClosed; any other means that the socket is broken.
func (c *Conn) Receive(deadline time.Time, deliver func(from netip.AddrPort,
	datagram []byte)) (int, error) {
	if !deadline.IsZero() && time.Until(deadline) <= 0 {
		c.interrupted.Store(false)
		return c.poll(deliver)
	}
	if !c.armedKnown || c.armed != deadline {
		if err := c.udp.SetReadDeadline(deadline); err != nil {
			return 0, readError(err)
		}
		c.armed, c.armedKnown = deadline, true
	}
	// Only now look for an Interrupt: one that came before the deadline was set has left its flag,
	// and one that comes later sets its own deadline over ours. None is lost.
	if c.interrupted.Swap(false) {
		c.armedKnown = false
		return c.poll(deliver)
	}
	n, err := c.wait(deliver)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.armedKnown = false
		c.interrupted.Store(false)
		return 0, nil
	}
	return n, err
}

// Interrupt makes a blocked Receive return at once, or the next one if none is blocked. Several
// before that return count as one. Safe from any goroutine, also after Close.
func (c *Conn) Interrupt() {
	// If the flag is set already, the call that set it is about to set the deadline, or has.
	if !c.interrupted.Swap(true) {
		c.udp.SetReadDeadline(longAgo) // fails only when closed, and then nobody waits
	}
}

// Close closes the socket and makes a blocked Receive return net.ErrClosed. Safe from any
// goroutine; a second call returns net.ErrClosed.
func (c *Conn) Close() error {
	if err := c.udp.Close(); err != nil {
		return readError(err)
	}
	return nil
}

// readError makes the one error that callers compare, net.ErrClosed, plain.
func readError(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return net.ErrClosed
	}
	return fmt.Errorf("transport: the UDP socket failed: %w", err)
}

// unmap makes addresses comparable: IPv4 is IPv4, however the socket reports it.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
