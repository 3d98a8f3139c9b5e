package gossip

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/door"
	"github.com/starling-gossip/starling/internal/gossip/inquest"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
	"github.com/starling-gossip/starling/internal/size"
)

// sentTypes returns the first message's type and the address of each datagram that a datagram
// provokes at once.
func (w *world) sentTypes(p *peer, from netip.AddrPort, datagram []byte) (types []wire.Type,
	to []netip.AddrPort, bytes int) {
	before := w.onSend
	defer func() { w.onSend = before }()
	w.onSend = func(_ *peer, a netip.AddrPort, data []byte) {
		types, to, bytes = append(types, wire.Type(data[wire.HeaderSize])), append(to,
			a), bytes+len(data)
	}
	w.step(p, func(out *Outbox) { p.Receive(w.Now, from, datagram, out) })
	return types, to, bytes
}

// A Join without the right cookie changes nothing: it is answered by one Challenge, to the address
// in its record, that has no more bytes than the Join.
func TestJoinIsChallenged(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(5, nil)
	w.run(5 * time.Second)
	seed := nodes[0]
	victim := netip.MustParseAddrPort("10.6.6.6:7747")
	stranger := recordOf("x", 9, victim)
	taken := recordOf("n3", 1<<40, victim)
	late := w.provenJoin(seed, stranger)
	w.run(2*door.SecretLife + time.Second)
	// draws a new secret
	w.inject(seed, forge("y", 1, joinOf("starling", recordOf("y", 1, victim))))
	w.run(door.SecretLife + time.Second)
	wrong := wire.Join{Detector: uint8(INQUEST), Cluster: []byte("starling"), Number: 8,
		HasCookie: true, Cookie: 77}
	elsewhere := w.proof(seed, &wire.Join{Detector: uint8(INQUEST),
		Cluster: []byte("starling"), Number: 7}, recordOf("x", 9, forgedAddr))
	for what, j := range map[string][]byte{
		"no cookie":              joinOf("starling", stranger),
		"in a member's name":     joinOf("starling", taken),
		"a made-up cookie":       wire.AppendJoin(nil, &wrong, stranger, 0),
		"one of long ago":        late,
		"one of another address": wire.AppendJoin(nil, elsewhere, stranger, 0),
	} {
		name, gen := "x", uint32(9)
		if what == "in a member's name" {
			name, gen = "n3", uint32(taken.Generation)
		}
		len0, changes, events := seed.Table().Len(), seed.Table().Changes(), len(seed.events)
		_, claims, _ := seed.door.Held()
		d := forge(name, gen, j)
		types, to, bytes := w.sentTypes(seed, forgedAddr, d)
		if len(types) != 1 || types[0] != wire.TypeChallenge || to[0] != victim || bytes > len(d) {
			t.Errorf("%s: it is answered by %v to %v, %d bytes for %d", what, types, to, bytes,
				len(d))
		}
		if _, now, _ := seed.door.Held(); now != claims || seed.Table().Len() != len0 ||
			seed.Table().Changes() != changes || len(seed.events) != events {
			t.Errorf("%s: something changed", what)
		}
	}
	short := forge("x", 9, joinOf("starling", recordOf("x", 9,
		netip.MustParseAddrPort("10.0.0.7:1"))))
	if types, _, _ := w.sentTypes(seed, netip.MustParseAddrPort("[2001:db8::1]:7"),
		short); len(types) > 0 {
		if _, _, bytes := w.sentTypes(seed, netip.MustParseAddrPort("[2001:db8::1]:7"),
			short); bytes > len(short) {
			t.Errorf("a Challenge of %d bytes for a Join of %d", bytes, len(short))
		}
	}
	if allocs := testing.AllocsPerRun(100, func() {
		seed.Receive(w.Now, forgedAddr, forgedJoin,
			&w.out)
		w.out.Reset()
	}); allocs > 0 {
		t.Errorf("%v allocations for a Join without a cookie", allocs)
	}
	types, to, _ := w.sentTypes(seed, forgedAddr, forge("x", 9, w.provenJoin(seed, stranger)))
	if len(types) != 1 || types[0] != wire.TypeWelcome || to[0] != victim {
		t.Errorf("with the cookie it is answered by %v to %v", types, to)
	}
	w.inject(seed, forge("x", 9, wire.AppendPing(nil, 7)))
	if !seed.sees(member.IDOf("x"), member.Alive) {
		t.Error("with the cookie, and a word after the Welcome, it is no member")
	}
}

