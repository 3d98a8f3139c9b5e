package swim

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect/detecttest"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Lifeguard, table I: +1 for each nack missed, or for a failed probe that had none to expect; −1
// for a good probe.
func TestLocalHealth(t *testing.T) {
	for _, c := range []struct {
		n, nacks, want int
		cfg            Config
	}{
		{10, 0, 3, Config{}},
		{10, 1, 2, Config{}},
		{10, 3, 0, Config{}}, // the helpers are well and say so: this node is too
		{10, 3, 1, Config{NoNack: true}},
		{10, 0, 1, Config{NoIndirectPing: true}},
		{10, 0, 0, Config{NoLocalHealth: true}},
		{2, 0, 1, Config{}}, // nobody to ask
		{10, 0, 5, Config{Indirect: 5}},
	} {
		f := newFake(t, c.n, c.cfg)
		p := f.nextPing()
		for f.d.probe.seq == p.Seq() && f.d.probe.target.ID != 0 {
			f.Now = max(f.Now, f.d.Deadline())
			if f.Now >= f.d.tick { // end this probe, do not begin another
				f.d.probeFailed(f.Now)
				break
			}
			f.d.Wake(f.Now)
			for i, s := range f.Sent {
				if s.Kind == wire.TypePingReq && i < c.nacks {
					f.receive(f.index(s.To), wire.TypeNack, p.Seq())
				}
			}
			f.Sent = nil
		}
		if f.d.Health() != c.want {
			t.Errorf("%+v: health %d", c, f.d.Health())
		}
	}
}

func TestHealthIsBoundedAndRecovers(t *testing.T) {
	f := newFake(t, 10, Config{})
	for range 20 {
		f.d.heal(3)
	}
	if f.d.Health() != maxHealth {
		t.Errorf("health %d", f.d.Health())
	}
	// A node in bad health probes more slowly and gives more time.
	f.nextPing()
	start := f.Now
	f.wake()
	if waited := f.Now.Sub(start); f.count(wire.TypePingReq) == 0 ||
		waited != (maxHealth+1)*(period/3) {
		t.Errorf("asked others after %s", waited)
	}
	f.run(time.Minute, f.ackAll)
	if f.d.Health() != 0 {
		t.Errorf("health %d after a minute of acks", f.d.Health())
	}
	p := f.nextPing()
	f.ackAll(p)
	q := f.nextPing()
	if gap := q.At.Sub(p.At); gap != period {
		t.Errorf("period %s in good health", gap)
	}
}

func TestBadHealthSlowsProbes(t *testing.T) {
	f := newFake(t, 10, Config{})
	f.nextPing()
	f.d.probe = probe{}
	f.d.health = 3
	p := f.nextPing()
	f.d.probe = probe{}
	q := f.nextPing()
	if gap := q.At.Sub(p.At); gap != 4*period {
		t.Errorf("period %s in health 3", gap)
	}
}

// A node that stood still blames nobody for what it was not there to hear.
func TestStall(t *testing.T) {
	const gap = 5 * time.Second
	f := newFake(t, 10, Config{})
	f.run(20*period, f.ackAll)
	f.suspect(7, 1)
	left, start := f.left(7), f.Now
	p := f.nextPing()
	tick, rto, end := f.d.tick, f.d.probe.rto, f.d.probe.end
	ran := f.Now.Sub(start)
	f.askFor(1, 2, 5)
	r := f.d.relays[0]
	f.Now = f.Now.Add(gap)
	f.d.Stalled(f.Now, gap)
	for what, moved := range map[string][2]mono.Time{
		"the period":    {tick, f.d.tick},
		"the timeout":   {rto, f.d.probe.rto},
		"the probe":     {end, f.d.probe.end},
		"a relay":       {r.end, f.d.relays[0].end},
		"a relay's own": {r.nackAt, f.d.relays[0].nackAt},
	} {
		if moved[1].Sub(moved[0]) != gap {
			t.Errorf("%s moved by %s", what, moved[1].Sub(moved[0]))
		}
	}
	if now := f.left(7); now != left-ran {
		t.Errorf("the suspect had %s, and has %s", left-ran, now)
	}
	before := f.d.RTT()
	f.receive(f.index(p.To), wire.TypeAck, p.Seq())
	if f.d.RTT() != before {
		t.Error("the stall was measured as a round trip")
	}

	f = newFake(t, 10, Config{NoStallShift: true})
	f.nextPing()
	end = f.d.probe.end
	f.d.Stalled(f.Now, gap)
	if f.d.probe.end != end {
		t.Error("deadlines moved though that is off")
	}
}

func TestRandomTargets(t *testing.T) {
	f := newFake(t, 10, Config{RandomTargets: true})
	seen, again := map[string]int{}, false
	last := ""
	for range 500 {
		p := f.nextPing()
		f.ackAll(p)
		n := detecttest.Name(f.index(p.To))
		seen[n]++
		again = again || n == last
		last = n
	}
	if len(seen) != 9 || !again { // a shuffled round repeats itself only where two meet
		t.Errorf("%d members probed, one twice running: %v", len(seen), again)
	}
}

func TestLonelyDetector(t *testing.T) {
	f := newFake(t, 1, Config{})
	f.run(time.Minute, nil)
	if len(f.Sent) > 0 {
		t.Error("it pings itself")
	}
}

func TestConfigDefaultsAndBounds(t *testing.T) {
	c := Config{Confirm: 100, Period: -1, Beta: 0.5}.withDefaults()
	if c.Confirm != maxConfirm || c.Period != period || c.Beta != 6 || c.Alpha != 1.5 ||
		c.Indirect != 3 || c.MinRTO != 50*time.Millisecond {
		t.Errorf("%+v", c)
	}
}
