package multicast

import (
	"context"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// This file tests gossip and delegation, and what the meter says of a run.

func TestGossipPushesOnce(t *testing.T) {
	w := stage(t, "gossip:push:eager:blind:fanout=3:rounds=1:alone", Options{Nodes: 200})
	begin(w)
	pass(t, w, time.Second)
	if !w.g.Idle() || w.counts[data] != uint64(3*(len(w.got)+1)) {
		t.Errorf("%d have it, %d copies were sent", len(w.got)+1, w.counts[data])
	}
}

// Feedback and a counter: a node goes on until so many useless contacts.
func TestGossipCounts(t *testing.T) {
	w := stage(t, "gossip:push:eager:fanout=1:counter=2:every=5ms:alone", Options{Nodes: 100})
	begin(w)
	pass(t, w, time.Minute)
	if useless := w.copies - uint64(len(w.got)); !w.g.Idle() || w.counts[no] != useless ||
		useless < 2*uint64(len(w.got)) {
		t.Errorf("%d have it, %d copies were useless, %d answers said so", len(w.got), useless,
			w.counts[no])
	}
}

// A member that is offered the message asks one of those that offer it.
func TestGossipLazy(t *testing.T) {
	w := stage(t, "gossip:push:eager:blind:lazy:fanout=8:rounds=1:alone", Options{Nodes: 100})
	begin(w)
	pass(t, w, time.Second)
	if n := uint64(len(w.got)); w.counts[data] != n || w.counts[want] != n ||
		w.counts[offer] != 8*(n+1) {
		t.Errorf("%d have it: %d copies, %d asked for, %d offers", n, w.counts[data],
			w.counts[want], w.counts[offer])
	}
}

// A member that the rumor misses gets it by a digest, within some periods.
func TestGossipAntiEntropy(t *testing.T) {
	for _, name := range []string{"gossip:push:eager:blind:fanout=1:rounds=1", "delegation"} {
		w := stage(t, name, Options{Nodes: 50, Repair: 100 * ms})
		begin(w)
		pass(t, w, 3*time.Second)
		if !all(w) {
			t.Errorf("%s: %d of %d have it", name, len(w.got), w.due)
		}
	}
	// nothing was published: digests alone
	w := stage(t, "delegation", Options{Nodes: 10, Repair: 100 * ms})
	for _, m := range w.members {
		m.node.start()
	}
	w.members[0].has = true
	w.members[0].node.(*delegate).body = w.payload
	pass(t, w, 5*time.Second)
	if !all(w) {
		t.Errorf("by digests alone %d of %d have it", len(w.got), w.due)
	}
}

func TestPolicyText(t *testing.T) {
	p, err := parsePolicy("push-pull:eager:fanout=3:coin=4:every=7ms:offers=2")
	if err != nil || p.Fanout != 3 || p.Coin != 4 || p.every != 7*ms || p.offers != 2 ||
		!p.eager || p.Lazy {
		t.Errorf("%+v, %v", p, err)
	}
	for _, bad := range []string{"", "shove", "fanout=x", "fanout=-1", "every=0s",
		"every=soon", "push=1"} {
		if _, err := Parse("gossip:" + bad); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := Parse("gosip"); err == nil || !strings.Contains(err.Error(),
		"unicast, tree, srm") {
		t.Errorf("%v", err)
	}
	for _, name := range Policies {
		if _, err := Parse(name); err != nil {
			t.Error(err)
		}
	}
}

// Equal options give an equal outcome; all protocols bring the message to all of a small group,
// lossy or not.
func TestRunIsDeterministicAndWhole(t *testing.T) {
	for i := range Protocols {
		p := &Protocols[i]
		for _, o := range []Options{{Nodes: 60, Runs: 4},
			{Nodes: 60, Runs: 4, Loss: 0.2, Crashed: 0.1, Inner: 2}} {
			a, err := Run(context.Background(), p, o, nil)
			if err != nil {
				t.Fatal(err)
			}
			b, err := Run(context.Background(), p, o, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(a, b) {
				t.Errorf("%s: %+v and then %+v", p.Name, a, b)
			}
			if a.Whole != 4 || a.Delivered != 1 || a.T50.P50 > a.T99.P50 || a.T99.P50 > a.T100.P50 {
				t.Errorf("%s at %v: %+v", p.Name, o.Loss, a)
			}
			if want := 60 - int(o.Crashed*60) - o.Inner; a.Live != want {
				t.Errorf("%s: %d live, want %d", p.Name, a.Live, want)
			}
			if a.Busiest.Sent+a.Busiest.Received < a.Origin.Sent+a.Origin.Received ||
				a.Mean.SentBytes <= 0 {
				t.Errorf("%s: loads %+v, %+v, %+v", p.Name, a.Origin, a.Busiest, a.Mean)
			}
		}
	}
}

// With no loss and everybody up, what arrived is what was sent.
func TestMeterAddsUp(t *testing.T) {
	w := stage(t, "unicast", Options{Nodes: 30, Bytes: 100})
	begin(w)
	pass(t, w, time.Second)
	l := w.load()
	if l.origin.Sent != 29 || l.origin.Received != 29 || math.Abs(l.mean.Sent-58.0/30) > 1e-9 {
		t.Errorf("%+v", l)
	}
	if size := float64(28 + envelope + idSize + 2); l.origin.SentBytes != 29*(size+100) ||
		l.origin.ReceivedBytes != 29*size {
		t.Errorf("%+v", l.origin)
	}
}

func TestReached(t *testing.T) {
	r := &run{live: 9, got: []time.Duration{1 * ms, 2 * ms, 3 * ms, 4 * ms, 5 * ms, 6 * ms,
		7 * ms, 8 * ms}}
	for share, want := range map[float64]float64{0.1: 0, 0.5: 0.004, 0.9: 0.008, 1: math.Inf(1)} {
		if got := r.reached(share); got != want {
			t.Errorf("%g reached at %g, want %g", share, got, want)
		}
	}
}

func TestFront(t *testing.T) {
	at := func(bytes, t100 float64) *Result {
		return &Result{Mean: Load{SentBytes: bytes}, T100: Times{P50: Seconds(t100)}}
	}
	all := []*Result{at(1, 9), at(2, 5), at(3, 5), at(4, 1), at(0, math.Inf(1))}
	got := Front(all, func(r *Result) Seconds { return r.T100.P50 })
	if want := []bool{true, true, false, true, false}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestBadOptions(t *testing.T) {
	for want, o := range map[string]Options{
		"nodes 1":         {Nodes: 1},
		"bytes 2000":      {Bytes: 2000},
		"loss 1":          {Loss: 1},
		"left to receive": {Nodes: 10, Crashed: 0.9},
		"crash-inner -1":  {Inner: -1},
		"negative":        {Limit: -1},
	} {
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if o := (Options{}).Filled(); o.Nodes != 1000 || o.Retry < 3*ms || o.Retry > 10*ms {
		t.Errorf("%+v", o)
	}
	if at := gossip.Time(0); at.Add((&Options{Retry: ms}).backoff(9)) != gossip.Time(8*ms) {
		t.Error("the wait is not bounded")
	}
}