// A host that answers Challenges from a thousand ports, and then nothing, makes no members: nobody
// is told of them, no jury sits on them, and a few nodes do not become the minority of so many. One
// that says a word in time, or its name, is a member.
func TestGhostsAreNoMembers(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(3, nil)
	w.run(10 * time.Second)
	idle := nodes[0].Stats().BytesOut
	w.run(30 * time.Second)
	idle = nodes[0].Stats().BytesOut - idle
	for i := range 600 {
		name := fmt.Sprint("ghost", i)
		to := nodes[i%3]
		join := forge(name, 1, w.provenJoin(to, recordOf(name, 1, addrOf(1000+i))))
		w.inject(to, join)
		w.inject(to, join) // as if the Welcome were lost: no answer
		w.run(10 * time.Millisecond)
	}
	before := nodes[0].Stats().BytesOut
	w.run(30 * time.Second)
	if sent := nodes[0].Stats().BytesOut - before; sent > idle*5/4 {
		t.Errorf("%d bytes in 30 s among ghosts, and %d before", sent, idle)
	}
	for _, p := range nodes {
		if p.Table().Len() != 3 || count(p, MemberJoined) != 2 || p.NoMajority() ||
			p.Undecided() > 0 {
			t.Errorf("%s has %d members; a minority: %t", p.addr, p.Table().Len(), p.NoMajority())
		}
	}
	w.run(door.GuestFor)
	w.inject(nodes[1], word("ghost599"))
	if nodes[1].sees(member.IDOf("ghost599"), member.Alive) {
		t.Error("one that says its first word long after is a member")
	}
	r := recordOf("ghost0", 1, addrOf(1000))
	w.inject(nodes[1], forge("ghost0", 1, wire.AppendRecord(nil, r, &wire.Claim{Generation: 1})))
	if !nodes[1].sees(member.IDOf(r.Name), member.Alive) {
		t.Error("one that says who it is is no member")
	}
}

// word is a datagram of a newcomer that has come in: it tells nothing of the newcomer itself.
func word(name string) []byte {
	return forge(name, 1, wire.AppendFingerprint(nil, wire.Fingerprint{Hash: 1, Live: 1}))
}

var forgedJoin = forge("z", 9, joinOf("starling", recordOf("z", 9, forgedAddr)))

// An answer that does not bring back the number of the node's Join is not one.
func TestAnswersBringTheNumberBack(t *testing.T) {
	w := newWorld(t)
	x := w.start("x", 1, 1, nil, 9)
	r := recordOf("seed", 1, addrOf(9))
	for what, m := range map[string][]byte{
		"challenge": wire.AppendChallenge(nil, &wire.Challenge{Number: 1, Cookie: 5, Seen: x.addr}),
		"welcome": wire.AppendRecord(wire.AppendWelcome(nil,
			&wire.Welcome{Number: 1, Live: 2, ClusterID: 5, Seen: x.addr}), r,
			&wire.Claim{Generation: 1}),
		"refusal": wire.AppendRefuse(nil, &wire.Refuse{Number: 1, Reason: wire.NameTaken,
			Text: []byte("10.0.0.7:7747"), Seen: x.addr}),
	} {
		if sent, _ := w.inject(x, forge("seed", 1, m)); what == "challenge" && sent > 0 ||
			x.door.Welcomed() || x.Stopped() {
			t.Errorf("a %s without the number is taken: %d datagrams, welcomed %t, stopped %t",
				what, sent, x.door.Welcomed(), x.Stopped())
		}
	}
}

// A newcomer that hears nothing is no member of anybody's, and is told where it is not reached if
// that can be.
func TestDeafNewcomer(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(4, nil)
	w.run(time.Second)
	deaf, wrong := addrOf(20), addrOf(21)
	w.cut = func(_, to netip.AddrPort) bool { return to == deaf }
	w.start("deaf", 20, 1, nil, 0)
	x := w.start("wrong", 21, 1, nil, 0) // it advertises an address where nothing reaches it
	elsewhere := addrOf(99)
	w.route = func(p *peer, to netip.AddrPort) (from, where netip.AddrPort) {
		switch {
		case p == x:
			return elsewhere, to
		case to == wrong:
			return p.addr, addrOf(98)
		case to == elsewhere:
			return p.addr, wrong
		}
		return p.addr, to
	}
	w.run(20 * time.Second)
	if nodes[0].Table().Len() != 4 || count(nodes[0], MemberJoined) != 3 {
		t.Errorf("a deaf newcomer is a member\n%s", w.views())
	}
	told := 0
	for _, e := range x.events {
		if e.Kind == Refused && errors.Is(e.Err, ErrNotReached) &&
			strings.Contains(e.Err.Error(), wrong.String()) {
			told++
		}
	}
	if told == 0 || told > 20 {
		t.Errorf("told %d times that it is not reached: %v", told, x.events)
	}
}

