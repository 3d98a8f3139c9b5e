package virtual

// This file is TCP as far as memberlist and Starling use it: connections that open, carry bytes in
// order, and close. Lost segments are sent again after Linux's least time-out, doubled each time,
// without limit to what is in flight. Real TCP does worse under heavy loss, so this flatters a
// system that relies on TCP.

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

const (
	segment   = 1448                   // bytes of data in one
	tcpHeader = 52                     // IPv4 and TCP with time stamps
	synRetry  = time.Second            // until a connection's first packet is sent again, doubling
	resend    = 200 * time.Millisecond // the same for data
	maxResend = 2 * time.Minute
)

var errRefused = errors.New("connection refused")

// Conn is one end of a connection.
type Conn struct {
	host   *Host
	remote *Conn

	mu       sync.Mutex
	chunks   []*chunk // that are on their way here or have come
	closed   bool     // by this end
	deadline time.Time
	wake     chan struct{} // something changed that a Read waits for
}

// chunk is what one Write wrote, or the end.
type chunk struct {
	data []byte
	here bool
	end  bool
}

// Dial opens a connection. The errors are os.ErrDeadlineExceeded and that the connection is
// refused.
func (h *Host) Dial(addr string, timeout time.Duration) (*Conn, error) {
	h.Stand()
	dst, err := h.net.find(addr)
	if err != nil {
		return nil, err
	}
	for retry, begin := synRetry, time.Now(); ; retry *= 2 {
		left := timeout - time.Since(begin)
		if left <= 0 || h.gone() {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
		}
		h.net.count(1, tcpHeader)
		if took, ok := h.handshake(dst); ok && took < left {
			time.Sleep(took)
			break
		}
		time.Sleep(min(retry, left))
	}
	h.Stand()
	if dst.state.Load() == dead {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errRefused}
	}
	h.net.count(1, tcpHeader)
	here := &Conn{host: h, wake: make(chan struct{}, 1)}
	there := &Conn{host: dst, remote: here, wake: make(chan struct{}, 1)}
	here.remote = there
	select {
	case dst.Conns <- there:
		return here, nil
	default: // its backlog is full
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
	}
}

// handshake is one try to reach a host's kernel and to be answered.
func (h *Host) handshake(dst *Host) (time.Duration, bool) {
	if dst == nil || dst.state.Load() == frozen || h.net.blocked() {
		return 0, false
	}
	there, ok := h.net.fate(h, dst)
	if !ok {
		return 0, false
	}
	h.net.count(1, tcpHeader)
	back, ok := h.net.fate(dst, h)
	return there + back, ok
}

func (n *Net) blocked() bool { n.mu.Lock(); defer n.mu.Unlock(); return n.streamsGone }

// Write sends bytes. It does not wait until they arrive.
func (c *Conn) Write(b []byte) (int, error) {
	c.host.Stand()
	if c.isClosed() || c.host.gone() {
		return 0, net.ErrClosed
	}
	c.remote.expect(&chunk{data: append([]byte(nil), b...)})
	return len(b), nil
}

// expect sends a chunk to this end.
func (c *Conn) expect(k *chunk) {
	c.mu.Lock()
	c.chunks = append(c.chunks, k)
	c.mu.Unlock()
	segments := max(1, (len(k.data)+segment-1)/segment)
	c.host.net.count((segments+1)/2, (segments+1)/2*tcpHeader) // acknowledgements
	c.host.net.count(0, len(k.data))
	c.fly(k, segments, resend)
}

// fly sends the segments of a chunk that have not arrived yet, again and again until all have.
func (c *Conn) fly(k *chunk, missing int, retry time.Duration) {
	c.host.net.count(missing, missing*tcpHeader)
	lost, slowest := 0, time.Duration(0)
	for range missing {
		late, ok := c.host.net.fate(c.remote.host, c.host)
		if !ok || c.host.state.Load() == frozen {
			lost++
		}
		slowest = max(slowest, late)
	}
	if lost > 0 {
		if !c.host.gone() && !c.remote.host.gone() && retry < maxResend {
			time.AfterFunc(retry, func() { c.fly(k, lost, 2*retry) })
		}
		return
	}
	time.AfterFunc(slowest, func() {
		c.mu.Lock()
		k.here = true
		c.mu.Unlock()
		c.nudge()
	})
}

func (c *Conn) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Read returns what has come next. One goroutine at a time may read.
func (c *Conn) Read(b []byte) (int, error) {
	for {
		n, deadline, err := c.next(b)
		if n > 0 || err != nil {
			c.host.Stand()
			return n, err
		}
		if deadline.IsZero() {
			<-c.wake
			continue
		}
		t := time.NewTimer(time.Until(deadline))
		select {
		case <-c.wake:
		case <-t.C:
		}
		t.Stop()
	}
}

// next takes what has come, or says why nothing more will.
func (c *Conn) next(b []byte) (int, time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, c.deadline, net.ErrClosed
	}
	for len(c.chunks) > 0 && c.chunks[0].here {
		k := c.chunks[0]
		if k.end {
			return 0, c.deadline, io.EOF
		}
		if n := copy(b, k.data); n > 0 {
			k.data = k.data[n:]
			return n, c.deadline, nil
		}
		if len(b) == 0 {
			return 0, c.deadline, nil
		}
		c.chunks = c.chunks[1:]
	}
	if !c.deadline.IsZero() && !time.Now().Before(c.deadline) {
		return 0, c.deadline, os.ErrDeadlineExceeded
	}
	return 0, c.deadline, nil
}

func (c *Conn) isClosed() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.closed }

// Close ends the connection; the other end reads what is on its way, and then the end.
func (c *Conn) Close() error {
	c.mu.Lock()
	was := c.closed
	c.closed = true
	c.mu.Unlock()
	c.nudge()
	if !was && !c.host.gone() {
		c.remote.expect(&chunk{end: true})
	}
	return nil
}

// LocalAddr is this end's address.
func (c *Conn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.host.addr) }

// RemoteAddr is the other end's address.
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote.host.addr) }

// SetDeadline bounds reads; writes never wait.
func (c *Conn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	c.deadline = t
	c.mu.Unlock()
	c.nudge()
	return nil
}

// SetReadDeadline is SetDeadline.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.SetDeadline(t) }

// SetWriteDeadline does nothing: writes never wait.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }
