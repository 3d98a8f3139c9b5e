package agent

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starling-gossip/starling/internal/virtual"
)

// oneConn is a listener that has one connection to give, which holds nothing between its ends.
type oneConn struct {
	conn   chan net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error {
	close(l.closed)
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// A stream's client that takes nothing is cut off when the time for a write is over, and not
// before.
func TestSlowClientIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(newFake(), ServerOptions{})
		l := &oneConn{make(chan net.Conn, 1), make(chan struct{})}
		here, there := net.Pipe()
		l.conn <- there
		go s.Serve(l)
		if _, err := io.WriteString(here, "GET /v1/watch HTTP/1.1\r\nHost: "+
			"localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		virtual.Pass(writeLimit - time.Millisecond)
		if n := len(s.streams); n != 1 {
			t.Errorf("%d streams are open just before the time is over", n)
		}
		virtual.Pass(2 * time.Millisecond)
		if n := len(s.streams); n != 0 {
			t.Errorf("%d streams are open when it is over", n)
		}
		s.Close()
		here.Close()
	})
}
