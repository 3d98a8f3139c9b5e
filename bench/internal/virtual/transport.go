package virtual

// This file lets memberlist run on a Host.

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// Transport is a memberlist.Transport on a host.
type Transport struct {
	host    *Host
	packets chan *memberlist.Packet
	streams chan net.Conn
	stop    chan struct{}
	once    sync.Once
}

// NewTransport starts a transport, two goroutines, until Shutdown.
func NewTransport(h *Host) *Transport {
	t := &Transport{host: h, packets: make(chan *memberlist.Packet),
		streams: make(chan net.Conn), stop: make(chan struct{})}
	go t.pumpPackets()
	go t.pumpStreams()
	return t
}

func (t *Transport) pumpPackets() {
	for {
		select {
		case p := <-t.host.Packets:
			t.host.Took(p)
			m := &memberlist.Packet{Buf: p.Data, From: net.UDPAddrFromAddrPort(p.From),
				Timestamp: time.Now()}
			select {
			case t.packets <- m:
			case <-t.stop:
				return
			}
		case <-t.stop:
			return
		}
	}
}

func (t *Transport) pumpStreams() {
	for {
		select {
		case c := <-t.host.Conns:
			t.host.Stand()
			select {
			case t.streams <- c:
			case <-t.stop:
				return
			}
		case <-t.stop:
			return
		}
	}
}

// FinalAdvertiseAddr is the host's address, whatever the user wished.
func (t *Transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return net.IP(t.host.addr.Addr().AsSlice()), int(t.host.addr.Port()), nil
}

// WriteTo sends a datagram.
func (t *Transport) WriteTo(b []byte, addr string) (time.Time, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return time.Time{}, err
	}
	err = t.host.Send(to, b)
	return time.Now(), err
}

// PacketCh gives the datagrams that came in.
func (t *Transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// DialTimeout opens a connection.
func (t *Transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	c, err := t.host.Dial(addr, timeout)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// StreamCh gives the connections that others opened.
func (t *Transport) StreamCh() <-chan net.Conn { return t.streams }

// Shutdown ends the transport.
func (t *Transport) Shutdown() error {
	t.once.Do(func() { close(t.stop) })
	return nil
}
