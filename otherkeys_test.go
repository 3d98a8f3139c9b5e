package starling_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/starling-gossip/starling"
)

// A newcomer whose key is not that of a seed is told which seed, and what is wrong: in the log, in
// the error of the waiting call, and in Info. A node that is in is told it of the seeds that a Join
// names.
func TestOtherKeysAreTold(t *testing.T) {
	one, two, three := starling.GenerateKey(), starling.GenerateKey(), starling.GenerateKey()
	ring := func(keys ...starling.Key) *starling.KeyRing {
		if len(keys) == 0 {
			return nil
		}
		r, err := starling.NewKeyRing(keys...)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, c := range []struct {
		name       string
		own, seeds []starling.Key
		want       string
	}{
		{"another", []starling.Key{two}, []starling.Key{one}, "sealed with another key"},
		{"no key of two", []starling.Key{two, three}, []starling.Key{one},
			"sealed with another key"},
		{"none here", nil, []starling.Key{one}, "sealed with a key, and this node has none"},
		{"none there", []starling.Key{one}, nil, "does not seal, and this node does"},
		{"sealing with what the seed lacks", []starling.Key{two, one}, []starling.Key{one},
			"lacks the key with which this node seals"},
		{"opening what the seed seals no more", []starling.Key{one},
			[]starling.Key{two, one}, "sealed with another key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := &heard{line: make(chan string, 64)}
			knocks := &heard{line: make(chan string, 64)}
			seed := start(t, starling.Config{Name: "seed", KeyRing: ring(c.seeds...),
				Logger: slog.New(knocks)})
			n, err := starling.Start(starling.Config{Name: "n", Bind: "127.0.0.1:0",
				Seeds: []string{addr(seed)}, KeyRing: ring(c.own...), Logger: slog.New(log)})
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			log.wait(t, "a seed has another key than this node")
			if len(c.seeds) < 2 { // else the seed opens what it is sent
				knocks.wait(t, "dropping datagrams: do all members have the same key?")
			}
			want := "the seed at " + addr(seed) + " " + c.want
			told := func(words []string) bool {
				return slices.ContainsFunc(words,
					func(w string) bool { return strings.HasPrefix(w, want) })
			}
			if words := n.Info().OtherKeys; !told(words) {
				t.Errorf("info says %q, want %q", words, want)
			}
			if i := n.Info(); !strings.Contains(i.Refused, want) || i.RefusedFor != "key" {
				t.Errorf("it is not in for %q: %q, want %q", i.RefusedFor, i.Refused, want)
			}
			ctx, cancel := context.WithCancel(within(t))
			cancel()
			if err := n.Welcomed(ctx); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("who waits hears %v, want %q", err, want)
			}

			// A node that is in, and is told to join that seed as well.
			in := start(t, starling.Config{Name: "in", KeyRing: ring(c.own...),
				Logger: slog.New(log)})
			ctx, cancel = context.WithCancel(within(t))
			defer cancel()
			failed := make(chan error, 1)
			go func() { failed <- in.Join(ctx, addr(seed)) }()
			log.wait(t, "a seed has another key than this node")
			cancel()
			if err := <-failed; err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("a Join fails with %v, want %q", err, want)
			}
		})
	}

	// One of two seeds: it is let in by the other, and told of this one all the same.
	good, bad := start(t, starling.Config{Name: "good", KeyRing: ring(one)}), start(t,
		starling.Config{Name: "bad", KeyRing: ring(two)})
	log := &heard{line: make(chan string, 64)}
	n := start(t, starling.Config{Name: "n", Seeds: []string{addr(bad), addr(good)},
		KeyRing: ring(one), Logger: slog.New(log)})
	log.wait(t, "a seed has another key than this node")
	if words := n.Info().OtherKeys; len(words) != 1 ||
		!strings.Contains(words[0], addr(bad)) || !n.Info().Welcomed {
		t.Errorf("%q, welcomed: %t", words, n.Info().Welcomed)
	}

	// A ring of which only the old key differs is no matter, to either.
	a := start(t, starling.Config{Name: "a", KeyRing: ring(one, two)})
	b := start(t, starling.Config{Name: "b", KeyRing: ring(one, three), Seeds: []string{addr(a)}})
	for _, n := range []*starling.Node{a, b} {
		if words := n.Info().OtherKeys; len(words) > 0 || n.Info().Unopened > 0 {
			t.Errorf("%q, %d datagrams did not open", words, n.Info().Unopened)
		}
	}
}
