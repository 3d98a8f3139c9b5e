package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// A run's history is a list of observations; meters and checkers read nothing else. So a checker is
// tested with a history that somebody wrote by hand.

// ObsKind says what an observation is about.
type ObsKind uint8

// The kinds of observations.
const (
	Tick       ObsKind = iota + 1 // a second has passed
	Started                       // Node began a life; After.Gen is its generation
	Crashed                       // Node died
	Departed                      // Node left and stopped; After.Gen is the generation that left
	Conflicted                    // Node stopped because its name is taken
	Welcomed                      // Node was let in
	Refused                       // Node was not let in
	Troubled                      // a fault touches Node from now on
	Healthy                       // no fault touches Node any more
	Disturbed                     // something was done to the cluster; Text says what
	Ended                         // the run is over
	// Node's view of Member went from Before to After; Told says whether an event said so
	Saw
	Own  // Node's own generation and incarnation, After
	View // Node's fingerprint, Hash, and how many it holds for live, Count
	// Node got message Seq of Member's life After.Gen on topic Text, with Count bytes, as the
	// Order-th to end; Told: it knows that it lacks something of an earlier life
	Delivered
	// Node was told that the messages which end From-th to Seq-th of Member's life After.Gen are
	// lost; 0: nobody knows which
	Skipped
	Copied  // Node sent one copy of message Seq of Member's life After.Gen
	Traffic // Node sent Count bytes in the second that ends now
	// Node holds version Seq of key Text of Member's life After.Gen, of hash Hash; Told: it is gone
	Kept
	Voided // Node holds nothing of Member's keys any more
	Held   // Hash is that of all keys that Node holds
	// Node was told that a zone is silent as a whole; Text is its name
	ZoneLost
	ZoneBack // Node was told that it is heard again
	Gauge    // Node's queue or table Text holds Count, of at most Seq
	// Node came back with the first Seq messages to end of Member's life After.Gen delivered
	Restored
	// Node published message Seq in its life After.Gen, and had meant to since From; Told: it wants
	// to be told of its spread. Its own Delivered may come before
	Published
	// Node was told that Count of From members have its message Seq of its life After.Gen; Told: it
	// is over
	Spread
	// Hash is over Count keys of Member's that Node holds; at Member itself, that it has
	Map
	Hindered // Node stands still, or works slowly
	Free     // it does no more
	Laid     // way lies over the links between hosts from now on
	Lifted   // way is gone
	Joined   // Node was told that Member joined, in life After.Gen
	Over     // Node was told that Member failed or left
	// Count bytes that could have waited went from zone to zone, Text, pair Seq, in the second that
	// ends now
	Crossed
)

// Holding is what a view holds of a member.
type Holding struct {
	Gen   uint64
	Inc   uint32
	State member.State
	Known bool
}

func (h Holding) live() bool { return h.Known && h.State.Live() }

func (h Holding) failed() bool { return h.Known && h.State == member.Failed }

// below says whether h has lower precedence than other.
func (h Holding) below(o Holding) bool {
	return member.Version{Generation: h.Gen, Incarnation: h.Inc, State: h.State}.
		Compare(member.Version{Generation: o.Gen, Incarnation: o.Inc, State: o.State}) < 0
}

func holding(m *member.Member) Holding {
	return Holding{Gen: m.Generation(), Inc: m.Incarnation, State: m.State, Known: true}
}

// Obs is one observation. Processes are numbered from 0; -1 is a process that the world does not
// know.
type Obs struct {
	At   gossip.Time
	Kind ObsKind
	Told bool
	// of Saw: Node told its user that Member may be gone, whatever its table says
	Alarm         bool
	Across        bool // of Copied: to another zone
	Apart         bool // of Saw: a fault lies, or lay lately, on the way between Node and Member
	Node, Member  int32
	host          int32 // where it was observed: orders the logs of several workers
	Before, After Holding
	Seq, Hash     uint64
	Order         uint64 // of Delivered
	Bulk          bool   // of Delivered, Skipped, Restored: see gossip.Message
	From          uint64 // of Skipped
	way           *fault // of Laid and Lifted
	Count         int
	Text          string
}

