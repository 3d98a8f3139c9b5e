package gossip

import (
	"net/netip"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A node that sends what does not open is told, by less than it sent, seldom, and never for an
// answer of this kind.
func TestUnopenedIsAnswered(t *testing.T) {
	w := newWorld(t)
	p := w.cluster(2, nil)[0]
	w.run(5 * time.Second)
	from := netip.MustParseAddrPort("10.0.9.9:7747")
	var got [][]byte
	var at []netip.AddrPort
	w.onSend = func(_ *peer, to netip.AddrPort, data []byte) {
		if _, r, err := wire.Open(data); err == nil {
			if typ, body, ok := r.Next(); ok && typ == wire.TypeUnopened {
				got, at = append(got, append([]byte(nil), data...)), append(at, to)
				if _, _, more := r.Next(); more || len(body) > 0 {
					t.Error("it holds more")
				}
			}
		}
	}
	unopened := func(a netip.AddrPort, size int) {
		w.step(p,
			func(out *Outbox) { p.Unopened(w.Now, a, size, out) })
	}
	unopened(from, 150)
	if len(got) != 1 || at[0] != from || len(got[0])+wire.SealSize != wire.UnopenedSize {
		t.Fatalf("%x to %v", got, at)
	}
	for range 1000 {
		unopened(from, 150)
		w.run(time.Millisecond)
	}
	if len(got) > 11 {
		t.Errorf("%d answers in a second", len(got))
	}
	w.run(time.Second)
	n := len(got)
	unopened(from, wire.UnopenedSize)
	unopened(from, 1)
	unopened(netip.AddrPort{}, 150)
	unopened(netip.MustParseAddrPort("224.0.0.1:7"), 150)
	if len(got) != n {
		t.Errorf("%d answers to what must have none", len(got)-n)
	}

	// A node that asks the sender hears it; of a stranger it is no news, and nobody is asked which
	// that is.
	answer := func(name string) []byte { return forge(name, 1, wire.AppendUnopened(nil)) }
	changes := p.Table().Changes()
	if types, _, _ := w.sentTypes(p, from, answer("x")); len(types) > 0 ||
		count(p, KeyUnknown) > 0 {
		t.Errorf("a stranger's is answered by %v, told %d times", types, count(p, KeyUnknown))
	}
	w.do(p, Join{Merge: []netip.AddrPort{from}})
	if types, _, _ := w.sentTypes(p, from, answer("x")); len(types) > 0 ||
		count(p, KeyUnknown) != 1 {
		t.Errorf("a seed's is answered by %v, told %d times", types, count(p, KeyUnknown))
	}
	if e := p.events[len(p.events)-1]; e.Addr != from || p.Table().Changes() != changes {
		t.Errorf("it is told of %v, and the table changed %d times", e.Addr,
			p.Table().Changes()-changes)
	}
}

// A process that stood still, and was failed for it, hears of both from itself: once, with the
// length of the pause.
func TestOwnPauseIsTold(t *testing.T) {
	for _, detector := range []Detector{INQUEST, SWIM} {
		w := newWorld(t)
		nodes := w.cluster(5, &Config{Detector: detector})
		w.run(5 * time.Second)
		p := nodes[2]
		p.paused = true
		w.until(time.Minute, "n2 failed", func() bool { return w.allHold("n2", member.Failed) })
		w.run(7 * time.Second)
		p.events = nil
		slept := w.Now.Sub(p.Deadline())
		w.resume(p)
		w.until(10*time.Second, "n2 is back", func() bool { return w.allSee(5) })
		w.run(20 * time.Second)
		if count(p, StoodStill) != 1 || count(p, HeldFailed) != 1 {
			t.Errorf("%s: it was told %d times that it stood still, and %d times that it was "+
				"held failed",
				detector, count(p, StoodStill), count(p, HeldFailed))
		}
		for _, e := range p.events {
			switch {
			case e.Kind == StoodStill && (e.Gap < slept || e.Gap > slept+time.Second):
				t.Errorf("%s: %s for a pause of %s", detector, e.Gap, slept)
			case e.Kind == HeldFailed && (e.Gap > 9*time.Second || e.Member.ID != p.id):
				// the news waited in the socket
				t.Errorf("%s: held failed for %s: %+v", detector, e.Gap, e.Member)
			}
		}
		for _, q := range nodes {
			if q != p && count(q, StoodStill)+count(q, HeldFailed) > 0 {
				t.Errorf("%s: another is told", detector)
			}
		}
	}
}

// One that was deaf, and did not stand still, hears of it too: once for each verdict.
func TestHeldFailedIsTold(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(5, nil)
	w.run(5 * time.Second)
	p := nodes[2]
	w.cut = func(_, to netip.AddrPort) bool { return to == p.addr }
	w.until(20*time.Second, "n2 failed", func() bool { return w.allHold("n2", member.Failed) })
	w.run(10 * time.Second)
	w.cut = nil
	waits := false
	w.onEvent = func(q *peer, e Event) {
		if e.Kind == HeldFailed && q == p {
			waits = p.WaitsForCall()
		}
	}
	w.until(20*time.Second, "n2 is back", func() bool { return w.allSee(5) })
	w.run(20 * time.Second)
	if !waits || p.WaitsForCall() {
		t.Errorf("it waits for a call: %t, and when it is back: %t", waits, p.WaitsForCall())
	}
	if count(p, StoodStill) != 0 || count(p, HeldFailed) != 1 {
		t.Errorf("it was told %d times that it stood still, and %d times that it was held "+
			"failed", count(p, StoodStill), count(p, HeldFailed))
	}
}
