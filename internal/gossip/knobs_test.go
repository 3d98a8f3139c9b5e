package gossip

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// The first tries to join are JoinRetry apart.
func TestJoinRetry(t *testing.T) {
	tries := func(pause time.Duration) (n int) {
		w := newWorld(t)
		w.onSend = func(_ *peer, to netip.AddrPort, _ []byte) {
			if to == addrOf(1) {
				n++
			}
		}
		w.start("n0", 0, 1, &Config{JoinRetry: pause}, 1) // where nobody is
		w.run(2 * time.Second)
		return n
	}
	if often, seldom := tries(50*time.Millisecond), tries(3*time.Second); seldom != 1 || often < 5 {
		t.Errorf("%d tries in 2 s at least 50 ms apart, %d at least 3 s", often, seldom)
	}
}

// A turn that comes later than Stall is a stall.
func TestStall(t *testing.T) {
	for stall, want := range map[time.Duration]uint64{0: 1, 300 * time.Millisecond: 1,
		2 * time.Second: 0} {
		w := newWorld(t)
		p := w.cluster(2, &Config{Stall: stall})[1]
		p.paused = true
		w.run(1500 * time.Millisecond)
		w.resume(p)
		w.run(time.Second)
		if got := p.Stats().Stalls; got != want {
			t.Errorf("with a Stall of %v: %d stalls, not %d", stall, got, want)
		}
	}
}

// News to one peer waits Coalesce for company.
func TestCoalesce(t *testing.T) {
	sent := func(wait time.Duration) (n int) {
		w := newWorld(t)
		p := w.cluster(2, &Config{Coalesce: wait, Rounds: []time.Duration{0}})[0]
		w.run(time.Second)
		w.onSend = func(from *peer, _ netip.AddrPort, _ []byte) {
			if from == p {
				n++
			}
		}
		for i := range 20 {
			w.do(p, SetTags{mustTags(t, map[string]string{"k": fmt.Sprint(i)})})
			w.run(5 * time.Millisecond)
		}
		return n
	}
	if often, seldom := sent(time.Millisecond), sent(50*time.Millisecond); seldom > often/3 {
		t.Errorf("%d datagrams of news a millisecond apart, %d at least 50 ms", often, seldom)
	}
}
