package rumor

import (
	"math"
	"math/rand/v2"
	"testing"
)

// life is a rumor's life at a node after contacts, written as a string: u is a useful one, x a
// useless one, r the end of a round. It returns how many of them the rumor lived for.
func life(p Policy, contacts string, rng *rand.Rand) (n int) {
	var l Life
	l.Infect()
	for _, c := range contacts {
		switch c {
		case 'u', 'x':
			p.Contact(&l, c == 'u', rng)
		case 'r':
			p.Round(&l)
		}
		n++
		if l.State == Removed {
			return n
		}
	}
	return -1 // it lives on
}

func TestStopRules(t *testing.T) {
	for _, c := range []struct {
		name     string
		p        Policy
		contacts string
		want     int
	}{
		{"for ever", Policy{}, "xxxxxrrrrrxxxxx", -1},
		{"rounds", Policy{Rounds: 3}, "xrxxrurr", 7},
		{"rounds do not look at contacts", Policy{Rounds: 3}, "xxxxxxxrxr", -1},
		{"counter", Policy{Counter: 3}, "xxx", 3},
		{"a useful contact sets the counter back", Policy{Counter: 3}, "xxuxxuxxrx", 10},
		{"a blind counter counts all", Policy{Counter: 3, Blind: true}, "uuu", 3},
		{"the first limit counts", Policy{Counter: 2, Rounds: 2}, "xrur", 4},
		{"and the other way round", Policy{Counter: 2, Rounds: 9}, "xrx", 3},
		{"coin 1/1", Policy{Coin: 1}, "uux", 3},
		{"blind coin 1/1", Policy{Coin: 1, Blind: true}, "uux", 1},
	} {
		if got := life(c.p, c.contacts, rand.New(rand.NewPCG(1, 1))); got != c.want {
			t.Errorf("%s: gone after %d, not %d", c.name, got, c.want)
		}
	}
}

// A coin of 1/k lets a rumor live for k useless contacts in the mean.
func TestCoinIsFair(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for k := 2; k <= 5; k++ {
		p, sum := Policy{Coin: k}, 0
		const runs = 20_000
		for range runs {
			var l Life
			for l.Infect(); l.State == Infectious; sum++ {
				p.Contact(&l, false, rng)
			}
		}
		mean, q := float64(sum)/runs, 1/float64(k)
		if se := math.Sqrt((1-q)/(q*q)) / math.Sqrt(runs); math.Abs(mean-float64(k)) > 4*se {
			t.Errorf("coin 1/%d: %.3f contacts", k, mean)
		}
	}
}

func TestWords(t *testing.T) {
	lives := [3]Life{{}, {State: Infectious}, {State: Removed}}
	push, pull, both := Policy{Mode: Push}, Policy{Mode: Pull}, Policy{Mode: PushPull}
	lazy, blind := Policy{Mode: Push, Lazy: true}, Policy{Mode: Push, Blind: true}
	for _, c := range []struct {
		name string
		p    Policy
		want [3]Word // by the state
	}{
		{"push", push, [3]Word{Nothing, Tell, Nothing}},
		{"pull", pull, [3]Word{Ask, Nothing, Nothing}},
		{"push-pull", both, [3]Word{Ask, Tell, Nothing}},
		{"lazy push", lazy, [3]Word{Nothing, Offer, Nothing}},
	} {
		for i, l := range lives {
			if got := c.p.Says(l); got != c.want[i] {
				t.Errorf("%s: state %d says %d, not %d", c.name, i, got, c.want[i])
			}
		}
	}
	for _, c := range []struct {
		name  string
		p     Policy
		heard Word
		want  [3]Word
	}{
		{"a question", pull, Ask, [3]Word{Nothing, Tell, Nothing}},
		{"a question after an offer", lazy, Ask, [3]Word{Nothing, Tell, Tell}},
		{"an offer", lazy, Offer, [3]Word{Ask, Knew, Knew}},
		{"a rumor", push, Tell, [3]Word{Nothing, Knew, Knew}},
		{"a rumor, blind", blind, Tell, [3]Word{}},
		{"feedback", push, Knew, [3]Word{}},
	} {
		for i, l := range lives {
			if got := c.p.Answer(l, c.heard); got != c.want[i] {
				t.Errorf("%s: state %d answers %d, not %d", c.name, i, got, c.want[i])
			}
		}
	}
}

func TestLifeIsOneWay(t *testing.T) {
	var l Life
	p := Policy{Rounds: 1, Counter: 1}
	p.Contact(&l, false, nil)
	p.Round(&l)
	if l != (Life{}) {
		t.Errorf("one who has not heard it: %+v", l)
	}
	if !l.Infect() || l.Infect() {
		t.Error("news is news once")
	}
	p.Round(&l)
	if l.State != Removed || l.Infect() {
		t.Error("the removed are immune")
	}
	// A count that is never reached does not wrap around to one that is.
	l, p = Life{State: Infectious}, Policy{Rounds: 1 << 20, Counter: 1 << 20}
	for range 1<<16 - 2 {
		p.Contact(&l, false, nil)
		p.Round(&l)
	}
	if l.State != Infectious || l.Rounds != math.MaxUint16-1 {
		t.Errorf("after 65,534 rounds: %+v", l)
	}
}

func TestLogRounds(t *testing.T) {
	for _, c := range [][3]int{{1, 0, 1}, {1, 1, 1}, {1, 2, 1}, {1, 3, 2}, {1, 1000, 10},
		{2, 1024, 20}, {3, 1025, 33}} {
		if got := LogRounds(c[0], c[1]); got != c[2] {
			t.Errorf("%d·log₂ %d is %d, not %d", c[0], c[1], got, c[2])
		}
	}
}

func TestEngineAllocatesNothing(t *testing.T) {
	p, rng := Policy{Mode: PushPull, Coin: 1 << 30, Counter: 1 << 15}, rand.New(rand.NewPCG(1, 1))
	l := Life{State: Infectious}
	if a := testing.AllocsPerRun(1000, func() {
		p.Answer(l, p.Says(l))
		p.Contact(&l, false,
			rng)
		p.Round(&l)
	}); a > 0 {
		t.Errorf("%.1f allocations a contact", a)
	}
}
