package swim

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect/detecttest"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// fake is a detecttest.Host with what a detector of this package is asked.
type fake struct {
	*detecttest.Host
	t testing.TB
	d *Detector
}

func id(i int) member.ID { return detecttest.ID(i) }

// newFake makes a detector of member 0 in a cluster of n.
func newFake(t testing.TB, n int, cfg Config) *fake {
	f := &fake{t: t, Host: detecttest.New(uint64(n))}
	f.d = New(cfg, f, f.Now)
	f.Detector = f.d
	for i := range n {
		f.Add(i, 1, 0)
	}
	return f
}

// wake moves on to the next deadline. What is due then is done then.
func (f *fake) wake() {
	f.t.Helper()
	f.Now = max(f.Now, f.d.Deadline())
	if f.d.Wake(f.Now); f.d.Deadline() <= f.Now {
		f.t.Fatalf("woken at %d, and due again at %d", f.Now, f.d.Deadline())
	}
}

// run moves on for a time; answer, if not nil, sees each message that is sent, when it is sent.
func (f *fake) run(d time.Duration, answer func(s detecttest.Sent)) {
	for end := f.Now.Add(d); ; {
		for answer != nil && len(f.Sent) > 0 {
			s := f.Sent[0]
			f.Sent = f.Sent[1:]
			answer(s)
		}
		if f.d.Deadline() > end {
			f.Now = end
			return
		}
		f.wake()
	}
}

// nextPing moves on until the detector pings somebody, and forgets what it sent besides.
func (f *fake) nextPing() detecttest.Sent {
	f.t.Helper()
	for range 100 {
		f.wake()
		for _, s := range f.Sent {
			if s.Kind == wire.TypePing {
				f.Sent = nil
				return s
			}
		}
	}
	f.t.Fatal("no ping")
	return detecttest.Sent{}
}

func (f *fake) receive(from int, t wire.Type, seq uint32) {
	b := wire.AppendPing(nil, seq)
	f.d.Receive(f.Now, plane.Sender{Peer: f.Peer(from)}, t, wire.Body(b))
}

func (f *fake) index(of member.ID) int {
	for i := range f.Members.Len() {
		if id(i) == of {
			return i
		}
	}
	return -1
}

func (f *fake) count(kind wire.Type) (n int) {
	for _, s := range f.Sent {
		if s.Kind == kind {
			n++
		}
	}
	return n
}

// ackAll answers each ping at once.
func (f *fake) ackAll(s detecttest.Sent) {
	if s.Kind == wire.TypePing {
		f.receive(f.index(s.To), wire.TypeAck, s.Seq())
	}
}
