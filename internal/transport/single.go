//go:build !linux || starling_portable

package transport

// This file moves one datagram a call, on systems without recvmmsg and sendmmsg.

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// pollGrace is how long poll waits, because package net does not try a read once its deadline
// has passed.
const pollGrace = 100 * time.Microsecond

// buffers hold one datagram each; a Conn has one only while a read is under way.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

type system struct{} // package net has all we need

func (c *Conn) initSystem() error {
	c.sys = system{}
	return nil
}

// kernelDrops is known on Linux alone.
func (c *Conn) kernelDrops() uint64 { return 0 }

// poll reads a datagram that is already there.
func (c *Conn) poll(deliver func(netip.AddrPort, []byte)) (int, error) {
	c.armedKnown = false
	if err := c.udp.SetReadDeadline(time.Now().Add(pollGrace)); err != nil {
		return 0, readError(err)
	}
	n, err := c.wait(deliver)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, nil
	}
	return n, err
}

// wait blocks until a datagram is there or the read deadline passes. The buffer is one byte longer
// than the longest datagram, so that a longer one shows.
func (c *Conn) wait(deliver func(netip.AddrPort, []byte)) (int, error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	if cap(*buf) < c.max+1 {
		*buf = make([]byte, c.max+1)
	}
	for failures := 0; ; {
		n, from, err := c.udp.ReadFromUDPAddrPort((*buf)[:c.max+1])
		switch {
		case err == nil && n > c.max:
			c.counters.truncated.Add(1)
			return 0, nil
		case err == nil:
			c.counters.datagramsIn.Add(1)
			c.counters.bytesIn.Add(uint64(n))
			deliver(unmap(from), (*buf)[:n:n])
			return 1, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return 0, os.ErrDeadlineExceeded
		case errors.Is(err, net.ErrClosed):
			return 0, net.ErrClosed
		}
		// Windows reports a datagram that is too long as an error, and a peer's closed port too.
		c.counters.readErrors.Add(1)
		if failures++; failures == maxReadErrors {
			return 0, readError(err)
		}
	}
}

// Send hands the packets to the kernel, in order, and says how many it took. What one packet runs
// into (no route, forbidden by a filter, too long, a family that the socket lacks) is counted in
// Stats and does not stop the others: gossip repairs lost datagrams. The only error is
// net.ErrClosed. The packets may be reused when it returns.
func (c *Conn) Send(packets []Packet) (sent int, err error) {
	bytes := 0
	for i := range packets {
		n, werr := c.udp.WriteToUDPAddrPort(packets[i].Data, unmap(packets[i].To))
		if errors.Is(werr, net.ErrClosed) {
			err = net.ErrClosed
			break
		}
		if werr != nil {
			c.sendErr = werr
			c.counters.sendErrors.Add(1)
			continue
		}
		sent++
		bytes += n
	}
	c.counters.datagramsOut.Add(uint64(sent))
	c.counters.bytesOut.Add(uint64(bytes))
	return sent, err
}
