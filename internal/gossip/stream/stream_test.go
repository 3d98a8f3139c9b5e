package stream

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

func payload(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7) ^ byte(i>>8) ^ seed
	}
	return b
}

func TestEverybodyGetsEverythingInOrder(t *testing.T) {
	w := newWorld(t, 1, 8, Config{})
	w.loss, w.lossAll, w.Twice = 0.3, 0.1, 0.1
	for i := range 200 {
		w.nodes[i%3].publish("t", fmt.Appendf(nil, "message %d", i))
		w.run(5*time.Millisecond, nil)
	}
	took, ok := w.run(20*time.Second, w.all(200))
	if !ok {
		t.Errorf("not all were delivered")
	}
	for _, n := range w.nodes {
		n.checkOrder()
		if len(n.lost) > 0 {
			t.Errorf("%s lost %v", n.Record.Name, n.lost)
		}
	}
	t.Logf("after %v; %d packets, %d bytes; %+v", took, w.packets, w.bytes, w.nodes[5].s.Stats())
}

// 1 MiB of which 5 % of the pieces were lost is there within a few round trips.
func TestLargeMessage(t *testing.T) {
	w := newWorld(t, 2, 4, Config{})
	w.loss = 0.05
	w.latency = 5 * time.Millisecond
	want := payload(MaxPayload, 1)
	p := w.nodes[0].publish("big", want)
	took, ok := w.run(5*time.Second, w.all(1))
	if !ok {
		t.Fatalf("not delivered; %+v", w.nodes[1].s.Stats())
	}
	for _, n := range w.nodes {
		if m := n.got[0]; !bytes.Equal(m.Payload, want) || string(m.Topic) != "big" ||
			m.Seq != 1 || m.First != p.First || m.Last != p.Last {
			t.Errorf("%s got another message", n.Record.Name)
		}
	}
	st := w.nodes[1].s.Stats()
	t.Logf("after %v; %d of %d pieces pulled by %d requests, %d useless", took, st.Pulled,
		p.Last, st.Pulls, st.Useless)
	if took > 20*time.Millisecond+120*time.Millisecond+10*20*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}

// A lost tail, which no later piece shows, is noticed within two probe periods.
func TestLostTail(t *testing.T) {
	w := newWorld(t, 3, 16, Config{})
	w.publishAndSettle(5)
	n := w.nodes[7]
	w.Cut = func(from, to *node) bool { return to == n }
	w.nodes[0].publish("t", []byte("the last"))
	w.run(10*time.Millisecond, nil)
	w.Cut = nil
	took, ok := w.run(time.Minute, func() bool { return len(n.got) == 6 })
	t.Logf("after %v", took)
	if !ok || took > 2*probeEvery+100*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}

func (w *world) publishAndSettle(count int) {
	w.tb.Helper()
	for i := range count {
		w.nodes[0].publish("t", fmt.Appendf(nil, "message %d", i))
	}
	if _, ok := w.run(10*time.Second, w.all(count)); !ok {
		w.tb.Fatal("no beginning")
	}
}

// A member that sleeps for 20 s under 200 messages a second has all of them, in order, within a
// second after it wakes. The others hold it failed at first, and pass over what it asks.
func TestPause(t *testing.T) {
	for _, latency := range []time.Duration{250 * time.Microsecond, 10 * time.Millisecond} {
		w := newWorld(t, 4, 12, Config{})
		w.latency = latency
		n := w.nodes[5]
		sent := 0
		publish := func(d time.Duration) {
			for range d / (5 * time.Millisecond) {
				w.nodes[sent%4].publish("t", payload(128, byte(sent)))
				sent++
				w.run(5*time.Millisecond, nil)
			}
		}
		publish(time.Second)
		n.sleep()
		publish(20 * time.Second)
		n.wake(20 * time.Second)
		woke := w.Now
		w.Cut = func(from, _ *node) bool {
			return from == n &&
				w.Now.Sub(woke) < 150*time.Millisecond
		}
		caught := func() bool { return len(n.got) >= sent-20 }
		for !caught() && w.Now.Sub(woke) < 10*time.Second {
			publish(50 * time.Millisecond)
		}
		took := w.Now.Sub(woke)
		w.run(2*time.Second, func() bool { return len(n.got) == sent })
		n.checkOrder()
		st := n.s.Stats()
		t.Logf("latency %v: caught up %d messages after %v; %d pulls, %d timed out, %d pulled, "+
			"%d useless", latency, sent, took,
			st.Pulls, st.TimedOut, st.Pulled, st.Useless)
		if len(n.got) != sent || len(n.lost) > 0 || took > time.Second {
			t.Errorf("it has %d of %d after %v, and lost %v", len(n.got), sent, took, n.lost)
		}
	}
}
