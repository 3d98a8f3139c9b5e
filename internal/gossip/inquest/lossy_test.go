package inquest

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Where packets are lost, and where a node is cut off for long.

// A process that stands still is forgiven though most of the connections to its host are lost, at
// any juror: the one that saw the host take one outweighs those that saw nothing.
func TestStallUnderLoss(t *testing.T) {
	for seed := range uint64(6) {
		w := newWorld(t, 40, seed, Config{})
		w.loss = 0.3
		w.Run(20 * time.Second)
		for range 4 {
			w.pause(1, 8*time.Second)
			w.Run(12 * time.Second)
		}
		w.wantNoVerdict("stalls under loss")
	}
}

// The word of one that saw the host take a connection holds back a verdict until the grace for
// stalls is over, and not against a refusal.
func TestExcused(t *testing.T) {
	c := Config{}.withDefaults()
	now := mono.Time(time.Hour)
	a := alarm{start: now.Add(-2 * time.Second), jury: jury{list: []juror{{spoken: true,
		word: wire.WordGuilty}, {spoken: true, word: wire.WordOpen}}}}
	if a.excused(now, &c) {
		t.Error("excused by nobody")
	}
	a.jury.list[1].vote.Cause = wire.CauseStalled
	if !a.excused(now, &c) {
		t.Error("not excused by a juror who saw that the process stands still")
	}
	if a.excused(now.Add(c.StallGrace), &c) {
		t.Error("excused for ever")
	}
	a.jury.list[0].vote.Cause = wire.CauseRefused
	if a.excused(now, &c) {
		t.Error("excused though the host said that nobody listens")
	}
}

// A promise outlives the loss of a ping, and is given up after three.
func TestPromiseOutlivesLoss(t *testing.T) {
	w := newWorld(t, 3, 1, Config{})
	x := w.nodes[0]
	w.Run(5 * time.Second)
	w.Cut = func(a, b int) bool { return true }
	x.d.watch.leases = x.d.watch.leases[:0]
	x.d.watch.promised(w.Now, w.peer(1), time.Second, true)
	for k, want := range []int{1, 1, 1, 0} {
		if len(x.d.watch.leases) != want {
			t.Errorf("after %d missed pings there are %d promises, want %d", k,
				len(x.d.watch.leases), want)
		}
		x.d.watch.missPings(w.Now.Add(time.Duration(k+1)*time.Second+500*time.Millisecond),
			&x.d.accuser)
	}
}

// What a node sends that hears of a cluster but for one other node as cut off as itself does not
// grow with the time: its hopeless inquests are held seldom.
func TestHopelessCasesCostLittle(t *testing.T) {
	w := newWorld(t, 60, 1, Config{})
	sent := 0
	w.Cut = func(a, b int) bool {
		if a == 0 {
			sent++
		}
		return (a < 2) != (b < 2)
	}
	w.Run(40 * time.Second)
	sent = 0
	w.Run(20 * time.Second)
	if perSecond := sent / 20; perSecond > 250 {
		t.Errorf("a node that is cut off sends %d datagrams a second", perSecond)
	} else {
		t.Logf("%d datagrams a second", perSecond)
	}
}

// The late acks of a process that stood still do not make the whole network slow.
func TestStallsDoNotSlowAlarms(t *testing.T) {
	w := newWorld(t, 10, 1, Config{})
	w.Run(10 * time.Second)
	w.pause(1, 5*time.Second)
	w.Run(6 * time.Second)
	for _, x := range w.nodes {
		if took := x.d.path.timeout(&x.d.cfg); took > 500*time.Millisecond {
			t.Errorf("after a stall m%d waits %s for an ack", x.i, took)
		}
	}
}
