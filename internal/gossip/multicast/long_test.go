package multicast

import (
	"testing"
	"time"
)

// newLongWorld is one whose members are a tenth of a second from each other, and know it.
func newLongWorld(t *testing.T, n int, cfg Config) *world {
	w := newWorld(t, n, 16, cfg, nil)
	w.Delay = func(_, _ *node) time.Duration { return 100 * time.Millisecond }
	for _, x := range w.nodes {
		x.rtt = 200 * time.Millisecond
	}
	return w
}

// Where ways are long and many publish now and then, an origin collects for nearly half of a round
// trip, and confirmations ride on what is sent anyway: what is published costs about one datagram a
// member, where it took a confirmation each, and comes within a round trip. With a hub it comes
// within two, for far less.
func TestLongWays(t *testing.T) {
	for _, c := range []struct {
		what    string
		share   int
		loss    float64
		packets float64 // a node and message, at most
		worst   time.Duration
	}{
		{"each its own way", 1000, 0, 1.1, 200 * time.Millisecond},
		{"by a hub", 5, 0, 0.4, 400 * time.Millisecond},
		{"10 % loss: nothing waits", 1000, 0.1, 8, 2 * time.Second},
	} {
		w := newLongWorld(t, 25, Config{Share: c.share})
		w.loss = c.loss
		w.stream(25, 50, 16, 3*time.Second) // all know each other's ways
		packets, _, copies, worst := w.stream(25, 50, 16, 10*time.Second)
		t.Logf("%s: %.2f datagrams and %.2f copies a node and message, at all after %v at most",
			c.what, packets, copies, worst)
		if packets > c.packets || worst > c.worst {
			t.Error("that is too much")
		}
		repeats := uint64(0)
		for _, x := range w.nodes {
			repeats += x.Stats().Repeats
		}
		if c.loss == 0 && repeats > 0 {
			t.Errorf("%d times an answer that waited was taken for lost", repeats)
		}
		w.Run(20 * time.Second)
		w.idle()
	}
}

// A message alone does not wait, however long the ways are, nor does one that its publisher waits
// for.
func TestLongWaysAlone(t *testing.T) {
	w := newLongWorld(t, 25, Config{})
	x := w.nodes[3]
	for range 3 {
		seq := x.publish(1, 16)
		w.Run(5 * time.Second)
		if s := w.spreadOf(x, seq); s.missing > 0 || s.t100 > 100*time.Millisecond {
			t.Errorf("a message alone: %+v", s)
		}
	}
	w.stream(25, 50, 16, 3*time.Second)
	for k := range 250 {
		w.At(w.Now.Add(time.Duration(k)*20*time.Millisecond), func() {
			w.nodes[k%24].publish(1, 16)
		})
	}
	y := w.nodes[24]
	y.waits()
	w.At(w.Now.Add(2*time.Second), func() {
		y.publish(1, 16)
		if y.waiting() > 0 {
			t.Error("what a publisher waits for waits to share a datagram")
		}
	})
	w.Run(2*time.Second + 210*time.Millisecond)
	if p := y.last(); p.Have != 25 || p.Of != 25 {
		t.Errorf("after a round trip %d of %d confirmed", p.Have, p.Of)
	}
}

// Where something was lost of late, neither parcels nor confirmations wait: a node that hears late
// of a loss mends it late. Between zones nothing waits ever.
func TestLongWaysThatLose(t *testing.T) {
	w := newLongWorld(t, 25, Config{})
	w.stream(25, 50, 16, 3*time.Second)
	x := w.nodes[3]
	zone := x.self().Zone()
	if !x.paths.isLong(zone) || x.paths.ackWait(zone) < time.Second {
		t.Fatal("the way is not long, or confirmations do not wait")
	}
	if x.paths.isLong(zone + 1) {
		t.Error("confirmations wait for those of another zone")
	}
	x.paths.lost(zone, true)
	if x.paths.isLong(zone) || x.paths.ackWait(zone) != ackDelay {
		t.Error("right after a loss confirmations wait")
	}
	for range 1000 {
		x.paths.lost(zone, false)
	}
	if !x.paths.isLong(zone) {
		t.Error("the loss is never forgotten")
	}
	x.failed = 1
	if x.paths.isLong(zone) {
		t.Error("what the detector sees get lost is not looked at")
	}
}

// Answers that take long since processors are short of time do not make a way long.
func TestLongWayIsNotAShortage(t *testing.T) {
	w := newWorld(t, 25, 17, Config{}, nil)
	w.stream(25, 50, 16, time.Second)
	x := w.nodes[3]
	zone := x.self().Zone()
	for range 1000 {
		x.paths.path(zone).heard(w.Now, time.Second, false)
	}
	if x.paths.isLong(zone) {
		t.Error("after slow answers the way counts as long")
	}
	w.Run(leastFor + time.Second)
	x.paths.path(zone).heard(w.Now, time.Second, true)
	if x.paths.isLong(zone) {
		t.Error("after an answer that may have waited the way counts as long")
	}
	x.paths.path(zone).heard(w.Now, time.Second, false)
	if !x.paths.isLong(zone) {
		t.Error("a way that got longer is never seen to be")
	}
}
