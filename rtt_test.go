package starling_test

// This file tests how far real nodes hold each other to be. The sim tests how good that is.

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling"
)

func TestRTT(t *testing.T) {
	nodes := cluster(t, 4, starling.Config{Zone: "eu/1"})
	start(t, starling.Config{Name: "far", Zone: "us", Seeds: []string{addr(nodes[0])}})
	for _, n := range nodes {
		stateIs(t, n, "far", starling.Alive)
	}
	ctx := within(t)
	for _, to := range []string{"n1", "n2", "far"} {
		r, err := nodes[0].RTT(ctx, to)
		if err != nil || r.Estimate <= 0 || r.Error <= 0 || r.Error > 1 || r.Measured <= 0 {
			t.Errorf("from n0 to %s: %+v, %v", to, r, err)
		}
		if back, err := nodes[0].RTTBetween(ctx, to, "n0"); err != nil || back.Measured <= 0 {
			t.Errorf("from %s to n0: %+v, %v", to, back, err)
		}
	}
	for _, pair := range [][2]string{{"n1", "n3"}, {"n3", "far"}} {
		if r, err := nodes[0].RTTBetween(ctx, pair[0], pair[1]); err != nil ||
			r.Estimate <= 0 || r.Measured != 0 {
			t.Errorf("between %s: %+v, %v", pair, r, err)
		}
	}
	for _, same := range []string{"n0", "n1"} {
		if r, err := nodes[0].RTTBetween(ctx, same, same); err != nil || r != (starling.RTT{}) {
			t.Errorf("from %s to itself: %+v, %v", same, r, err)
		}
	}
	if s := nodes[0].Info().Locations; s.Answered < 4 || s.Unanswered != 0 {
		t.Errorf("to know where 4 are it asked %+v", s)
	}
}

func TestNear(t *testing.T) {
	nodes := cluster(t, 5, starling.Config{})
	ctx := within(t)
	for _, center := range []string{"n0", "n3"} {
		all, err := nodes[0].Near(ctx, center)
		if err != nil || len(all) != 5 || all[0].Member.Name != center ||
			all[0].RTT != (starling.RTT{}) {
			t.Fatalf("near %s: %+v, %v", center, all, err)
		}
		for i, x := range all[1:] {
			if !x.Known || x.RTT.Estimate < all[i].RTT.Estimate ||
				(x.RTT.Measured > 0) != (center == "n0" || x.Member.Name == "n0") {
				t.Errorf("near %s: %+v", center, x)
			}
		}
	}
	some, err := nodes[0].Near(ctx, "n0", "n4", "nobody", "n2")
	if err != nil || len(some) != 2 {
		t.Errorf("of three names, two of members: %+v, %v", some, err)
	}
	nodes[4].Close()
	all, err := nodes[0].Near(ctx, "n0") // it is live or failed by now, and known
	if err != nil || len(all) < 4 {
		t.Errorf("%+v, %v", all, err)
	}
	if all, err = nodes[1].Near(ctx, "n1"); err != nil || len(all) < 4 { // it is asked, in vain
		t.Errorf("%+v, %v", all, err)
	}
	if len(all) == 5 && (all[4].Known || all[4].Member.Name != "n4") {
		t.Errorf("the dead one is not the last: %+v", all)
	}
}

// Calls that ask for the same at the same time cost one question.
func TestLocationsAreShared(t *testing.T) {
	nodes := cluster(t, 2, starling.Config{})
	ctx := within(t)
	ended, begin := make(chan error), time.Now()
	for range 50 {
		go func() {
			_, err := nodes[0].RTT(ctx, "n1")
			ended <- err
		}()
	}
	for range 50 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	// for so long the answer of a young member is good
	again := uint64(time.Since(begin) / (2 * time.Second))
	if s := nodes[0].Info().Locations; s.Answered < 1 || s.Answered > 1+again {
		t.Errorf("50 callers made it ask %+v", s)
	}
}

func TestRTTErrors(t *testing.T) {
	nodes := cluster(t, 5, starling.Config{})
	n, ctx := nodes[0], within(t)
	named := func(err error, name string, any ...error) {
		t.Helper()
		is := func(target error) bool { return errors.Is(err, target) }
		if !slices.ContainsFunc(any, is) || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want one of %v about %s", err, any, name)
		}
	}
	_, err := n.RTT(ctx, "nobody")
	named(err, `"nobody"`, starling.ErrNoMember)
	_, err = n.RTTBetween(ctx, "n1", "nobody")
	named(err, `"nobody"`, starling.ErrNoMember)
	_, err = n.Near(ctx, "nobody")
	named(err, `"nobody"`, starling.ErrNoMember)
	nodes[2].Close()
	_, err = n.RTT(ctx, "n2") // it takes half a second to be found dead
	named(err, `"n2"`, starling.ErrNoAnswer, starling.ErrNoMember)
	stateIs(t, n, "n2", starling.Failed)
	_, err = n.RTT(ctx, "n2")
	named(err, `"n2" has failed`, starling.ErrNoMember)
	if err := nodes[1].Leave(ctx); err != nil {
		t.Fatal(err)
	}
	stateIs(t, n, "n1", starling.Left)
	_, err = n.Near(ctx, "n1")
	named(err, `"n1" has left`, starling.ErrNoMember)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, err = n.RTT(ended, "n0")
	named(err, "", context.Canceled)
	n.Close()
	_, err = n.RTT(ctx, "n0")
	named(err, "", starling.ErrClosed)
}
