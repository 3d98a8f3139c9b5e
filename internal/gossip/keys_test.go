package gossip

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// sameKeys says whether all nodes hold the same keys.
func (w *world) sameKeys() bool {
	want := w.nodes[0].Keys().Fingerprint()
	return !slices.ContainsFunc(w.nodes,
		func(p *peer) bool { return p.Keys().Fingerprint() != want })
}

// keyed is one node alone, for tests of its own keys.
func keyed(t *testing.T) *Node {
	t.Helper()
	n, err := New(nil, Self{Name: "wren", Generation: 7,
		Addr: netip.MustParseAddrPort("10.0.0.1:7747")}, rand.NewPCG(1, 7), rand.NewPCG(3, 4))
	if err != nil {
		t.Fatal(err)
	}
	var out Outbox
	n.Wake(0, &out)
	return n
}

func TestOwnKeys(t *testing.T) {
	n := keyed(t)
	var out Outbox
	must := func(c Command) {
		t.Helper()
		if err := n.Do(Time(time.Second), c, &out); err != nil {
			t.Fatal(err)
		}
	}
	must(Set{Key: "load", Value: []byte("1")})
	must(Set{Key: "load", Value: []byte("2")})
	must(Set{Key: "brief", Value: []byte("x"), TTL: time.Minute})
	must(Set{Key: "gone"})
	must(Delete{Key: "gone"})
	if v, ok := n.Keys().Get(n.id, "load"); !ok || v.Value != "2" || v.Version != 2 || v.TTL != 0 {
		t.Errorf("load is %+v, %t", v, ok)
	}
	if _, ok := n.Keys().Get(n.id, "gone"); ok {
		t.Error("a deleted key is there")
	}
	var keys []string
	for id, v := range n.Keys().All() {
		if id != n.id {
			t.Errorf("a key of %v", id)
		}
		keys = append(keys, v.Key)
	}
	if got := strings.Join(keys, " "); got != "load brief" {
		t.Errorf("the keys are %q", got)
	}
	out.Reset()
	for n.Deadline() <= Time(62*time.Second) {
		n.Wake(n.Deadline(), &out)
	}
	lapsed := 0
	for _, e := range out.Events {
		if e.Kind == KeyChanged && e.Key.Key == "brief" && e.Key.Gone && e.Key.OwnerName == "wren" {
			lapsed++
		}
	}
	if _, ok := n.Keys().Get(n.id, "brief"); ok || lapsed != 1 {
		t.Errorf("the key is there: %t; %d events told that it lapsed", ok, lapsed)
	}
}

func TestKeysRefused(t *testing.T) {
	n := keyed(t)
	var out Outbox
	for _, c := range []struct {
		cmd  Command
		want error
	}{
		{Set{Key: ""}, ErrKey},
		{Set{Key: strings.Repeat("k", MaxKey+1)}, ErrKey},
		{Set{Key: "k", Value: make([]byte, MaxValue+1)}, ErrValue},
		{Set{Key: "k", TTL: time.Microsecond}, ErrTTL},
		{Delete{Key: "k"}, ErrNoKey},
	} {
		if err := n.Do(0, c.cmd, &out); !errors.Is(err, c.want) {
			t.Errorf("%T: %v", c.cmd, err)
		}
	}
	for i := range 5 {
		err := n.Do(0, Set{Key: string(rune('a' + i)), Value: make([]byte, MaxValue)}, &out)
		if want := i >= 3; errors.Is(err, ErrStateFull) != want {
			t.Errorf("the value %d: %v", i, err)
		}
	}
	if err := n.Do(0, Set{Key: "a", Value: make([]byte, MaxValue)}, &out); err != nil {
		t.Errorf("overwriting: %v", err)
	}
}
