//go:build linux && !starling_portable

package transport

// This file reads and writes many datagrams with one system call: recvmmsg(2) and sendmmsg(2).
//
// The buffers and headers belong to pools of the process and are taken inside the callbacks of
// syscall.RawConn, that is, when the socket may have something: a Conn that waits holds none.

import (
	"errors"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is the number of datagrams that one system call moves at most.
const batchSize = 32

// mmsghdr is struct mmsghdr; Go pads it as C does.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// headers are the arrays that both calls take: message i uses iovec i and name i. The kernel's
// sockaddr_in6 is the longest address here and holds a sockaddr_in too.
type headers struct {
	msgs  [batchSize]mmsghdr
	iovs  [batchSize]unix.Iovec
	names [batchSize]unix.RawSockaddrInet6
}

func (h *headers) link() {
	for i := range h.msgs {
		h.msgs[i].hdr.Name = (*byte)(unsafe.Pointer(&h.names[i]))
		h.msgs[i].hdr.Iov = &h.iovs[i]
		h.msgs[i].hdr.SetIovlen(1)
	}
}

// inbox is a batch to read into: batchSize buffers of size bytes, one after the other.
type inbox struct {
	headers
	buf  []byte
	size int
}

var (
	inboxes  = sync.Pool{New: func() any { b := new(inbox); b.link(); return b }}
	outboxes = sync.Pool{New: func() any { b := new(headers); b.link(); return b }}
)

// system is the Linux part of a Conn. The callbacks are made once, so that a call allocates
// nothing; they talk to their caller through the other fields.
type system struct {
	raw     syscall.RawConn
	inet6   bool
	onRead  func(fd uintptr) bool
	onPoll  func(fd uintptr)
	onWrite func(fd uintptr) bool

	in      *inbox // the batch that was read, until it is delivered
	got     int
	tried   bool // a read was attempted
	readErr error

	out     *headers
	pending int
	sent    int
}

func (c *Conn) initSystem() error {
	raw, err := c.udp.SyscallConn()
	if err != nil {
		return err
	}
	// Datagrams over IPv4 go without the mark not to fragment them: a narrower path than the least
	// MTU then costs fragments, and not the datagram. Where that is not possible it stays as it is.
	if err := raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT)
	}); err != nil {
		return err
	}
	c.sys.raw = raw
	c.sys.inet6 = c.local.Addr().Is6()
	c.sys.onRead = c.read
	c.sys.onPoll = func(fd uintptr) { c.read(fd) }
	c.sys.onWrite = c.write
	return nil
}

// wait blocks until the socket has something or its read deadline passes.
func (c *Conn) wait(deliver func(netip.AddrPort, []byte)) (int, error) {
	s := &c.sys
	s.tried, s.readErr = false, nil
	if err := s.raw.Read(s.onRead); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if s.tried {
				return 0, os.ErrDeadlineExceeded
			}
			// The deadline passed before anything was tried; a busy loop must receive all the same.
			c.armedKnown = false
			return c.poll(deliver)
		}
		return 0, readError(err)
	}
	return c.deliver(deliver)
}

// poll reads what is there without waiting. Control does not look at the deadline.
func (c *Conn) poll(deliver func(netip.AddrPort, []byte)) (int, error) {
	c.sys.readErr = nil
	if err := c.sys.raw.Control(c.sys.onPoll); err != nil {
		return 0, readError(err)
	}
	return c.deliver(deliver)
}

// read fetches one batch; false means that nothing is there. One call suffices, also for a single
// datagram: the kernel stops when the queue is empty.
func (c *Conn) read(fd uintptr) bool {
	s := &c.sys
	s.tried = true
	b := inboxes.Get().(*inbox)
	b.prepare(c.max)
	for failures := 0; ; {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.msgs[0])),
			batchSize, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			s.in, s.got = b, int(n)
			return true
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			inboxes.Put(b)
			return false
		}
		c.counters.readErrors.Add(1)
		if failures++; failures == maxReadErrors {
			inboxes.Put(b)
			s.readErr = os.NewSyscallError("recvmmsg", errno)
			return true
		}
	}
}

// prepare lays out the buffers, which another Conn may have used with another size.
func (b *inbox) prepare(size int) {
	if b.size != size {
		if len(b.buf) < size*batchSize {
			b.buf = make([]byte, size*batchSize)
		}
		for i := range b.iovs {
			b.iovs[i].Base = &b.buf[i*size]
			b.iovs[i].SetLen(size)
		}
		b.size = size
	}
	// The kernel writes the length of each name that it used; only those need it again, but 32
	// stores cost less than remembering which.
	for i := range b.msgs {
		b.msgs[i].hdr.Namelen = unix.SizeofSockaddrInet6
	}
}

