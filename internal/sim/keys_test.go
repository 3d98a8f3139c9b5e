package sim

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// Keys that are written, deleted and cut off reach all in the end; the checkers look on.
func TestKeysReachAll(t *testing.T) {
	o := Options{Nodes: 40, Warm: true, Seed: 3, Duration: 100 * time.Second, Actions: []Action{
		{At: time.Second, Do: Set, Who: Who{Kind: All}, Keys: 4, Bytes: 20,
			Every: 500 * time.Millisecond, Times: 10},
		{At: 4 * time.Second, Do: Cut, Who: Nodes(38, 39), Peer: Who{Kind: Rest},
			For: 20 * time.Second},
		{At: 8 * time.Second, Do: Unset, Who: Nodes(0, 1, 2), Keys: 3, Every: time.Second,
			Times: 3},
		{At: 15 * time.Second, Do: Set, Who: Nodes(0), TTL: 30 * time.Second},
	}}
	o.Gossip.Keys.Tombstone = 5 * time.Second
	r, err := Run(o)
	if err != nil {
		t.Fatal(err)
	}
	// a delete whose tombstone is forgotten by the time that the cut ends is not told to nodes that
	// were cut off
	if k := r.Keys; len(r.Violations) > 0 || k == nil || k.Ratio < 0.95 || !k.Equal ||
		k.Resets == 0 || k.Writes < 400 {
		t.Errorf("%+v, %v", k, r.Violations)
	}
}

// Hand-written histories that must not pass.
func TestKeysChecker(t *testing.T) {
	kept := func(at time.Duration, node, owner int32, version uint64, key string, hash uint64,
		gone bool) *Obs {
		return &Obs{At: gossip.Time(at), Kind: Kept, Node: node, Member: owner,
			After: Holding{Gen: 1}, Seq: version, Text: key, Hash: hash, Told: gone}
	}
	for name, last := range map[string]*Obs{
		"beside a later write": kept(3, 1, 0, 6, "c", 9, false),
		"never written":        kept(3, 1, 0, 9, "a", 7, false),
		"another value":        kept(3, 1, 0, 2, "a", 8, false),
		"deleted, comes back":  kept(3, 1, 0, 1, "a", 6, false),
		"of another key":       kept(3, 1, 0, 2, "b", 7, false),
	} {
		c := newKeysKept(0)
		l := newLedger(2, false)
		for _, o := range []*Obs{
			kept(1, 0, 0, 1, "a", 6, false), kept(1, 0, 0, 2, "a", 7, false), kept(1, 0, 0, 3,
				"a", 0, true),
			kept(2, 1, 0, 1, "a", 6, false), kept(2, 1, 0, 2, "a", 7, false), kept(2, 1, 0, 3,
				"a", 0, true),
			kept(2, 0, 0, 4, "b", 8, false), kept(2, 1, 0, 4, "b", 8, false), kept(2, 0, 0, 5,
				"b", 0, true), kept(2, 0, 0, 6, "c", 9, false),
		} {
			if what := c.Take(l, o); what != "" {
				t.Fatal(what)
			}
		}
		if c.Take(l, last) == "" {
			t.Errorf("%s: passes", name)
		}
	}
}

// What a process wrote that was in the same generation before is not of the life that the next
// takes.
func TestKeysCheckerOfTwins(t *testing.T) {
	obs := func(kind ObsKind, node int32, gen, version uint64, key string) *Obs {
		return &Obs{Kind: kind, Node: node, After: Holding{Gen: gen}, Seq: version, Text: key}
	}
	c := newKeysKept(0)
	l := newLedger(2, false)
	for _, o := range []*Obs{
		obs(Started, 0, 1, 0, ""), obs(Kept, 0, 1, 1, "a"), obs(Kept, 1, 1, 1, "a"),
		obs(Started, 0, 1, 0, ""), obs(Own, 0, 2, 0, ""), obs(Kept, 0, 2, 1, "b"), obs(Kept, 1,
			2, 1, "b"),
		obs(Started, 0, 2, 0, ""), obs(Own, 0, 3, 0, ""),
	} {
		if what := c.Take(l, o); what != "" {
			t.Fatal(what)
		}
	}
	if c.Take(l, obs(Kept, 1, 3, 1, "b")) == "" {
		t.Error("what the process before wrote passes")
	}
}

// What the first of two processes in one generation wrote is held, and lapses, after the second
// wrote the same versions there.
func TestKeysCheckerOfOneGeneration(t *testing.T) {
	obs := func(kind ObsKind, node int32, gen, version uint64, key string) *Obs {
		return &Obs{Kind: kind, Node: node, After: Holding{Gen: gen}, Seq: version, Text: key}
	}
	c := newKeysKept(0)
	l := newLedger(2, false)
	lapsed := obs(Kept, 1, 2, 1, "a")
	lapsed.Told = true
	for _, o := range []*Obs{
		obs(Started, 0, 1, 0, ""), obs(Own, 0, 2, 0, ""), obs(Kept, 0, 2, 1, "a"), obs(Kept, 1,
			2, 1, "a"),
		obs(Started, 0, 1, 0, ""), obs(Own, 0, 2, 0, ""), obs(Kept, 0, 2, 1, "b"), lapsed,
	} {
		if what := c.Take(l, o); what != "" {
			t.Fatal(what)
		}
	}
	if c.Take(l, obs(Kept, 1, 2, 1, "c")) == "" {
		t.Error("what neither of them wrote passes")
	}
}

// Strangers alone are left in the end: no node of the cluster has a share in the figures, which are
// numbers that JSON knows.
func TestKeysReportOfNobody(t *testing.T) {
	who := Who{Kind: All}
	r, err := Run(Options{Nodes: 3, Seed: 1, Duration: 20 * time.Second, Actions: []Action{
		{At: time.Second, Do: Set, Who: who, Keys: 2, Bytes: 20},
		{At: 5 * time.Second, Do: Invade, Who: Any(1)},
		{At: 10 * time.Second, Do: Kill, Who: who},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(r); err != nil || r.Keys == nil || r.Up != 0 {
		t.Errorf("%v; %d up, %+v", err, r.Up, r.Keys)
	}
}