// A claim to the name of a live member enters nobody's table, and costs its owner neither its life
// nor its keys.
func TestNameTaken(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(6, nil)
	w.run(time.Second)
	owner := nodes[3]
	if err := w.do(owner, Set{Key: "role", Value: []byte("primary")}); err != nil {
		t.Fatal(err)
	}
	w.run(time.Second)
	w.onEvent = func(p *peer, e Event) {
		id := e.Member.ID
		if e.Kind == KeysReset {
			id = e.Key.Owner
		}
		if id == owner.id && p.roster.Record().Name != "n3" {
			t.Errorf("%s is told %s of the owner", p.addr, eventNames[e.Kind])
		}
	}
	for i := range 20 {
		// through the owner itself too; headers have 32 bits of a generation
		thief := w.start("n3", 30+i, 1<<40+100+uint64(i), nil, i%6)
		w.until(5*time.Second, "the newcomer stops", thief.Stopped)
		if last := thief.events[len(thief.events)-1]; last.Kind != Conflicted ||
			!errors.Is(last.Err, ErrNameConflict) ||
			!strings.Contains(last.Err.Error(), owner.addr.String()) {
			t.Errorf("%+v", last)
		}
	}
	w.run(10 * time.Second)
	if g := owner.roster.Record().Generation; g != 1 || owner.roster.Incarnation() != 0 ||
		owner.Stopped() ||
		!w.allHold("n3", member.Alive) {
		t.Errorf("the owner is in life %d.%d", g, owner.roster.Incarnation())
	}
	if n := count(owner, NameClaimed); n != 1 || owner.Stats().NameClaims < 20 {
		t.Errorf("the owner was told %d times, of %d claims", n, owner.Stats().NameClaims)
	}
}

// A namesake that found itself the first of its cluster, and that nobody knows, stops when it meets
// the owner, which keeps its life.
func TestNamesakeThatNobodyKnows(t *testing.T) {
	for _, at := range []int{0, 30} { // an address below and one above the owner's
		w := newWorld(t)
		for i := range 4 {
			w.start(fmt.Sprintf("n%d", i), 10+i, 1, nil, 10)
		}
		w.until(time.Minute, "all in", func() bool { return w.allSee(4) })
		owner := w.nodes[2]
		twin := w.start("n2", at, 9, nil)
		w.run(time.Second)
		if !twin.door.Welcomed() {
			t.Fatal("it is not the first of its cluster")
		}
		w.do(owner, Join{Seeds: []netip.AddrPort{twin.addr}})
		w.run(10 * time.Second)
		if g := owner.roster.Record().Generation; g != 1 || owner.Stopped() || !twin.Stopped() ||
			!w.allSee(4) {
			t.Errorf("the namesake at %v stopped: %t; the owner did: %t, and is in life %d",
				twin.addr, twin.Stopped(), owner.Stopped(), g)
		}
	}
}

// The clocks of most members went back before they started again, all through one that is its own
// seed. The few that hold their former lives cannot fail them: they tell them, and all are one
// cluster.
func TestClocksOfMostWentBack(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.start(fmt.Sprintf("n%d", i), i, 100, nil, 0)
	}
	w.until(time.Minute, "all in", func() bool { return w.allSee(7) })
	w.run(5 * time.Second)
	for _, p := range w.nodes[:4] {
		p.down = true
	}
	for i := range 4 {
		w.start(fmt.Sprintf("n%d", i), i, 50, nil, 0)
	}
	w.until(10*time.Second, "all see all", func() bool { return w.allSee(7) && w.agree() })
}

// A name whose owner died is free with the verdict, and its claimant is in right after it.
func TestNameOfTheDead(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(8, nil)
	w.run(5 * time.Second)
	nodes[3].down = true
	heir := w.start("n3", 30, 9, nil, 0)
	var failed Time
	w.onEvent = func(p *peer, e Event) {
		if p == nodes[0] && e.Kind == MemberFailed {
			failed = w.Now
		}
		if p == heir && e.Kind == Welcomed && (failed == 0 ||
			w.Now.Sub(failed) > 100*time.Millisecond) {
			t.Errorf("welcome %s after the verdict", w.Now.Sub(failed))
		}
	}
	w.until(10*time.Second, "the heir is in", func() bool {
		return heir.door.Welcomed() &&
			w.allHold("n3", member.Alive)
	})
	if nodes[0].Table().Len() != 8 {
		t.Error(w.views())
	}
}

// Most of a cluster died and are started anew at other addresses. The few that live can judge
// nobody, and let them in all the same; not those that started no later than the owner. They are
// told that they wait, and for whose name.
func TestMostAreStartedElsewhere(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(8, nil)
	w.run(5 * time.Second)
	for _, p := range nodes[2:] {
		p.down = true
	}
	w.run(2 * time.Second)
	for i := 2; i < 8; i++ {
		w.start(fmt.Sprintf("n%d", i), 30+i, 9, nil, 0, 1)
	}
	old := w.start("n3", 60, 1, nil, 0, 1)
	waits := map[*peer]string{}
	w.onEvent = func(p *peer, e Event) {
		if e.Kind == Refused && errors.Is(e.Err, ErrNameWaits) {
			waits[p] = e.Err.Error()
		}
	}
	w.until(time.Minute, "all are in", func() bool { return w.allSee(8) && w.agree() })
	if old.door.Welcomed() {
		t.Error("a newcomer of the owner's own life is in")
	}
	told := waits[old]
	if owner := nodes[3].addr.String(); !strings.Contains(told, `"n3"`) ||
		!strings.Contains(told, owner) || len(waits) != 7 {
		t.Errorf("%d of 7 are told that they wait for their names; %q names n3 and %s",
			len(waits), told, owner)
	}
}

