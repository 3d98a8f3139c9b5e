package starling

import (
	"context"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/detect"
)

// A connection that the other side took and reset before this side noticed counts as taken. Nodes
// close what comes at once, so on a network that is nearly every second one.
func TestResetIsTaken(t *testing.T) {
	dial := func(e syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", e)}
	}
	for _, c := range []struct {
		err error
		o   detect.Outcome
		ok  bool
	}{
		{nil, detect.Accepted, true},
		{dial(syscall.ECONNRESET), detect.Accepted, true},
		{dial(syscall.ECONNREFUSED), detect.Refused, true},
		{dial(syscall.EHOSTUNREACH), 0, false},
		{context.DeadlineExceeded, 0, false},
	} {
		if o, ok := outcomeOf(c.err); o != c.o || ok != c.ok {
			t.Errorf("%v: %v, %t", c.err, o, ok)
		}
	}
}