// ledger is what meters and checkers need to remember in common: which processes are up, since
// when, and what each holds of each.
type ledger struct {
	now      gossip.Time
	peers    []peerState
	seen     [][]Holding // [observer][member]; nil unless the views are watched
	views    []viewState
	upCount  int
	config   gossip.Config
	ground   *plan       // the links between zones; nil: they lose nothing
	zones    []int32     // of hosts
	ways     []*fault    // that lie over them
	troubles int         // processes in trouble
	quiet    gossip.Time // since when nothing was done to the cluster and nobody is in trouble
	calm     gossip.Time // since when nobody is in trouble
}

type peerState struct {
	up       bool
	welcome  bool  // it was let in
	hindered bool  // it stands still, or works slowly
	host     int32 // where it runs, or ran
	left     bool
	troubled bool
	gen      uint64
	inc      uint32
	// the highest generation that any of its lives had, with the highest incarnation of that
	top      Holding
	since    gossip.Time   // of up
	welcomed gossip.Time   // of welcome
	former   uint64        // the generation that it was in before it rose above it on paper
	rose     gossip.Time   // when it did
	froze    gossip.Time   // when it was hindered last
	freed    gossip.Time   // when that ended
	stood    time.Duration // how long that lasted
	healthy  gossip.Time   // since when it is up and out of trouble
	ended    gossip.Time   // when its last trouble ended; 0: it had none
}

type viewState struct {
	hash uint64
	live int
}

func newLedger(n int, watch bool) *ledger {
	l := &ledger{}
	if watch {
		l.seen = [][]Holding{}
	}
	for range n {
		l.grow()
	}
	return l
}

func (l *ledger) grow() {
	l.peers = append(l.peers, peerState{})
	l.views = append(l.views, viewState{})
	if l.seen == nil {
		return
	}
	for i := range l.seen {
		l.seen[i] = append(l.seen[i], Holding{})
	}
	l.seen = append(l.seen, make([]Holding, len(l.peers)))
}

// take keeps the books. It fills in what a Saw went from.
func (l *ledger) take(o *Obs) {
	l.now = o.At
	var p *peerState
	if o.Node >= 0 && int(o.Node) < len(l.peers) {
		p = &l.peers[o.Node]
	}
	switch o.Kind {
	case Started:
		*p = peerState{up: true, gen: o.After.Gen, since: o.At, healthy: o.At,
			troubled: p.troubled, ended: p.ended,
			hindered: p.hindered, host: o.host, top: p.top}
		p.raise()
		l.views[o.Node] = viewState{}
		l.upCount++
		l.quiet = o.At
		if l.seen != nil {
			clear(l.seen[o.Node])
		}
	case Crashed, Departed, Conflicted:
		if p.up {
			l.upCount--
		}
		p.up, p.left, p.since = false, o.Kind == Departed, o.At
		l.quiet = o.At
	case Troubled:
		p.troubled = true
		l.troubles++
		l.quiet, l.calm = o.At, o.At
	case Healthy:
		p.troubled, p.healthy, p.ended = false, o.At, o.At
		l.troubles--
		l.quiet, l.calm = o.At, o.At
	case Disturbed:
		l.quiet = o.At
	case Welcomed:
		if !p.welcome {
			p.welcome, p.welcomed = true, o.At
		}
	case Hindered, Free:
		p.hindered = o.Kind == Hindered
		switch {
		case p.hindered && p.stood > 0 && p.freed == o.At: // it goes on
		case p.hindered:
			p.froze = o.At
		default:
			p.freed, p.stood = o.At, o.At.Sub(p.froze)
		}
	case Laid:
		if !o.way.harmless {
			l.ways = append(l.ways, o.way)
		}
	case Lifted:
		l.ways = slices.DeleteFunc(l.ways, func(f *fault) bool { return f.id == o.way.id })
	case Own:
		if p.gen != o.After.Gen {
			p.former, p.rose = p.gen, o.At
		}
		p.gen, p.inc = o.After.Gen, o.After.Inc
		p.raise()
	case View:
		l.views[o.Node] = viewState{o.Hash, o.Count}
	case Saw:
		if l.seen != nil && o.Member >= 0 {
			h := &l.seen[o.Node][o.Member]
			o.Before, *h = *h, o.After
		}
	}
}