// A node that is in, and sees what the seed sees that it asks again, asks nobody for the table.
func TestWelcomedAgain(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(40, nil)
	w.run(5 * time.Second)
	lists := 0
	w.onSend = func(_ *peer, _ netip.AddrPort, data []byte) {
		_, r, _ := wire.Open(data)
		for m, _, ok := r.Next(); ok; m, _, ok = r.Next() {
			if m == wire.TypeList {
				lists++
			}
		}
	}
	w.do(nodes[7], Join{Merge: []netip.AddrPort{nodes[3].addr}})
	w.run(time.Second)
	if met := count(nodes[7], SeedMet); met == 0 || lists > 0 {
		t.Errorf("it is welcomed %d times, and %d parts of the table are asked for", met, lists)
	}
}

// A process that stood still while it was failed and replaced steps down when it goes on; the
// replacement stays.
func TestZombie(t *testing.T) {
	for _, asleep := range []time.Duration{10 * time.Second, 40 * time.Second} {
		for _, later := range []int{1, 30, 31, 32} { // an address below the old one and some above
			w := newWorld(t)
			w.start("n0", 10, 1, nil)
			for i := 1; i < 6; i++ {
				w.start(fmt.Sprintf("n%d", i), 10+i, 1, nil, 10)
			}
			w.until(time.Minute, "all in", func() bool { return w.allSee(6) })
			tags := SetTags{mustTags(t, map[string]string{"k": strings.Repeat("v",
				member.MaxTags-4)})}
			if later == 31 { // records beyond what a stranger's ping earns
				w.do(w.nodes[3], tags)
				w.run(time.Second)
			}
			w.run(5 * time.Second)
			old := w.nodes[3]
			old.paused = true
			w.run(5 * time.Second)
			heir := w.start("n3", later, 9, nil, 10)
			if later >= 31 {
				w.do(heir, tags)
			}
			w.until(10*time.Second, "the replacement is in",
				func() bool { return heir.door.Welcomed() })
			if err := w.do(heir, Set{Key: "role", Value: []byte("primary")}); err != nil {
				t.Fatal(err)
			}
			w.run(asleep - 5*time.Second)
			w.resume(old)
			w.run(10 * time.Second)
			last := old.events[len(old.events)-1]
			if !old.Stopped() || heir.Stopped() || last.Kind != Conflicted ||
				!strings.Contains(last.Err.Error(), "replaced by") {
				t.Errorf("asleep for %s, replaced at %d: the old one stopped: %t, the new one: "+
					"%t; %v", asleep, later, old.Stopped(), heir.Stopped(), last)
			}
			if v, ok := w.nodes[0].Keys().Get(heir.id, "role"); !ok ||
				heir.roster.Record().Generation != 9 {
				t.Errorf("the replacement's keys are gone: %v", v)
			}
		}
	}
}

// welcoming has hosts take connections, also those of processes that stand still. It returns what
// runs the world then.
func (w *world) welcoming() (run func(time.Duration)) {
	type try struct {
		by *peer
		c  Connect
	}
	var tries []try
	w.onStep = func(p *peer, out *Outbox) {
		for _, c := range out.Connects {
			tries = append(tries, try{p, c})
		}
	}
	return func(d time.Duration) {
		for end := w.Now.Add(d); w.Now < end; {
			w.run(min(50*time.Millisecond, end.Sub(w.Now)))
			now := tries
			tries = nil
			for _, x := range now {
				w.step(x.by, func(out *Outbox) { x.by.Connected(w.Now, x.c, detect.Accepted, out) })
			}
		}
	}
}

// joined starts so many nodes, at addresses from 10 on, that join through the first, and lets five
// seconds pass.
func (w *world) joined(size int) {
	w.start("n0", 10, 1, nil)
	for i := 1; i < size; i++ {
		w.start(fmt.Sprintf("n%d", i), 10+i, 1, nil, 10)
	}
	w.until(time.Minute, "all in", func() bool { return w.allSee(size) })
	w.run(5 * time.Second)
}

// Of two that live with one name the newer stops, also while the owner may have been replaced,
// since it stood still lately: those that it asks say that the name is its own.
func TestCloneOfOneThatStoodStill(t *testing.T) {
	for _, x := range []struct{ asleep, late time.Duration }{
		{2 * time.Second, 0}, {2 * time.Second, 5 * time.Second}, {2 * time.Second, time.Minute},
		// it starts during the pause
		{2 * time.Second, -time.Second}, {4 * time.Second, -4 * time.Second},
	} {
		for _, at := range []int{1, 30} { // an address below the owner's and one above
			for _, loss := range []float64{0, 0.1} {
				w := newWorld(t)
				w.joined(5)
				owner := w.nodes[3]
				owner.paused = true
				run := w.welcoming()
				run(x.asleep + min(x.late, 0))
				var clone *peer
				if x.late < 0 {
					clone = w.start("n3", at, 9, nil, 10)
					run(-x.late)
				}
				w.resume(owner)
				run(x.late)
				w.loss = loss
				if clone == nil {
					clone = w.start("n3", at, 9, nil, 10)
				}
				most := 2 * time.Second
				if loss > 0 {
					most = 20 * time.Second
				}
				took := w.until(most, "the newer stops", clone.Stopped)
				t.Logf("%v, at %d, %g lost: %s", x, at, loss, took)
				w.loss = 0
				w.run(5 * time.Second)
				if g := owner.roster.Record().Generation; owner.Stopped() || g != 1 ||
					count(owner, NameClaimed) == 0 || !w.allSee(5) {
					t.Errorf("%v, at %d: the owner stopped: %t, is in life %d, and was told of "+
						"%d claims", x, at, owner.Stopped(), g, count(owner, NameClaimed))
				}
			}
		}
	}
}

