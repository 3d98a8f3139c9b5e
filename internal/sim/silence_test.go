package sim

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/inquest"
	"github.com/starling-gossip/starling/internal/size"
)

// threeZones is a run of three zones of 20, 20 to 40 ms apart.
func threeZones(t *testing.T, seed uint64, duration time.Duration, actions ...string) *Report {
	t.Helper()
	o := Options{Nodes: 60, Zones: 3, Seed: seed, Warm: true, Duration: duration}
	if err := o.Network.Map("three", 3); err != nil {
		t.Fatal(err)
	}
	for _, text := range actions {
		a, err := ParseAction(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Actions = append(o.Actions, a)
	}
	r, err := Run(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range r.Violations {
		t.Errorf("seed %d: %s", seed, v)
	}
	return r
}

// silences runs it, and wants somebody to be told of a silence.
func silences(t *testing.T, seed uint64, d time.Duration, actions ...string) *Report {
	t.Helper()
	r := threeZones(t, seed, d, actions...)
	if r.Silences == nil {
		t.Fatalf("seed %d: nobody was told of a silence", seed)
	}
	return r
}

// A zone is cut off for a minute. That is told once at each node of the other zones, and each node
// in it is told of these. No member is failed for it, and all hear each other soon after. A crash
// meanwhile is known as soon as ever.
func TestZoneCutOff(t *testing.T) {
	for seed := range uint64(2) {
		for _, crash := range []bool{false, true} {
			actions := []string{"5s=cut:z1/rest,for=60s"}
			if crash {
				actions = append(actions, "30s=crash:n6") // of zone 0
			}
			r := silences(t, seed, 90*time.Second, actions...)
			s := r.Silences
			told := 20 + 20 + 2*20
			if crash {
				told-- // n6 was told too, and is up no more
			}
			sum := 0.0
			for _, n := range s.Each {
				sum += n
			}
			if int(sum) != told || s.Least != 1 || s.Most != 2 {
				t.Errorf("seed %d: %g silences told, %g to %g a node", seed, sum, s.Least, s.Most)
			}
			for _, at := range s.Told {
				if at < 5 || at > 25 {
					t.Errorf("seed %d: told at %g s", seed, at)
				}
			}
			for _, at := range s.Heard {
				if at < 65 || at > 70 {
					t.Errorf("seed %d: heard at %g s", seed, at)
				}
			}
			if len(s.Heard) < told || r.LiveFailures != 0 {
				t.Errorf("seed %d: %d heard, %d of the living failed", seed, len(s.Heard),
					r.LiveFailures)
			}
		}
	}
}

// A zone that crashed is failed when its grace is over, and not before.
func TestZoneCrashed(t *testing.T) {
	grace := inquest.DefaultZoneGrace
	r := silences(t, 3, grace+60*time.Second, "5s=crash:z2")
	if s := r.Silences; s.Least != 1 || s.Most != 1 || len(s.Heard) != 0 {
		t.Errorf("%+v", s)
	}
	c := r.Crashes
	if c.Count != 20 || c.Ratio != 1 || c.Known50.P50 < Seconds(grace.Seconds()) ||
		c.Known100.Max > Seconds(grace.Seconds()+50) {
		t.Errorf("%+v", c)
	}
}

// A way between zones that comes and goes fails nobody, in whichever moment of an examination it
// comes back.
func TestZoneComesAndGoes(t *testing.T) {
	seeds := size.Of(8, 8, 16)
	for _, cut := range []string{
		"5s=cut:z1/rest,for=6s,every=15s,times=8",
		"5s=cut:z1/rest,for=5s,every=12s,times=10",
	} {
		told := 0 // in how many runs anybody was: that takes 5 to 15 s
		for seed := range uint64(seeds) {
			r := threeZones(t, seed, 130*time.Second, cut)
			if r.LiveFailures != 0 {
				t.Errorf("%s, seed %d: %d of the living failed", cut, seed, r.LiveFailures)
			}
			if r.Silences != nil {
				told++
			}
		}
		if told < seeds*7/8 {
			t.Errorf("%s: in %d of %d runs anybody was told of a silence", cut, told, seeds)
		}
	}
}
