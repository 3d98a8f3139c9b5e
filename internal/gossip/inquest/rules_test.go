package inquest

import (
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
	"github.com/starling-gossip/starling/internal/size"
)

const (
	period = 600 * time.Millisecond
	grace  = 1500 * time.Millisecond
)

// knownIn lets the time pass until all that are up hold a member failed, and says how long it took;
// -1: never.
func (w *world) knownIn(of int, limit time.Duration) time.Duration {
	start := w.Now
	for w.Now.Sub(start) < limit {
		known := true
		for _, x := range w.nodes {
			known = known && (!x.up || w.holds(x.i, of) == member.Failed)
		}
		if known {
			return w.Now.Sub(start)
		}
		w.Run(10 * time.Millisecond)
	}
	return -1
}

func (w *world) wantNoVerdict(what string) {
	w.t.Helper()
	for _, v := range w.verdicts {
		w.t.Errorf("%s: m%d failed m%d: %+v", what, v.by, v.of, v.evidence)
	}
}

// A dead host is known when the grace is over and not before, in clusters of every size; in one of
// two after three times the grace, for there is nobody to ask.
func TestHostCrash(t *testing.T) {
	for _, n := range []int{2, 3, 4, 5, 8, 9, 10, 40} {
		for seed := range uint64(5) {
			w := newWorld(t, n, seed, Config{})
			w.crash(1)
			least, most := grace, grace+period+200*time.Millisecond
			if n == 2 {
				least, most = 3*grace, 3*grace+period+200*time.Millisecond
			}
			if took := w.knownIn(1, time.Minute); took < least || took > most {
				t.Errorf("n=%d seed %d: known to all after %s", n, seed, took)
			}
			for _, v := range w.verdicts { // one that raised the alarm late shares the others' case
				e := v.evidence
				if v.of != 1 || e.Cause != wire.CauseSilent || e.Pings < 3 ||
					len(e.Votes) < min(4, (n-1)/2) {
					t.Errorf("n=%d: m%d failed m%d on %+v", n, v.by, v.of, e)
				}
				for _, vote := range e.Votes {
					if vote.Span < grace/2 || vote.Pings < 5 ||
						vote.Cause != wire.CauseSilent || vote.Juror == id(1) ||
						vote.Juror == id(v.by) {
						t.Errorf("n=%d: the vote %+v", n, vote)
					}
				}
			}
		}
	}
}

// A dead process on a live host is known long before the grace is over.
func TestProcessCrash(t *testing.T) {
	for _, n := range []int{2, 3, 4, 8, 40} {
		for seed := range uint64(5) {
			w := newWorld(t, n, seed, Config{})
			w.kill(1)
			if took := w.knownIn(1, time.Minute); took < 0 || took > period+600*time.Millisecond {
				t.Errorf("n=%d seed %d: known to all after %s", n, seed, took)
			}
			for _, v := range w.verdicts {
				if v.evidence.Cause != wire.CauseRefused {
					t.Errorf("n=%d: the evidence is %+v", n, v.evidence)
				}
			}
			w = newWorld(t, n, seed, Config{NoKernel: true})
			w.kill(1)
			if took := w.knownIn(1, time.Minute); took < grace {
				t.Errorf("n=%d seed %d: known after %s without the kernel's word", n, seed, took)
			}
			for _, x := range w.nodes {
				if x.connects > 0 {
					t.Error("NoKernel connects")
				}
			}
		}
	}
}

// A process that stands still is forgiven for as long as its host takes connections for it, up to
// the grace for stalls.
func TestStall(t *testing.T) {
	for _, n := range []int{2, 3, 8, 40} {
		for _, d := range []time.Duration{time.Second, 2 * time.Second, 5 * time.Second,
			8 * time.Second} {
			w := newWorld(t, n, 1, Config{})
			w.pause(1, d)
			w.Run(d + 20*time.Second)
			w.wantNoVerdict(d.String())
		}
		w := newWorld(t, n, 1, Config{})
		w.pause(1, time.Minute)
		took := w.firstVerdict(time.Minute)
		if took < 10*time.Second || took > 12*time.Second {
			t.Errorf("n=%d: a stall is known after %s", n, took)
		}
		w = newWorld(t, n, 1, Config{NoKernel: true})
		w.pause(1, 8*time.Second)
		w.Run(8 * time.Second)
		if len(w.verdicts) == 0 {
			t.Errorf("n=%d: without the kernel's word a stall of 8 s is forgiven: the test "+
				"shows nothing", n)
		}
	}
}

// firstVerdict lets the time pass until somebody reaches a verdict, and says how long it took.
func (w *world) firstVerdict(limit time.Duration) time.Duration {
	start := w.Now
	for len(w.verdicts) == 0 && w.Now.Sub(start) < limit {
		w.Run(10 * time.Millisecond)
	}
	return w.Now.Sub(start)
}

// The pinged side misses the ping: no crash has to wait until the last of those that ping the
// member have their turn.
func TestLease(t *testing.T) {
	slowest := map[bool]time.Duration{}
	for _, off := range []bool{false, true} {
		for seed := range uint64(20) {
			w := newWorld(t, 30, seed, Config{NoLease: off})
			w.crash(1)
			slowest[off] = max(slowest[off], w.knownIn(1, time.Minute))
		}
	}
	if slowest[false] > grace+period+100*time.Millisecond ||
		slowest[true] < slowest[false]+period/2 {
		t.Errorf("the slowest verdict takes %s with leases and %s without", slowest[false],
			slowest[true])
	}
}