// One that was replaced while it stood still stops where much is lost too, and never its
// replacement: a member that does not answer has not said whose the name is.
func TestZombieUnderLoss(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(t)
		w.rng = rand.New(rand.NewPCG(seed, 5))
		w.joined(6)
		old := w.nodes[3]
		old.paused = true
		w.until(20*time.Second, "it is failed", func() bool {
			return w.allHold("n3",
				member.Failed)
		})
		heir := w.start("n3", 1+29*int(seed%2), 9, nil, 10)
		w.until(10*time.Second, "the replacement is in", heir.door.Welcomed)
		w.run(5 * time.Second)
		w.loss = 0.5
		w.resume(old)
		w.until(time.Minute, "one of the two stops",
			func() bool { return old.Stopped() || heir.Stopped() })
		if heir.Stopped() {
			t.Errorf("seed %d: the replacement stopped", seed)
		}
	}
}

// A Conflict that does not bring back this node's number stops nobody, wherever it seems to come
// from.
func TestForgedStop(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(3, nil)
	w.run(time.Second)
	c := wire.AppendConflict(nil, &wire.Conflict{Number: 7, Uptime: 1 << 60, Stop: true},
		recordOf("n1", 1<<50, forgedAddr), 0)
	for _, from := range []string{"n1", "n0", "x"} {
		w.inject(nodes[1], forge(from, 1<<20, c))
		w.run(time.Second)
	}
	if nodes[1].Stopped() || !w.allSee(3) {
		t.Errorf("one datagram stopped a node\n%s", w.views())
	}
}

// Unlike budgets are told in plain words.
func TestUnlikeBudgets(t *testing.T) {
	w := newWorld(t)
	a := w.start("a", 0, 1, &Config{ZoneBudget: 90000,
		PairBudgets: []PairBudget{{Zones: [2]string{"x", "y"}, Rate: 50000},
			{Zones: [2]string{"", "z"}, Rate: 40000}}})
	b := w.start("b", 1, 1, nil, 0)
	w.until(10*time.Second, "both in", func() bool { return w.allSee(2) })
	w.run(5 * time.Second)
	for p, want := range map[*peer]string{
		a: "zone budgets of 40000 B/s between no zone and z and of 50000 B/s between x and y " +
			"and of 90000 B/s here, none there",
		b: "zone budgets none here, others there",
	} {
		got := ""
		for u := range p.Unlike() {
			got += u.String()
		}
		if got != want {
			t.Errorf("%s: %q", p.roster.Record().Name, got)
		}
	}
}

// A seed's word that its cluster is another one may come when the two have become one: it is no
// news then.
func TestLateWordOfAnotherCluster(t *testing.T) {
	w := newWorld(t)
	number := w.joins()
	x := w.cluster(3, nil)[1]
	for id, want := range map[uint64]int{x.ClusterID(): 0, x.ClusterID() + 1: 1} {
		x.events = nil
		w.inject(x, forge("n0", 1, wire.AppendRefuse(nil, &wire.Refuse{Number: number[x.addr],
			Reason: wire.OtherCluster, Text: fmt.Appendf(nil, "%016x with 3 members", id),
			Seen: x.addr})))
		if n := count(x, Refused); n != want {
			t.Errorf("cluster %016x: told %d times", id, n)
		}
	}
}

// A node that changed its tags while it was cut off, and dials a seed, stays in its life.
func TestRedialIsNoRestart(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(8, nil)
	w.run(5 * time.Second)
	far := func(a netip.AddrPort) bool { return a.Addr().As4()[3] >= 4 }
	w.cut = func(from, to netip.AddrPort) bool { return far(from) != far(to) }
	w.run(20 * time.Second)
	x := nodes[5]
	if err := w.do(x, SetTags{mustTags(t, map[string]string{"role": "db"})}); err != nil {
		t.Fatal(err)
	}
	w.run(time.Second)
	w.cut = nil
	w.do(x, Join{Seeds: x.seeds}) // as the driver does each minute
	w.until(30*time.Second, "all agree", func() bool { return w.allSee(8) && w.agree() })
	if g := x.roster.Record().Generation; g != 1 {
		t.Errorf("it began life %d", g)
	}
}

// twoClusters starts two clusters of three, each with a first node, that are old.
func twoClusters(t *testing.T) *world {
	w := newWorld(t)
	for i := range 6 {
		var seeds []int
		if i%3 > 0 {
			seeds = []int{10 * (i / 3)}
		}
		w.start(fmt.Sprintf("%c%d", 'a'+i/3, i%3), 10*(i/3)+i%3, 1, nil, seeds...)
	}
	w.until(time.Minute, "both are whole", func() bool { return w.allSee(3) })
	w.run(door.FreshFor + time.Minute)
	if a, b := w.nodes[0].ClusterID(), w.nodes[3].ClusterID(); a == 0 || a == b ||
		a != w.nodes[2].ClusterID() || b != w.nodes[5].ClusterID() {
		t.Fatalf("the clusters' IDs are %x, %x", a, b)
	}
	return w
}

