package multicast

// Gossip: the live engine's policies (gossip/rumor, after Demers et al. 1987) between members that
// know each other. Eager nodes spread a message at once when it comes; others wait for the next of
// their rounds, which are not in step. Below all of them is anti-entropy, as in a live cluster: a
// digest rides on each node's probes to members at random, and a node that turns out to lack the
// message gets it, and spreads it like one that came another way. Probes are sent anyway, so they
// are not counted. What they lead to is counted.

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/rumor"
)

// policy is a rumor.Policy, and what the engine leaves to its caller.
type policy struct {
	rumor.Policy
	eager  bool          // the first round is at once
	every  time.Duration // between rounds
	offers int           // members that get an offer beside those that get the message, a round
	alone  bool          // no anti-entropy
}

// gossiper is a member that gossips.
type gossiper struct {
	*member
	p     *policy
	life  rumor.Life
	again gossip.Time // when it may ask another for the message
}

// gossipRound is the timer of rounds.
const gossipRound = 0

func (g *gossiper) start() {
	if g.p.Mode != rumor.Push {
		g.after(g.between(0, g.p.every), gossipRound)
	}
	if !g.p.alone {
		g.probes()
	}
}

func (g *gossiper) publish() { g.infected() }

// infected begins to spread the message.
func (g *gossiper) infected() {
	g.life.Infect()
	switch {
	case g.p.eager:
		g.round()
	case g.p.Mode == rumor.Push:
		g.after(g.between(0, g.p.every), gossipRound)
	}
}

// words are the engine's, as datagrams.
var words = map[rumor.Word]kind{rumor.Tell: data, rumor.Offer: offer, rumor.Ask: want,
	rumor.Knew: no}

// round contacts some members, and sees to the next round.
func (g *gossiper) round() {
	says := g.p.Says(g.life)
	if says != rumor.Nothing {
		peers := g.pick(g.p.Fanout + g.p.offers)
		for i, to := range peers {
			if i < g.p.Fanout {
				g.send(to, words[says])
			} else if says == rumor.Tell {
				g.send(to, offer)
			}
			if says != rumor.Ask && g.p.Blind {
				g.p.Contact(&g.life, false, g.rng)
			}
		}
		g.p.Round(&g.life)
	}
	if g.p.Mode != rumor.Push || g.life.State == rumor.Infectious {
		g.after(g.p.every, gossipRound)
	}
}

func (g *gossiper) receive(from int, k kind, args []uint32, fresh bool) {
	switch k {
	case data:
		g.answer(from, rumor.Tell)
		if fresh {
			g.infected()
		}
	case offer:
		if !g.has && g.now() < g.again {
			return // somebody else was asked
		}
		g.again = g.now().Add(g.w.o.Retry)
		g.answer(from, rumor.Offer)
	case want:
		if g.p.Lazy || g.p.offers > 0 {
			g.p.Contact(&g.life, true, g.rng)
		}
		// what a digest named, or was offered beside, is held
		if len(args) > 0 || g.has && g.p.offers > 0 {
			g.repair(from, k, args)
			return
		}
		g.answer(from, rumor.Ask)
	case no:
		g.p.Contact(&g.life, false, g.rng)
	case probe:
		g.repair(from, k, args)
	}
}

// answer says what the engine answers on a word.
func (g *gossiper) answer(to int, heard rumor.Word) {
	if w := g.p.Answer(g.life, heard); w != rumor.Nothing {
		g.send(to, words[w])
	}
}

func (g *gossiper) timer(what int, _ gossip.Time) {
	if what == probeTimer {
		g.probe()
	} else {
		g.round()
	}
}

// gossipUsage says what a policy's text can hold.
const gossipUsage = "push, pull or push-pull; eager, lazy, blind, alone; fanout=, rounds=, " +
	"counter=, coin=, offers= and a number; every= and a time"

// parsePolicy reads a policy: words with colons between, such as "push:eager:fanout=8:rounds=1".
func parsePolicy(text string) (*policy, error) {
	p := &policy{Policy: rumor.Policy{Mode: rumor.Push}, every: 5 * time.Millisecond}
	for word := range strings.SplitSeq(text, ":") {
		key, value, _ := strings.Cut(word, "=")
		flags := map[string]*bool{"eager": &p.eager, "lazy": &p.Lazy, "blind": &p.Blind,
			"alone": &p.alone}
		numbers := map[string]*int{"fanout": &p.Fanout, "rounds": &p.Rounds,
			"counter": &p.Counter, "coin": &p.Coin, "offers": &p.offers}
		modes := map[string]rumor.Mode{"push": rumor.Push, "pull": rumor.Pull,
			"push-pull": rumor.PushPull}
		var err error
		switch {
		case flags[word] != nil:
			*flags[word] = true
		case modes[word] != 0:
			p.Mode = modes[word]
		case numbers[key] != nil:
			if *numbers[key], err = strconv.Atoi(value); err == nil &&
				(*numbers[key] < 0 || *numbers[key] > 1000) {
				err = fmt.Errorf("%s is not from 0 to 1000", value)
			}
		case key == "every":
			if p.every, err = time.ParseDuration(value); err == nil && p.every <= 0 {
				err = fmt.Errorf("%s is not a time above zero", value)
			}
		default:
			err = fmt.Errorf("a policy is made of %s", gossipUsage)
		}
		if err != nil {
			return nil, fmt.Errorf("%q: %w", word, err)
		}
	}
	if p.Fanout == 0 {
		p.Fanout = 4
	}
	return p, nil
}
