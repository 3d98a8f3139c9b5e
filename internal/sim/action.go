package sim

import (
	"fmt"
	"strings"
	"time"
)

// Action is one line of a scenario: at a time, do something to some processes. Its text form is
//
//	TIME=WHAT[:WHO[/WHO]][,KEY[=VALUE]]…
//
// as in "5s=crash:10%" or "20s=cut:30%/rest,for=60s". Fields that an action does not use are zero.
type Action struct {
	At   time.Duration // since the join has settled
	Do   Verb
	Who  Who
	Peer Who // the other side of a cut or a link; the place that a move goes to

	For    time.Duration // how long it lasts; 0: for good
	Every  time.Duration // again after each such time
	Times  int           // how often in all, with Every; 0: until the end
	OneWay bool          // a cut or link concerns packets from Who to Peer alone

	Cost  time.Duration // of each input, for slow
	By    time.Duration // for clock; may be negative
	Bytes int           // of the payload or value, for publish and set
	Link  Link          // for link
	Keys  int           // how many keys are written or deleted in turn, for set and unset
	TTL   time.Duration // for set

	Confirm bool   // publish: the publisher follows how far the message comes
	Topic   string // of publish; empty: sim
	Urgent  bool   // publish: it leaves before what waits on other topics
}

// Verb is what an action does.
type Verb string

// The verbs.
const (
	Start Verb = "start" // so many new processes start and join
	// hosts die without a word; with For, they and their processes restart after it
	Crash Verb = "crash"
	// processes die without a word, and their hosts refuse connections for them
	Kill    Verb = "kill"
	Pause   Verb = "pause"   // processes stand still for a time
	Slow    Verb = "slow"    // each input costs a time
	Restart Verb = "restart" // dead processes start again; those that run crash first
	// dead processes start again on the hosts of others, which crash first if they run
	Move    Verb = "move"
	Clock   Verb = "clock"   // wall clocks jump
	Leave   Verb = "leave"   // processes leave in good order
	Publish Verb = "publish" // processes publish a message each
	Set     Verb = "set"     // processes write a key of their own
	Unset   Verb = "unset"   // processes delete a key of their own
	Cut     Verb = "cut"     // no packet passes between two sides
	Links   Verb = "link"    // a link's faults are laid over what is between two sides
	Tag     Verb = "tag"     // processes change their tags
	// second processes start under the names of processes, on hosts of their own
	Clone Verb = "clone"
	// processes of another cluster of the same name start at the addresses of processes, which
	// crash if they run
	Invade Verb = "strangers"
	Joins  Verb = "join" // processes are told to join that cluster
	// processes get a datagram each with made-up content, from a member's address
	Forge  Verb = "forge"
	Replay Verb = "replay" // old datagrams of processes arrive again
	Calm   Verb = "calm"   // all cuts and link faults end
)

// verbs says what each verb needs and takes: a set of processes, a second one, and the keys.
var verbs = map[Verb]struct {
	who, peer bool
	keys      string
}{
	Start:   {true, false, "every times"},
	Crash:   {true, false, "for every times"},
	Kill:    {true, false, "for every times"},
	Pause:   {true, false, "for! every times"},
	Slow:    {true, false, "cost! for every times"},
	Restart: {true, false, "every times"},
	Move:    {true, true, "every times"},
	Clock:   {true, false, "by! every times"},
	Leave:   {true, false, "every times"},
	Publish: {true, false, "bytes every times confirm topic urgent"},
	Tag:     {true, false, "every times"},
	Clone:   {true, false, "every times"},
	Invade:  {true, false, "every times"},
	Joins:   {true, false, "every times"},
	Forge:   {true, false, "every times"},
	Replay:  {true, false, "every times"},
	Set:     {true, false, "keys bytes ttl every times"},
	Unset:   {true, false, "keys every times"},
	Cut:     {true, true, "for every times oneway"},
	Links: {true, true, "for every times oneway loss dup reorder hold latency mtu good bad " +
		"burst spoil rate"},
	Calm: {false, false, ""},
}

// A Who is a set of processes: some of them, drawn when the action is done, or named ones. The zero
// value is the empty set.
type Who struct {
	Kind  WhoKind
	N     int     // for Some
	Share float64 // for Share and Busiest
	From  int     // for Range: the first
	To    int     // and the last
	Zone  int     // for InZone
	Plus  []Who   // and these
}

// WhoKind says how a Who is given.
type WhoKind uint8

// The kinds of Who.
const (
	Some   WhoKind = iota + 1 // N of those that the action can be done to, drawn at random
	Share                     // a share of all, drawn at random
	Range                     // the processes From to To
	InZone                    // all of a zone
	All                       // all
	Rest                      // all that are not on the action's other side
	Dead                      // all that crashed
	// a share of those that sent to other zones: those that sent most bytes there so far
	Busiest
)

// Nodes names processes by their numbers.
func Nodes(i ...int) (w Who) {
	for k, n := range i {
		r := Who{Kind: Range, From: n, To: n}
		if k == 0 {
			w = r
		} else {
			w.Plus = append(w.Plus, r)
		}
	}
	return w
}

// Percent is a share of all processes.
func Percent(p float64) Who { return Who{Kind: Share, Share: p / 100} }

// Any is n processes drawn at random.
func Any(n int) Who { return Who{Kind: Some, N: n} }

// String returns the form that ParseWho reads.
func (w Who) String() string {
	s := ""
	switch w.Kind {
	case Some:
		s = fmt.Sprint(w.N)
	case Share:
		s = fmt.Sprintf("%g%%", w.Share*100)
	case Range:
		s = fmt.Sprintf("n%d", w.From)
		if w.To != w.From {
			s = fmt.Sprintf("n%d-n%d", w.From, w.To)
		}
	case InZone:
		s = fmt.Sprintf("z%d", w.Zone)
	case All:
		s = "all"
	case Busiest:
		s = fmt.Sprintf("busiest%g%%", w.Share*100)
	case Rest:
		s = "rest"
	case Dead:
		s = "dead"
	}
	for _, p := range w.Plus {
		s += "+" + p.String()
	}
	return s
}

// String returns the form that ParseAction reads.
func (a Action) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s=%s", a.At, a.Do)
	if a.Who.Kind != 0 {
		fmt.Fprintf(&b, ":%s", a.Who)
	}
	if a.Peer.Kind != 0 {
		fmt.Fprintf(&b, "/%s", a.Peer)
	}
	for _, k := range actionKeys {
		if v := k.get(&a); v != "" {
			fmt.Fprintf(&b, ",%s", k.name)
			if v != "true" {
				fmt.Fprintf(&b, "=%s", v)
			}
		}
	}
	return b.String()
}

// MarshalText makes an action its text in JSON.
func (a Action) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (a *Action) UnmarshalText(b []byte) (err error) {
	*a, err = ParseAction(string(b))
	return err
}