// A host that changes its cluster, and keeps its name and its address, brings no two clusters
// together: neither while it is held for live, nor when it is dialled again later, nor while it is
// not yet in.
func TestHostThatChangesItsCluster(t *testing.T) {
	for _, wait := range []time.Duration{0, time.Minute} {
		for _, late := range []bool{false, true} {
			w := twoClusters(t)
			w.cut = func(from, to netip.AddrPort) bool {
				return late &&
					(from == addrOf(10) || to == addrOf(10))
			}
			w.nodes[2].down = true
			w.run(wait)
			a2 := w.start("a2", 2, 2, nil, 10)
			w.run(time.Minute)
			late = false
			w.until(time.Minute, "it is in the other cluster",
				func() bool { return a2.Table().Live() == 4 })
			w.run(30 * time.Second)
			a, b := w.nodes[0], w.nodes[3]
			if a.Table().Live() != 2 || a.Table().Len() != 3 || b.Table().Len() != 4 ||
				a.ClusterID() == b.ClusterID() {
				t.Errorf("the clusters met\n%s", w.views())
			}
			if count(a, AddressTaken)+count(w.nodes[1], AddressTaken) == 0 {
				t.Error("nobody is told that a node of another cluster has a2's address")
			}
			w.do(a, Join{Merge: []netip.AddrPort{addrOf(11)}})
			w.until(30*time.Second, "one cluster by a user's wish",
				func() bool { return w.allSee(6) })
		}
	}
}

// A cluster whose first node starts again and remembers nothing, as one that is its own seed, and
// others through it before the rest hear of it, becomes one again, of one ID.
func TestFirstNodeForgets(t *testing.T) {
	for most := range 3 {
		w := newWorld(t)
		nodes := w.cluster(4, nil)
		w.run(door.FreshFor + time.Minute)
		for _, p := range nodes[:most+1] {
			p.down = true
		}
		for i := range most + 1 {
			w.start(fmt.Sprintf("n%d", i), i, 2, nil, 0)
		}
		w.until(30*time.Second, "all see all, in one cluster", func() bool {
			id, one := nodes[3].ClusterID(), true
			for _, p := range w.up() {
				one = one && p.ClusterID() == id
			}
			return one && w.allSee(4) && w.agree()
		})
		w.run(10 * time.Second)
		if !w.allSee(4) {
			t.Error(w.views())
		}
	}
}

// The only seed of a cluster is gone, and one of another name is at its address, which is its own
// only seed: it is the first of a cluster, and lets in those that name it as a seed.
func TestSeedIsReplaced(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(4, nil)
	w.run(door.FreshFor + time.Minute)
	nodes[0].down = true
	w.until(time.Minute, "n0 failed", func() bool { return w.allHold("n0", member.Failed) })
	m := w.start("m0", 0, 1, nil, 0)
	w.until(2*time.Minute, "all see it", func() bool { return w.allSee(4) })
	for _, p := range nodes[1:] {
		if p.ClusterID() != m.ClusterID() {
			t.Errorf("%s is of another cluster", p.roster.Record().Name)
		}
	}
}

// Two clusters of one name do not become one since a dead member's address goes to the other, nor
// since a seed's does.
func TestClustersStayApart(t *testing.T) {
	w := twoClusters(t)
	w.nodes[2].down = true
	w.until(time.Minute, "a2 is failed", func() bool { return w.nodes[0].Table().Live() == 2 })
	b3 := w.start("b3", 2, 1, nil, 10)
	w.run(30 * time.Second)
	if n := w.nodes[0].Table().Len(); n != 3 || b3.Table().Len() != 4 ||
		w.nodes[1].Table().Live() != 2 {
		t.Errorf("the clusters met over a reused address\n%s", w.views())
	}
	if count(w.nodes[0], AddressTaken)+count(w.nodes[1], AddressTaken) == 0 {
		t.Error("nobody is told that another node has a2's address")
	}
	for what, j := range map[string]Join{
		"a seed of the configuration": {Seeds: []netip.AddrPort{addrOf(11)}},
		"a former peer":               {Peers: []netip.AddrPort{addrOf(11)}},
	} {
		w.do(w.nodes[0], j)
		w.run(30 * time.Second)
		if w.nodes[0].Table().Live() != 2 || w.nodes[3].Table().Live() != 4 {
			t.Errorf("%s merged the clusters\n%s", what, w.views())
		}
	}
	other := 0
	for _, e := range w.nodes[0].events {
		if e.Kind == Refused && errors.Is(e.Err, ErrOtherCluster) {
			other++
		}
	}
	if other == 0 {
		t.Error("it is not told of the other cluster")
	}
	w.do(w.nodes[0], Join{Merge: []netip.AddrPort{addrOf(11)}})
	w.until(30*time.Second, "one cluster by a user's wish", func() bool { return w.allSee(6) })
	id := w.nodes[0].ClusterID()
	w.until(10*time.Second, "one ID", func() bool {
		for _, p := range w.up() {
			if p.ClusterID() != id {
				return false
			}
		}
		return true
	})
	if n, m := count(w.nodes[0], ClustersMerged), count(w.nodes[4], ClustersMerged); n != 1 ||
		m != 1 {
		t.Errorf("told %d and %d times", n, m)
	}
}