// raise notes how far a process has come.
func (p *peerState) raise() {
	if p.gen > p.top.Gen || p.gen == p.top.Gen && p.inc > p.top.Inc {
		p.top.Gen, p.top.Inc = p.gen, p.inc
	}
}

// detector is what the nodes run.
func (l *ledger) detector() gossip.Detector {
	return cmp.Or(l.config.Detector,
		gossip.DefaultDetector)
}

// outvoted says whether too few of the members that a process holds for live are up. Then its
// detector, by design, does not come to know the dead. With Inquest, a side fails members that it
// does not hear if it has five members or more than half of all, whichever is fewer.
func (l *ledger) outvoted(i int) bool {
	return l.detector() == gossip.INQUEST && l.upCount-1 < l.config.Inquest.Quorum(l.views[i].live)
}

// patience returns how long processes that died since a moment may go unnoticed, if a bound is for
// a cluster most of which lives. With SWIM it is longer when few are left (swim.Config.Slowest): of
// 40 that lost 33 at once, half of all runs take over a minute.
func (l *ledger) patience(bound time.Duration, since gossip.Time) time.Duration {
	if l.detector() != gossip.SWIM {
		return bound
	}
	return max(bound, l.config.SWIM.Slowest(l.upCount+l.lost(since), l.upCount))
}

// lost returns how many went down since a moment and still are.
func (l *ledger) lost(since gossip.Time) (n int) {
	for i := range l.peers {
		if p := &l.peers[i]; !p.up && p.gen != 0 && p.since >= since {
			n++
		}
	}
	return n
}

// dials returns how likely a process dials a given one of those that it holds for failed within
// gossip.Config.Reconnect.
func (l *ledger) dials(i int) float64 {
	failed := 0
	for _, h := range l.seen[i] {
		if h.failed() {
			failed++
		}
	}
	return 1 / float64(max(failed, l.views[i].live, 1))
}

// starved says whether gossiped heartbeats may be late by chance alone, though no packet is lost.
// Until the dead are known, what is told to them is told in vain, as if it were lost. The time
// after which a member has failed reckons with no losses: it is such that a cluster makes about one
// mistake a day (heartbeat.Config.FailAfter). Their number grows with the exponential of what is
// lost. Of 1,500 clusters of 37 that lost half at once 21 made one, of those that lost 30 % none.
func (l *ledger) starved() bool {
	gossiped := l.detector() == gossip.HEARTBEAT || l.detector() == gossip.ACCRUAL &&
		l.config.Accrual.Counters
	lost := l.lost(l.now.Add(-afterTrouble))
	return gossiped && lost > (l.upCount+lost)/4
}

// undisturbed returns for how long nothing was done to the cluster and nobody was in trouble.
func (l *ledger) undisturbed() time.Duration {
	if l.troubles > 0 {
		return 0
	}
	return l.now.Sub(l.quiet)
}

// untroubled says whether nobody is in trouble, nor was lately.
func (l *ledger) untroubled() bool {
	return l.troubles == 0 && (l.calm == 0 || l.now.Sub(l.calm) > afterTrouble)
}

// afterTrouble is for how long trouble may have consequences for those out of it: suspicions under
// way, tables behind.
const afterTrouble = 30 * time.Second

// blameless says whether no trouble explains what others hold of a process, or it of others.
func (l *ledger) blameless(i int32) bool {
	p := &l.peers[i]
	return p.up && !p.troubled && (p.ended == 0 || l.now.Sub(p.ended) > afterTrouble)
}

// wellFor returns for how long a process has been up and out of trouble.
func (l *ledger) wellFor(i int32) time.Duration {
	p := &l.peers[i]
	if !p.up || p.troubled {
		return 0
	}
	return l.now.Sub(p.healthy)
}
