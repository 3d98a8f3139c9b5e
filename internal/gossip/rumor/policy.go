package rumor

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
)

// This file is the engine: how a rumor spreads and when a node lets it go, as Demers, Greene,
// Hauser, Irish, Larson, Shenker, Sturgis, Swinehart and Terry named the choices ("Epidemic
// Algorithms for Replicated Database Maintenance", PODC 1987, section 1.4). The live node's Queue
// and all experiments of the lab ask it. It sends nothing and knows no time: its caller chooses the
// peers, carries the words, and says when a round is over. A caller that asks Says on first receipt
// spreads eagerly. A caller that waits for a tick spreads in rounds.

// Mode is the direction in which a rumor travels in a contact (section 1.3 of the same paper).
type Mode uint8

// The modes.
const (
	Push     Mode = iota + 1 // a node that has the rumor tells it
	Pull                     // a node that lacks it asks for it
	PushPull                 // both
)

var modeNames = [...]string{0: "none", Push: "push", Pull: "pull", PushPull: "push-pull"}

// ParseMode reads a mode's name.
func ParseMode(name string) (Mode, error) {
	for m := Push; m <= PushPull; m++ {
		if modeNames[m] == name {
			return m, nil
		}
	}
	return 0, fmt.Errorf("there is no %q; there are push, pull, push-pull", name)
}

func (m Mode) String() string {
	if m > PushPull {
		m = 0
	}
	return modeNames[m]
}

// MarshalText makes a mode its name in JSON.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Policy is how a rumor spreads. It has three limits; the first that is reached makes a node let
// the rumor go, and with none of them it is infectious for ever.
type Policy struct {
	Mode    Mode
	Fanout  int  // how many peers a node contacts in a round
	Rounds  int  // limit: so many rounds; 0: none
	Counter int  // limit: so many useless contacts in a row; 0: none
	Coin    int  // limit: each useless contact is the last with probability 1/Coin; 0: none
	Blind   bool // no peer says whether it knew the rumor already: each contact counts as useless
	// offer first, and send the rumor to the peers that then ask (NNTP's IHAVE, Plumtree's lazy
	// push)
	Lazy bool
}

// LogRounds is the limit c·log₂ n, rounded up: c rounds more for a cluster of twice the size.
func LogRounds(c, n int) int { return max(1, c*bits.Len(uint(max(n-1, 0)))) }

// State is what a rumor means to a node.
type State uint8

// The states, in their order.
const (
	Susceptible State = iota // it has not heard it
	Infectious               // it spreads it
	Removed                  // it has it, and has lost interest
)

// Life is one rumor's life at one node. The zero Life is a rumor that has not come yet.
type Life struct {
	State   State
	Rounds  uint16 // in which it was spread
	useless uint16 // contacts in a row
}

// Infect tells that the rumor came. It reports whether it was news.
func (l *Life) Infect() bool {
	if l.State != Susceptible {
		return false
	}
	*l = Life{State: Infectious}
	return true
}

// Word is what one node sends another about a rumor.
type Word uint8

// The words. An answer of Knew is the feedback that a useless contact is counted by; sent unasked
// and early it spares others a large rumor (GossipSub's IDONTWANT).
const (
	Nothing Word = iota
	Tell         // the rumor itself
	Offer        // its name alone
	Ask          // please tell me
	Knew         // I have it already
)

// Says returns what a node sends to each peer that it contacts in a round.
func (p *Policy) Says(l Life) Word {
	switch {
	case l.State == Infectious && p.Mode != Pull && p.Lazy:
		return Offer
	case l.State == Infectious && p.Mode != Pull:
		return Tell
	case l.State == Susceptible && p.Mode != Push:
		return Ask
	}
	return Nothing
}

// Answer returns what a node sends back on a word. For Tell, the life is that from before Infect.
func (p *Policy) Answer(l Life, heard Word) Word {
	switch {
	case heard == Ask && l.State == Infectious:
		return Tell
	case heard == Ask && l.State == Removed && p.Lazy: // it was offered, so it is held
		return Tell
	case heard == Offer && l.State == Susceptible:
		return Ask
	case (heard == Offer || heard == Tell) && l.State != Susceptible && !p.Blind:
		return Knew
	}
	return Nothing
}

// Contact counts a contact: useful if the other did not know the rumor. Only a coin needs the
// source of chance.
func (p *Policy) Contact(l *Life, useful bool, rng *rand.Rand) {
	if l.State != Infectious {
		return
	}
	if useful && !p.Blind {
		l.useless = 0
		return
	}
	l.useless = min(l.useless, math.MaxUint16-1) + 1
	if p.Counter > 0 && int(l.useless) >= min(p.Counter, math.MaxUint16) || p.Coin > 0 &&
		rng.IntN(p.Coin) == 0 {
		l.State = Removed
	}
}

// Round counts a round in which a node spread the rumor.
func (p *Policy) Round(l *Life) {
	if l.State != Infectious {
		return
	}
	l.Rounds = min(l.Rounds, math.MaxUint16-1) + 1
	if p.Rounds > 0 && int(l.Rounds) >= min(p.Rounds, math.MaxUint16) {
		l.State = Removed
	}
}