// Two clusters that become one by a user's wish tell it at both nodes that met, whichever of their
// IDs is the lower.
func TestMergersAreToldAtBothSides(t *testing.T) {
	for _, way := range [][2]int{{0, 4}, {3, 1}} {
		w := twoClusters(t)
		x, y := w.nodes[way[0]], w.nodes[way[1]]
		w.do(x, Join{Merge: []netip.AddrPort{y.addr}})
		w.until(30*time.Second, "one cluster", func() bool { return w.allSee(6) })
		if n, m := count(x, ClustersMerged), count(y, ClustersMerged); n != 1 || m != 1 {
			t.Errorf("told %d times at the one that asked, %d at the other", n, m)
		}
	}
}

// Nodes that start at once with each other for seeds come to one cluster with one ID, without a
// word of a merge.
func TestOneIdentity(t *testing.T) {
	for seed := range uint64(30) {
		w := newWorld(t)
		w.latency = time.Duration(1+seed) * time.Millisecond / 3
		for i := range 5 {
			w.start(fmt.Sprintf("n%d", i), i, seed, nil, 0, 1, 2)
		}
		w.until(20*time.Second, "one cluster", func() bool { return w.allSee(5) })
		w.run(2 * time.Second)
		for _, p := range w.nodes {
			if p.ClusterID() == 0 || p.ClusterID() != w.nodes[0].ClusterID() ||
				count(p, ClustersMerged) > 0 {
				t.Errorf("seed %d: %s is of cluster %x, n0 of %x; told %d times of a merge",
					seed, p.addr, p.ClusterID(),
					w.nodes[0].ClusterID(), count(p, ClustersMerged))
			}
		}
	}
}

// A process that starts again with what it remembers finds its cluster through former peers, and no
// other one there.
func TestRememberedCluster(t *testing.T) {
	w := twoClusters(t)
	again := func(i int, id uint64, peers ...int) *peer {
		n, err := New(nil, Self{Name: "a2", Generation: uint64(i), Addr: addrOf(i),
			ClusterID: id}, w.rng, w.rng)
		if err != nil {
			t.Fatal(err)
		}
		p := &peer{Node: n, addr: addrOf(i)}
		w.nodes = append(w.nodes, p)
		w.step(p, func(out *Outbox) { n.Wake(w.Now, out) })
		var j Join
		for _, a := range peers {
			j.Peers = append(j.Peers, addrOf(a))
		}
		w.do(p, j)
		return p
	}
	id := w.nodes[0].ClusterID()
	w.nodes[2].down = true
	w.until(time.Minute, "a2 is failed", func() bool { return w.nodes[0].Table().Live() == 2 })
	lost := again(50, id, 10)
	w.run(5 * time.Second)
	if lost.door.Welcomed() || w.nodes[3].Table().Len() != 3 {
		t.Error("a former peer's address led it into another cluster")
	}
	lost.down = true
	back := again(51, id, 0)
	w.until(10*time.Second, "it is back", func() bool {
		return back.door.Welcomed() &&
			w.nodes[0].Table().Live() == 3
	})
}

// Settings that should be alike and are not are told at both sides, by name.
func TestUnlikeSettings(t *testing.T) {
	wan, err := Profile("wan")
	if err != nil {
		t.Fatal(err)
	}
	lan, err := Profile("lan")
	if err != nil {
		t.Fatal(err)
	}
	lan.Retention = 24 * time.Hour // the default
	wan.Retention = time.Hour
	for what, c := range map[string]*Config{
		"": &lan, "retention": {Retention: time.Hour}, "zone budgets": {ZoneBudget: 1 << 20},
		"MTU":                           {MTU: 1400},
		"profile and another retention": &wan,
		"zone grace":                    {Inquest: inquest.Config{ZoneGrace: 10 * time.Minute}},
		"zone grace and another TCP probing": {Inquest: inquest.Config{ZoneGrace: -1,
			NoKernel: true}},
	} {
		w := newWorld(t)
		a := w.start("a", 0, 1, nil)
		b := w.start("b", 1, 1, c, 0)
		w.run(2 * time.Second)
		for _, p := range []*peer{a, b} {
			told, named := 0, " has another "+what+" than"
			if what == "zone budgets" { // of which there are several
				named = " has other zone budgets than"
			}
			for _, e := range p.events {
				if e.Kind == SettingsDiffer {
					if told++; !strings.Contains(e.Err.Error(), named) {
						t.Errorf("%q: %v", what, e.Err)
					}
				}
			}
			var unlike []string
			for u := range p.Unlike() {
				unlike = append(unlike, u.Setting)
				if s := u.String(); what != "zone budgets" &&
					(u.There == "" || !strings.Contains(s, u.There+" there") || u.There == u.Here) {
					t.Errorf("%q: %s knows that it is %q", what, p.addr, s)
				}
			}
			if got := strings.Join(unlike, " and another "); got != what {
				t.Errorf("%q: %s knows of %q", what, p.addr, got)
			}
			if told != 0 && what == "" || told != 1 && what != "" {
				t.Errorf("%q: %s was told %d times", what, p.addr, told)
			}
		}
	}
}