// In a healthy cluster without loss nothing is doubted, and a node sends a ping and an ack a
// period.
func TestQuiet(t *testing.T) {
	w := newWorld(t, 30, 1, Config{})
	clear(w.packets)
	w.Run(time.Minute)
	if p := w.packets[wire.TypePing] + w.packets[wire.TypeInquiry]; p > 0 {
		t.Errorf("%d pings beside those with a lease, and inquiries", p)
	}
	pings, acks := w.packets[wire.TypeLease], w.packets[wire.TypeAck]
	if want := 30 * 100; pings < want-60 || pings > want+60 || acks < pings-30 || acks > pings+30 {
		t.Errorf("%d pings and %d acks in 100 periods of 30 nodes", pings, acks)
	}
	for _, x := range w.nodes {
		if x.d.Health() != 0 || len(x.d.accuser.alarms) > 0 || len(x.d.watch.watched) != 8 ||
			x.d.RTT() > time.Millisecond*2 {
			t.Errorf("m%d: health %d, %d alarms, %d watched, round trip %s", x.i, x.d.Health(),
				len(x.d.accuser.alarms), len(x.d.watch.watched), x.d.RTT())
		}
	}
}

// The watched change in the course of time, so that a seed is not watched by all for ever, and
// nobody is doubted for it.
func TestWatchedChange(t *testing.T) {
	w := newWorld(t, 30, 1, Config{})
	ever := map[member.ID]bool{}
	for range changeEvery * 8 * 24 { // two dozen changes
		w.Run(period)
		for _, x := range w.nodes[0].d.watch.watched {
			ever[x.peer.ID] = true
		}
	}
	if len(ever) < 20 || w.packets[wire.TypeInquiry] > 0 {
		t.Errorf("with two dozen changes %d members were watched; %d inquiries", len(ever),
			w.packets[wire.TypeInquiry])
	}
}

// Each of the watched is exchanged in its time, also where the one that is due is a link to another
// zone, which stays.
func TestEachOfTheWatchedChanges(t *testing.T) {
	for _, link := range []bool{false, true} {
		w := newWorld(t, 30, 1, Config{})
		w.Run(20 * period) // all of them are found
		d := w.nodes[0].d
		first := slices.Clone(d.watch.watched)
		d.watch.watched[3].link = link
		for range (changeEvery*9 + 2) * len(first) { // for a link one more is watched
			w.Run(period)
		}
		for i := range first {
			if kept := d.watch.watched[i].peer == first[i].peer; kept != (link && i == 3) {
				t.Errorf("with a link %v: in turn %d %s is kept: %v", link, i,
					first[i].peer.Addr, kept)
			}
		}
	}
}

// A change of the watched leaves no turn without a promise: whenever a member dies, some lease
// lapses within a period.
func TestChangeKeepsPromises(t *testing.T) {
	w := newWorld(t, 30, 1, Config{})
	for range changeEvery * 8 * 2 { // two changes
		w.Run(period)
		var due []mono.Time
		for _, x := range w.nodes[1:] {
			for _, l := range x.d.watch.leases {
				if l.peer.ID == id(0) {
					due = append(due, l.due)
				}
			}
		}
		slices.Sort(due)
		for i, at := range due[1:] {
			if gap := at.Sub(due[i]); gap > period+200*time.Millisecond {
				t.Fatalf("of %d promises one lapses %s after the one before", len(due), gap)
			}
		}
	}
}

// A live member that can be reached by most is never failed, however many packets are lost: over
// many seeds.
func TestAccuracyUnderLoss(t *testing.T) {
	seeds, span := uint64(size.Of(3, 8, 100)), 2*time.Minute
	for _, loss := range []float64{0.1, 0.3, 0.5} {
		for _, n := range []int{3, 5, 9, 20} {
			for seed := range seeds {
				w := newWorld(t, n, seed, Config{})
				w.loss = loss
				w.Run(span)
				w.wantNoVerdict("loss")
			}
		}
	}
}

// The same without the jury shows that the test can fail, and what the jury is for.
func TestJuryIsWhatHelps(t *testing.T) {
	failures := 0
	for seed := range uint64(3) {
		w := newWorld(t, 20, seed, Config{NoJury: true, NoAdaptiveAttempts: true, NoKernel: true})
		w.loss = 0.7
		w.Run(2 * time.Minute)
		failures += len(w.verdicts)
	}
	if failures == 0 {
		t.Error("a node that judges alone makes no mistakes at 70 % loss")
	}
}

// Crashes are found at 50 % loss too, about as fast.
func TestCrashUnderLoss(t *testing.T) {
	for seed := range uint64(10) {
		w := newWorld(t, 20, seed, Config{})
		w.loss = 0.5
		w.Run(time.Minute) // it gets to know the loss
		w.crash(1)
		if took := w.knownIn(1, time.Minute); took < 0 || took > 3*time.Second {
			t.Errorf("seed %d: known to all after %s", seed, took)
		}
	}
}
