package multicast

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// stream has nodes publish at a rate in all, and returns what that cost a node and message.
func (w *world) stream(publishers, perSecond, size int, d time.Duration) (packets, bytes,
	copies float64, worst time.Duration) {
	count := int(d.Seconds() * float64(perSecond))
	type sent struct {
		by  *node
		seq uint64
	}
	var all []sent
	for k := range count {
		x := w.nodes[k%publishers]
		w.At(w.Now.Add(time.Duration(k)*time.Second/time.Duration(perSecond)), func() {
			all = append(all, sent{x, x.publish(1, size)})
		})
	}
	for _, x := range w.nodes {
		x.packets, x.bytes, x.copies = 0, 0, 0
	}
	w.Run(d + 5*time.Second)
	for _, s := range all {
		r := w.spreadOf(s.by, s.seq)
		worst = max(worst, r.t100)
	}
	for _, x := range w.nodes {
		packets, bytes, copies = packets+float64(x.packets), bytes+float64(x.bytes),
			copies+float64(x.copies)
	}
	per := float64(count * len(w.nodes))
	return packets / per, bytes / per, copies / per, worst
}

// A thousand messages a second share datagrams, whether one publishes or all do.
func TestStreams(t *testing.T) {
	for _, c := range []struct {
		what            string
		publishers      int
		loss            float64
		packets, copies float64
	}{
		{"one publisher", 1, 0, 0.6, 1.1}, {"all publish", 128, 0, 1,
			1.1}, {"all publish, 10 % loss", 128, 0.1, 2, 2.5},
	} {
		w := newWorld(t, 128, 11, Config{}, nil)
		w.loss = c.loss
		packets, bytes, copies, worst := w.stream(c.publishers, 1000, 138, 2*time.Second)
		t.Logf("%s: %.2f datagrams, %.0f B and %.2f copies a node and message, at all after %v "+
			"at most", c.what, packets, bytes, copies, worst)
		if packets > c.packets || copies > c.copies || worst > time.Second {
			t.Error("that is too much")
		}
		w.idle()
	}
}

// A large message is spread over all nodes' uplinks: each receives it little more than once, and
// nobody sends much more.
func TestLarge(t *testing.T) {
	for _, loss := range []float64{0, 0.1} {
		w := newWorld(t, 128, 12, Config{}, nil)
		w.loss = loss
		w.measure(0, 3)
		origin := w.nodes[3]
		for _, x := range w.nodes {
			x.packets, x.bytes, x.copies = 0, 0, 0
		}
		const pieces, size = 1 << 20 / wire.MaxPiece, wire.MaxPiece
		start := w.Now
		last := origin.publish(pieces, size)
		w.Run(5 * time.Second)
		var took time.Duration
		var copies float64
		busiest := 0
		for seq := last - pieces + 1; seq <= last; seq++ {
			s := w.spreadOf(origin, seq)
			took = max(took, s.t100+origin.got[[2]uint64{uint64(origin.ID()), seq}].Sub(start))
		}
		for _, x := range w.nodes {
			copies += float64(x.copies)
			busiest = max(busiest, x.bytes)
		}
		copies /= float64(pieces * (len(w.nodes) - 1))
		t.Logf("%.0f %% loss: 1 MiB at all after %v, %.2f copies received, the busiest node "+
			"sent %.2f MiB", 100*loss, took, copies, float64(busiest)/(1<<20))
		if copies > 1.5 || took > 2*time.Second || busiest > 4<<20 {
			t.Error("that is too much")
		}
		w.idle()
	}
}

// Where all nodes share processors that are too slow, answers come late, and that must not be taken
// for losses: copies that are sent for that make the shortage worse. Fewer and fuller datagrams are
// the way out.
func TestShortage(t *testing.T) {
	for _, cost := range []time.Duration{6 * time.Microsecond, 12 * time.Microsecond} {
		for _, publishers := range []int{1, 128} {
			w := newWorld(t, 128, 13, Config{}, nil)
			var busy mono.Time
			w.Delay = func(_, _ *node) time.Duration {
				busy = max(busy, w.Now).Add(cost)
				return busy.Sub(w.Now) + w.latency()
			}
			packets, bytes, copies, worst := w.stream(publishers, 1000, 138, 2*time.Second)
			t.Logf("%d publish, %v a datagram: %.2f datagrams, %.0f B and %.2f copies a node "+
				"and message, at all after %v at most",
				publishers, cost, packets, bytes, copies, worst)
			if copies > 1.3 || worst > time.Second {
				t.Error("that is too much")
			}
		}
	}
}

// The end of a message of several pieces leaves with its beginning; a message that comes right
// after another waits to share a datagram.
func TestEndOfAMessageDoesNotWait(t *testing.T) {
	w := newWorld(t, 25, 14, Config{}, nil)
	origin := w.nodes[3]
	last := origin.publishSizes(wire.MaxPiece, 160)
	if n := origin.waiting(); n != 0 {
		t.Errorf("%d pieces of one message wait", n)
	}
	if origin.publish(1, 160); origin.waiting() != 1 {
		t.Error("a small message after another does not wait to share a datagram")
	}
	w.Run(time.Second)
	for seq := last - 1; seq <= last+1; seq++ {
		if s := w.spreadOf(origin, seq); s.missing > 0 {
			t.Errorf("%d members lack piece %d", s.missing, seq)
		}
	}
}

// A parcel with which no other shares a datagram does not wait for one.
func TestFullDatagramsDoNotWait(t *testing.T) {
	w := newWorld(t, 2, 15, Config{}, nil)
	origin := w.nodes[0]
	for i := range 5 {
		if origin.publish(1, wire.MaxPiece); origin.packets != i+1 {
			t.Fatalf("%d of %d full datagrams have left", origin.packets, i+1)
		}
	}
	if origin.publish(1, 100); origin.packets != 5 {
		t.Error("a small parcel right after another does not wait")
	}
}

// A node sends no more bytes of pieces a second than it may, small messages or large ones; of a
// burst large ones leave a half to small ones.
func TestRateIsKept(t *testing.T) {
	const rate = 256 << 10
	for _, batch := range []int{1, 8} {
		w := newWorld(t, 2, 15, Config{Rate: rate}, nil)
		origin := w.nodes[0]
		for range 400 / batch {
			origin.publish(batch, 900)
		}
		w.Run(200 * time.Millisecond)
		burst := rate / 16
		if batch == 1 {
			burst *= 2
		}
		most := (burst + rate/5) * 5 / 4 // with headers
		if origin.bytes > most || origin.bytes < most/2 {
			t.Errorf("batches of %d: %d bytes in 200 ms, at most %d may be", batch, origin.bytes,
				most)
		}
		w.Run(5 * time.Second)
		if k := len(w.nodes[1].got); k != 400 {
			t.Errorf("batches of %d: %d pieces came", batch, k)
		}
	}
}
