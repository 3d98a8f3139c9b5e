package sim

import (
	"bytes"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/size"
)

// storm is a run in which much happens.
func storm(seed uint64) Options {
	o := Options{Nodes: 24, Zones: 3, Seeds: 2, Seed: seed, Duration: 30 * time.Second,
		Network: WAN(3)}
	o.Network.Within.Loss, o.Network.Between.Dup = 0.05, 0.05
	o.Network.Within.Burst = Burst{Good: 5 * time.Second, Bad: 100 * time.Millisecond, Loss: 0.9}
	for _, text := range []string{"1s=crash:2,for=5s", "2s=pause:3,for=3s",
		"4s=cut:z1/rest,for=6s", "5s=slow:2,for=5s,cost=20ms",
		"6s=start:5", "7s=leave:2", "8s=publish:1,every=2s,times=5", "9s=move:n3/n4"} {
		a, err := ParseAction(text)
		if err != nil {
			panic(err)
		}
		o.Actions = append(o.Actions, a)
	}
	return o
}

// Equal options make an equal run, to the last byte, for any number of workers, watched or not.
func TestTraceIsReproducible(t *testing.T) {
	for seed := range uint64(size.Of(1, 3, 3)) {
		first := run(t, storm(seed))
		for name, change := range map[string]func(*Options){
			"again":       func(*Options) {},
			"two workers": func(o *Options) { o.Workers = 2 },
			"five":        func(o *Options) { o.Workers = 5 },
			"unchecked":   func(o *Options) { o.Unchecked = true },
			"traced":      func(o *Options) { o.Trace = new(bytes.Buffer) },
		} {
			o := storm(seed)
			change(&o)
			r := run(t, o)
			if r.Trace != first.Trace || r.Events != first.Events {
				t.Errorf("seed %d, %s: trace %s and %d events, before %s and %d", seed, name,
					r.Trace, r.Events,
					first.Trace, first.Events)
			}
			if name == "two workers" && (r.Crashes != first.Crashes ||
				r.Messages != first.Messages) {
				t.Errorf("seed %d, %s: another report:\n%+v\n%+v", seed, name, r, first)
			}
		}
		if other := run(t, storm(seed+100)); other.Trace == first.Trace {
			t.Errorf("seeds %d and %d have the same trace", seed, seed+100)
		}
	}
}

// A storm of many nodes, too: then the queues are long.
func TestStormIsReproducible(t *testing.T) {
	o := Options{Nodes: 400, Seed: 1, Settle: time.Millisecond, Duration: time.Millisecond,
		Unchecked: true}
	one := run(t, o)
	o.Workers = 2
	if two := run(t, o); two.Trace != one.Trace {
		t.Errorf("one worker: %s, two: %s", one.Trace, two.Trace)
	}
}

func run(t *testing.T, o Options) *Report {
	t.Helper()
	r, err := Run(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The named scenarios end well.
func TestLibrary(t *testing.T) {
	for _, s := range Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			o := Options{Nodes: 40, Seed: 1}
			if err := Named(s.Name, &o); err != nil {
				t.Fatal(err)
			}
			// the quiet that the checkers wait for
			o.Duration = max(o.Duration, 60*time.Second) + 65*time.Second
			if r := run(t, o); len(r.Violations) > 0 {
				t.Errorf("%s\n%s", list(r.Violations), command(t, o))
			}
		})
	}
}
