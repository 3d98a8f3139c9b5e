// Package reconcile is anti-entropy between members' tables (the idea: Demers et al., "Epidemic
// Algorithms for Replicated Database Maintenance", 1987). It finds what two of them differ in and
// repairs that, at a cost that follows the difference and not the size.
//
// Members show each other a fingerprint of their table. When two differ, one of three things
// happens:
//
//   - Explain (explain.go): the difference is the XOR of a few changes that this node made lately.
//     It pushes those.
//   - A view (exchange.go): one node shows what it holds, as a sketch that costs what differs
//     (sketch.go) or, where that is shorter, as a list. A node that can tell from it what differs
//     pushes what it has and asks for what it lacks. A node that cannot tell answers with a larger
//     view, or with several views of parts of the table.
//   - A pull (pull.go): a newcomer lists what it holds in small ranges, to many members at once,
//     and gets the rest.
//
// Everything stands alone, may be lost and may come twice. No exchange can go round in circles. A
// view is answered by a larger or a narrower one or by a Push that asks for answers, and answers to
// a Push ask for none.
package reconcile

import (
	"math/rand/v2"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Host is what anti-entropy may use of the node around it. It is called only from within Repair's
// own methods, and calls none of them but Changed.
type Host interface {
	// Self returns this node.
	Self() member.ID
	// Table returns the known members. Only Learn changes it.
	Table() *member.Table
	// Rand returns the node's source of chance.
	Rand() *rand.Rand
	// Room returns how many bytes of messages fit one datagram. A Record in a Push, and the larger
	// sketch, fit 1,157.
	Room() int
	// SendRepair sends messages to a member, in a datagram of their own. It copies them.
	SendRepair(now mono.Time, to member.Member, messages []byte)
	// Unanswered tells that a member did not answer what was sent to it, and that either was long:
	// perhaps such datagrams do not pass.
	Unanswered(now mono.Time, id member.ID)
	// AppendRecord writes what the table holds of a member as a Record message.
	AppendRecord(b []byte, now mono.Time, m member.Member) []byte
	// Learn takes in a message of a Push, a Record as a rule, as news from a member. If what the
	// table holds of its subject prevails over what came (by member.Version), it returns that, and
	// true.
	Learn(now mono.Time, from member.Member, t wire.Type, body []byte) (held member.Member,
		newer bool)
}

// Config is how eagerly a node repairs. The zero value of each field means its default.
type Config struct {
	Quiet    time.Duration // a table that did not change for this long should agree; default 500 ms
	Interval time.Duration // between two views that this node starts, at least; default 1 s
	Serve    int           // datagrams a second that this node answers with, at most; default 400
	Burst    int           // of them at once; default 64
}

func (c Config) withDefaults() Config {
	def(&c.Quiet, 500*time.Millisecond)
	def(&c.Interval, time.Second)
	def(&c.Serve, 400)
	def(&c.Burst, 64)
	return c
}

func def[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Stats counts what happened since the start.
type Stats struct {
	Matched, Mismatched uint64 // fingerprints from peers
	Explained           uint64 // mismatches explained by changes of this node's
	Started             uint64 // exchanges started with a view
	Sketches, Lists     uint64 // views sent
	Decoded, Undecoded  uint64 // views received, by whether they told what differs
	Pushed, Wanted      uint64 // records sent; records asked for
	Learned             uint64 // changes of this table by records that came
	Asked               uint64 // requests of pulls sent
	Refused             uint64 // messages answered with Busy, or cut short, for want of budget
	Busy                uint64 // Busy received
}

// When a mismatch is worth a view, and how much one of them may miss.
const (
	streakWorthView = 8 // mismatches running
	much            = 4 // changes by one Push
	// followUp is the pause between two views of a node while much is missing
	followUp = 100 * time.Millisecond
)

// Agreement is about the peers heard of last, at most agreementSize, no longer than lately ago.
const (
	agreementSize = 16
	lately        = 30 * time.Second
)

// shown is what a peer's last fingerprint was.
type shown struct {
	peer member.ID
	at   mono.Time
	same bool // as this node's own when it came
}

// Repair is one node's part in anti-entropy: a pure state machine, not safe for concurrent use.
type Repair struct {
	plane.None
	host  Host
	cfg   Config
	stats Stats
	log   changeLog

	changed mono.Time // when news last changed the hashed part of the table
	push    bool      // a Push is being taken in: its changes are no news
	streak  int       // unexplained mismatches running
	shown   [agreementSize]shown

	next   mono.Time // no view is started before
	follow mono.Time // a view is due then, with anybody
	wait   wait
	pauses [maxPauses]pause
	budget budget
	pull   *pull  // nil when none is under way
	expect uint32 // members, by the seed that let this node in
	whole  bool   // the table has been whole since
}

// New returns a node's anti-entropy.
func New(host Host, cfg Config) *Repair {
	cfg = cfg.withDefaults()
	return &Repair{
		host:   host,
		cfg:    cfg,
		follow: mono.Never,
		wait:   wait{due: mono.Never},
		budget: budget{interval: time.Second / time.Duration(cfg.Serve), burst: cfg.Burst},
	}
}

// Stats returns the counts.
func (r *Repair) Stats() Stats { return r.stats }

// Agreement tells how many of the live peers whose fingerprints were heard lately, at most 16 and
// no longer than 30 s ago, showed this node's own when they were heard last.
func (r *Repair) Agreement(now mono.Time) (same, heard int) {
	for _, s := range r.shown {
		m, ok := r.host.Table().Get(s.peer)
		if s.peer == 0 || !ok || !m.State.Live() || now.Sub(s.at) > lately {
			continue
		}
		heard++
		if s.same {
			same++
		}
	}
	return same, heard
}

// show remembers a peer's fingerprint in its own place, or in that of the one heard of longest ago.
func (r *Repair) show(now mono.Time, peer member.ID, same bool) {
	place := 0
	for i, s := range r.shown {
		if s.peer == peer {
			place = i
			break
		}
		if s.at < r.shown[place].at {
			place = i
		}
	}
	r.shown[place] = shown{peer: peer, at: now, same: same}
}

// Changed tells that the table changed: before is the zero Member if the member is new.
func (r *Repair) Changed(now mono.Time, before, after member.Member) {
	var delta uint64
	if before.ID != 0 && before.State.Live() {
		delta = before.Item()
	}
	if after.State.Live() {
		delta ^= after.Item()
	}
	if delta != 0 { // suspicion is not hashed
		if !r.push {
			r.changed = now
		}
		r.log.add(change{id: after.ID, delta: delta})
	}
}

// Fingerprint takes a peer's fingerprint, once the news in the same datagram has been taken in.
func (r *Repair) Fingerprint(now mono.Time, from member.Member, fp wire.Fingerprint) {
	x := fp.Hash ^ r.host.Table().Fingerprint()
	r.show(now, from.ID, x == 0)
	if x == 0 {
		r.agreed(fp.Live)
		return
	}
	r.stats.Mismatched++
	if r.explain(now, from, x) {
		return
	}
	r.streak++
	if r.pull != nil {
		r.pullMore(now, fp.Live)
		return
	}
	if now < r.next || !r.worthwhile(now, fp.Live) || r.isPaused(now, x) {
		return
	}
	r.pauseOver(now, x, from.ID)
	d := r.lag(fp.Live)
	r.start(now, from, d)
	r.wait = wait{peer: from.ID, hash: fp.Hash, differ: d, due: now.Add(r.cfg.Interval),
		tries: retries}
}

// agreed notes that a peer, which knows of so many live members, sees what this node sees.
func (r *Repair) agreed(live uint32) {
	r.stats.Matched++
	r.streak = 0
	r.whole = r.whole || live >= r.expect || r.pull == nil
	r.follow, r.wait.due = mono.Never, mono.Never
	if r.pull != nil && live >= r.pull.live {
		r.pull = nil
	}
}

// worthwhile says whether a mismatch should start an exchange. One with a peer that knows of many
// more members should; otherwise it is most likely news under way, and only a quiet table or a long
// streak tells of something lost.
func (r *Repair) worthwhile(now mono.Time, live uint32) bool {
	known := r.host.Table().Live()
	return int(live)-known >= max(much, known/16) ||
		r.streak >= streakWorthView ||
		now.Sub(r.changed) >= r.cfg.Quiet
}

// lag returns how many items differ at the least.
func (r *Repair) lag(live uint32) int {
	d := int(live) - r.host.Table().Live()
	return max(d, -d)
}

// start begins an exchange with a peer, of which at least d items differ. Where it looks as if much
// were missing the next one need not wait, and this node introduces itself: the peer may not have
// heard of it yet.
func (r *Repair) start(now mono.Time, to member.Member, d int) {
	r.stats.Started++
	r.streak = 0
	b := r.batch(now, to, nil)
	if d >= much {
		r.introduce(&b)
		r.next = now.Add(r.jitter(followUp))
	} else {
		r.next = now.Add(r.jitter(r.cfg.Interval))
	}
	r.offer(&b, wire.Range{}, d)
	b.send()
}

// introduce puts in this node's own record, as news.
func (r *Repair) introduce(b *batch) {
	if self, ok := r.host.Table().Get(r.host.Self()); ok {
		b.add(func(buf []byte) []byte { return r.host.AppendRecord(buf, b.now, self) })
	}
}

// jitter returns a duration up to a half longer.
func (r *Repair) jitter(d time.Duration) time.Duration {
	return d + time.Duration(r.host.Rand().Int64N(int64(d)/2+1))
}

// learned notes that a Push changed the table n times: the next mismatch need not wait. Where much
// was missing more will be, which is looked for without waiting for a mismatch. A little comes of
// every exchange in a lively cluster.
func (r *Repair) learned(now mono.Time, n int) {
	r.stats.Learned += uint64(n)
	if n > 0 {
		r.next = min(r.next, now.Add(followUp))
	}
	if n >= much {
		r.lookAround(now)
	}
}

// lookAround has an exchange start soon, with somebody at random.
func (r *Repair) lookAround(now mono.Time) {
	t := now.Add(r.jitter(followUp))
	r.next = min(r.next, t)
	r.follow = min(r.follow, t)
}

// Deadline returns when Wake must be called, mono.Never if never.
func (r *Repair) Deadline() mono.Time {
	if r.pull != nil {
		return r.pull.deadline()
	}
	return min(r.follow, r.wait.due)
}

// Wake is called when now >= Deadline().
func (r *Repair) Wake(now mono.Time) {
	if r.pull != nil {
		r.pullWake(now)
		return
	}
	r.retry(now)
	if now < r.follow {
		return
	}
	r.follow = mono.Never
	if to, ok := r.anybody(); ok {
		r.start(now, to, much)
	}
}

// Stalled tells that this node's own process stood still for a gap: what was due meanwhile gets
// that much longer.
func (r *Repair) Stalled(_ mono.Time, gap time.Duration) {
	r.changed = r.changed.Add(gap)
	r.follow = r.follow.Add(gap)
	r.wait.due = r.wait.due.Add(gap)
	if r.pull != nil {
		r.pull.stalled(gap)
	}
}

// anybody returns a random live member other than this node.
func (r *Repair) anybody() (member.Member, bool) {
	return plane.Anybody(r.host.Rand(), r.host.Table(), r.host.Self())
}

// Receive takes a message of anti-entropy from a live member, and says whether it could be read.
func (r *Repair) Receive(now mono.Time, sender plane.Sender, t wire.Type, body []byte) (ok bool) {
	from := sender.Member
	if t == wire.TypePush || t == wire.TypeWant {
		r.answered(from.ID)
	}
	if from.ID == r.wait.peer {
		r.wait.due = mono.Never
	}
	switch t {
	case wire.TypeSketch:
		ok = r.receiveSketch(now, from, body)
	case wire.TypeList:
		ok = r.receiveList(now, from, body)
	case wire.TypeWant:
		ok = r.receiveWant(now, from, body)
	case wire.TypePush:
		ok = r.receivePush(now, from, body)
	case wire.TypeDone:
		ok = r.receiveDone(now, body)
	case wire.TypeBusy:
		ok = r.receiveBusy(now, body)
	}
	return ok
}