// deliver hands over the batch that read left, outside the socket's locks, and returns it to the
// pool.
func (c *Conn) deliver(deliver func(netip.AddrPort, []byte)) (int, error) {
	s := &c.sys
	if s.readErr != nil {
		return 0, readError(s.readErr)
	}
	b, got := s.in, s.got
	if b == nil {
		return 0, nil
	}
	s.in = nil
	delivered, bytes := 0, 0
	for i := range got {
		m := &b.msgs[i]
		if m.hdr.Flags&unix.MSG_TRUNC == 0 {
			delivered++
			bytes += int(m.len)
		}
	}
	// Count before handing over, so that deliver sees itself counted.
	c.counters.datagramsIn.Add(uint64(delivered))
	c.counters.bytesIn.Add(uint64(bytes))
	if delivered < got {
		c.counters.truncated.Add(uint64(got - delivered))
	}
	for i := range got {
		m := &b.msgs[i]
		if m.hdr.Flags&unix.MSG_TRUNC == 0 {
			start := i * b.size
			deliver(fromSockaddr(&b.names[i]), b.buf[start:start+int(m.len):start+b.size])
		}
	}
	inboxes.Put(b)
	return delivered, nil
}

// Send hands the packets to the kernel, in order, and says how many it took. An error of one packet
// is counted in Stats and does not stop the others: gossip repairs lost datagrams. Such errors are
// no route, a filter that forbids it, too long, a family that the socket lacks, and a full send
// buffer. The only error is net.ErrClosed. The packets may be reused when it returns.
func (c *Conn) Send(packets []Packet) (sent int, err error) {
	for len(packets) > 0 && err == nil {
		n := min(len(packets), batchSize)
		var took int
		took, err = c.sendBatch(packets[:n])
		sent += took
		packets = packets[n:]
	}
	return sent, err
}

func (c *Conn) sendBatch(packets []Packet) (int, error) {
	s := &c.sys
	b := outboxes.Get().(*headers)
	s.out, s.pending, s.sent = b, 0, 0
	for i := range packets {
		m := &b.msgs[s.pending]
		length, err := putSockaddr(&b.names[s.pending], packets[i].To, s.inet6)
		if err != nil {
			c.refused(err)
			continue
		}
		m.hdr.Namelen = length
		b.iovs[s.pending].Base = unsafe.SliceData(packets[i].Data)
		b.iovs[s.pending].SetLen(len(packets[i].Data))
		s.pending++
	}
	var err error
	if s.pending > 0 {
		err = s.raw.Write(s.onWrite)
	}
	for i := range s.pending {
		b.iovs[i].Base = nil // do not keep the caller's bytes alive
	}
	s.out = nil
	outboxes.Put(b)
	if err != nil {
		return 0, readError(err)
	}
	return s.sent, nil
}

// write sends the pending messages. sendmmsg stops at the first that fails and reports its error
// only when it is the first of a call: count it, step over it, go on.
func (c *Conn) write(fd uintptr) bool {
	s := &c.sys
	bytes := 0
	for next := 0; next < s.pending; {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd,
			uintptr(unsafe.Pointer(&s.out.msgs[next])),
			uintptr(s.pending-next), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			for i := range int(n) {
				bytes += int(s.out.msgs[next+i].len)
			}
			next += int(n)
			s.sent += int(n)
		case unix.EINTR:
		case unix.EAGAIN:
			c.counters.sendDropped.Add(uint64(s.pending - next))
			next = s.pending
		default:
			c.refused(errno)
			next++
		}
	}
	c.counters.datagramsOut.Add(uint64(s.sent))
	c.counters.bytesOut.Add(uint64(bytes))
	return true // never wait for room
}

func (c *Conn) refused(err error) {
	c.sendErr = err
	c.counters.sendErrors.Add(1)
}

// kernelDrops asks the socket how many datagrams found its receive buffer full: SO_MEMINFO gives
// nine numbers, the last of which is SK_MEMINFO_DROPS. It returns 0 when the socket is closed.
func (c *Conn) kernelDrops() uint64 {
	var info [9]uint32
	size := uint32(unsafe.Sizeof(info))
	c.sys.raw.Control(func(fd uintptr) {
		unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	return uint64(info[8])
}
