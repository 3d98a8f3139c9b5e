package virtual

// This file is a host and its process's socket: datagrams, pauses and deaths.

import (
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/starling-gossip/starling/internal/sim"
)

// Packet is a datagram that came in.
type Packet struct {
	From netip.AddrPort
	Data []byte
	At   time.Time
}

// The states of a host.
const (
	up     = iota
	dead   // its process is gone; the kernel refuses connections
	frozen // as if its plug were out until it thaws: nobody answers, but nothing is forgotten
	dark   // its plug is out
)

// Host is where one process runs. Its methods are safe from any goroutine.
type Host struct {
	net  *Net
	addr netip.AddrPort
	side int // of a cut, under the network's lock

	Packets chan Packet // that came in; after each, call Took
	Conns   chan *Conn  // that others opened; after each, call Stand

	state  atomic.Int32
	paused atomic.Int64 // the process stands still until then, in Unix nanoseconds
	held   atomic.Int64 // bytes in Packets
}

// Addr is the host's address.
func (h *Host) Addr() netip.AddrPort { return h.addr }

// Crash ends the process. Without its host the kernel lives on and refuses those that connect. With
// its host all is silence.
func (h *Host) Crash(withHost bool) {
	if withHost {
		h.state.Store(dark)
	} else {
		h.state.Store(dead)
	}
}

// Pause makes the process stand still for some time. Its kernel goes on: it keeps datagrams, and
// takes connections.
func (h *Host) Pause(d time.Duration) { h.paused.Store(time.Now().Add(d).UnixNano()) }

// Freeze makes the whole host stand still for some time: what comes meanwhile is lost.
func (h *Host) Freeze(d time.Duration) {
	h.Pause(d)
	h.state.Store(frozen)
	time.AfterFunc(d, func() { h.state.CompareAndSwap(frozen, up) })
}

// Stand returns when the process is not paused.
func (h *Host) Stand() {
	for {
		d := time.Duration(h.paused.Load() - time.Now().UnixNano())
		if d <= 0 {
			return
		}
		time.Sleep(d)
	}
}

func (h *Host) gone() bool { s := h.state.Load(); return s == dead || s == dark }

// Send sends a datagram. It returns when the process is not paused; nobody learns whether it
// arrives.
func (h *Host) Send(to netip.AddrPort, data []byte) error {
	h.Stand()
	if h.gone() {
		return net.ErrClosed
	}
	h.net.count(1, len(data)+ipAndUDP)
	dst := h.net.host(to)
	if dst == nil {
		return nil
	}
	late, ok := h.net.fate(h, dst)
	if ok {
		p := Packet{From: h.addr, Data: append([]byte(nil), data...)}
		time.AfterFunc(late, func() { dst.take(p) })
	}
	return nil
}

// take puts a datagram into the socket's buffer, if it has room.
func (h *Host) take(p Packet) {
	if h.state.Load() != up {
		return
	}
	size := int64(len(p.Data) + skbSize)
	if h.held.Add(size) > sim.DefaultBuffer {
		h.held.Add(-size)
		return
	}
	p.At = time.Now()
	select {
	case h.Packets <- p:
	default:
		h.held.Add(-size)
	}
}

// Took says that a datagram has been taken out of the buffer. It returns when the process is not
// paused.
func (h *Host) Took(p Packet) {
	h.held.Add(-int64(len(p.Data) + skbSize))
	h.Stand()
}