// Seeds that share an address, and do not know each other's cookies, are not flooded by a newcomer
// that they all challenge.
func TestChallengedAgain(t *testing.T) {
	w := newWorld(t)
	number := w.joins()
	x := w.start("x", 1, 1, nil, 9)
	joins := 0
	w.onSend = func(_ *peer, _ netip.AddrPort, data []byte) {
		if wire.Type(data[wire.HeaderSize]) == wire.TypeJoin {
			joins++
		}
	}
	for i := range 1000 {
		c := wire.AppendChallenge(nil, &wire.Challenge{Number: number[x.addr],
			Cookie: uint64(i), Seen: x.addr})
		d := forge("seed", 1, c)
		w.step(x, func(out *Outbox) { x.Receive(w.Now, addrOf(9), d, out) })
		w.run(time.Millisecond)
	}
	if joins < 5 || joins > 25 {
		t.Errorf("%d Joins in a second", joins)
	}
}

// Where 40 % is lost, a newcomer is in within 30 s: four datagrams in a row have to arrive, so that
// many tries are needed.
func TestJoinUnderLoss(t *testing.T) {
	for run := range uint64(size.Of(1000, 1000, 20_000)) {
		w := newWorld(t)
		w.rng = rand.New(rand.NewPCG(run, 3))
		w.start("seed", 0, 1, nil)
		w.loss = 0.4
		x := w.start("x", 1, 1, nil, 0)
		for end := w.Now.Add(30 * time.Second); !x.door.Welcomed() && w.advance(end); {
		}
		if !x.door.Welcomed() {
			t.Errorf("run %d: it is not in after 30 s", run)
		}
	}
}

// A node that nobody answers asks about once a second at first, and from then on once in five. One
// that is refused is in no haste either.
func TestPausesOfJoins(t *testing.T) {
	w := newWorld(t)
	w.start("other", 9, 1, &Config{Cluster: "other"})
	for _, seed := range []int{8, 9} {
		x := w.start("x", seed-7, 1, nil, seed)
		joins := 0
		w.onSend = func(p *peer, _ netip.AddrPort, data []byte) {
			if p == x && wire.Type(data[wire.HeaderSize]) == wire.TypeJoin {
				joins++
			}
		}
		for minute, most := range []int{70, 15, 15, 15} {
			if seed == 9 {
				most = 20
			}
			before := joins
			w.run(time.Minute)
			if joins-before > most || joins-before < 8 {
				t.Errorf("seed %d: %d Joins in minute %d, at most %d are allowed", seed,
					joins-before, minute, most)
			}
		}
		x.down = true
	}
}

// An answer that comes minutes later is none.
func TestLateAnswer(t *testing.T) {
	w := newWorld(t)
	number := w.joins()
	nodes := w.cluster(2, nil)
	x := nodes[1]
	late := wire.AppendWelcome(nil, &wire.Welcome{Number: number[x.addr],
		Live: 9, ClusterID: 1, Seen: x.addr})
	w.run(2 * time.Minute)
	before := x.ClusterID()
	w.inject(x, forge("n0", 1, late))
	if x.ClusterID() != before {
		t.Error("a Welcome of two minutes ago is taken")
	}
}

// An answer to a Join that may not merge, to a former peer whose address another cluster has by
// now, does not become one to a Join that may: not when the seeds have been looked up meanwhile,
// and that address is among them no more.
func TestAFormerPeerNeverMerges(t *testing.T) {
	w := newWorld(t)
	a := w.cluster(3, nil)
	b := w.start("b0", 10, 1, nil)
	w.start("b1", 11, 1, nil, 10)
	w.run(10 * time.Second)
	if b.ClusterID() == a[0].ClusterID() || b.Table().Live() != 2 {
		t.Fatal("they are no two clusters")
	}
	for _, p := range a {
		w.do(p, Join{Peers: []netip.AddrPort{b.addr}}) // as after a sleep, or a restart
		w.do(p, Join{Seeds: []netip.AddrPort{addrOf(1)}})
		w.run(5 * time.Second)
		if b.Table().Live() != 2 || a[0].Table().Live() != 3 {
			t.Fatalf("%d and %d members are one cluster", a[0].Table().Live(), b.Table().Live())
		}
	}
	w.do(a[2], Join{Peers: []netip.AddrPort{b.addr}})
	// but a user's word for the same address holds at once
	w.do(a[2], Join{Merge: []netip.AddrPort{b.addr}})
	w.until(5*time.Second, "they are one", func() bool { return w.allSee(5) })
}
