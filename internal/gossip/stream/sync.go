package stream

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// An exchange of all heads: Ask, Page, Ask from where the page ended, until all are told. It starts
// when hashes differ by more than pieces under way, when this process stood still, and when this
// node is a newcomer.
//
// A newcomer gets what is published since it was welcomed. The member that let it in tells how far
// it had seen each stream when it was asked. The newcomer begins every stream after that, or with
// the first message that it heard before the answer came. A stream that this member does not know
// began later, and begins at its first piece. If no member that can know answers, a stream begins
// with the first message that is heard, or at the first piece if that is near. A message that is on
// its way meanwhile comes as a whole, since it may have been published after the welcome: the
// pieces that did not come are pulled.
//
// The first of its cluster is no newcomer. If another cluster lets it in, it begins with what is
// held there, as the members of that cluster get what it holds.

const (
	quiet = 500 * time.Millisecond // hashes should agree when nothing came for so long
	// so many differences running are worth an exchange in any case
	streak  = 8
	fewRuns = 3 // and so many, where nothing agreed for as long as longRun
	longRun = 2 * time.Second
	// between two exchanges that teach nothing; so long for each page of the last
	maxSync = 2 * time.Second
	// of so many differences after an agreement one is looked into, once pieces age
	oddOnes = 4
	// a difference of which an exchange found no reason is left alone
	explained = 30 * time.Second
	firstAsk  = 100 * time.Millisecond // another is asked after this if nothing came; doubling
	// without an answer, then an exchange is given up; a newcomer goes on
	maxAsks = 5
	longGap = time.Second      // of a stall after which the others are asked at once
	maxTook = 10 * time.Second // that an Ask is thought to take, as the Join before it did
	// a newcomer that nobody told where streams begin decides alone
	decideBy = 3 * time.Second
	// without anybody's heads after a probe, others are asked for them
	aloneFor = time.Second
	// after a probe without an answer, any such silence counts, from the last heads on
	missedFor = 10 * time.Second
	nearStart = 64 // pieces from its first, a stream is as good as new
)

// syncing is how far the exchange of all heads is.
type syncing struct {
	joined   bool // this node was let in, or restored what it had
	newcomer bool // and does not know yet where streams begin
	founder  bool // it was the first of its cluster before
	decide   mono.Time
	in       mono.Time // from then on this node gets what is published

	active bool // an Ask is under way
	peer   member.ID
	from   member.ID // the first origin that is asked about
	due    mono.Time // when another is asked
	asks   int       // since the last answer

	changed mono.Time // when the hash last changed by a piece that came
	// since then it changed as a stream was let go: the others do that a little earlier or later
	aged   bool
	streak int       // differences running
	run    mono.Time // when the first of them was
	odd    bool      // this node differs from all that it hears, and an exchange found no reason
	hurry  mono.Time // until then a difference is looked into at once
	next   mono.Time // no exchange is started before
	pause  time.Duration
	all    bool      // the one under way is about streams too of which nothing is held
	pages  int       // of it
	taught bool      // something, by it
	start  mono.Time // one is started then, with anybody
	alone  mono.Time // and then, unless heads of somebody are heard before
	missed mono.Time // until then a silence counts without a probe

	led  bool // a hash led to the one under way, this one; 0: the other told none
	hash uint64
	idle idle

	strange bool // a head was passed over since its origin is not known
}

// idle are hashes of others that differ from this node's for no reason that an exchange finds: as a
// rule the one holds pieces for longer.
type idle struct {
	own   uint64 // they are against this one
	until mono.Time
	other [4]uint64
	at    int
}

func (d *idle) add(now mono.Time, own, other uint64) {
	if d.own != own {
		*d = idle{own: own}
	}
	d.other[d.at%len(d.other)], d.until = other, now.Add(explained)
	d.at++
}

func (d *idle) has(now mono.Time, own, other uint64) bool {
	return d.own == own && now < d.until && slices.Contains(d.other[:min(d.at, len(d.other))],
		other)
}

func (y *syncing) reset() {
	y.start, y.alone, y.due, y.decide = mono.Never, mono.Never, mono.Never, mono.Never
}

// Joined tells that a member let this node in, and how long its answer took. An Ask may take as
// long, and what is published meanwhile is for this node.
func (s *Streams) Joined(now mono.Time, by member.Member, took time.Duration) {
	y := &s.sync
	if !y.joined {
		y.joined, y.newcomer, y.decide = true, true, now.Add(decideBy)
		y.in = now.Add(-min(took, maxTook))
		s.at(y.decide)
	} else if y.newcomer && y.active {
		return // it asks already, and that answer is nearer to its welcome
	}
	s.startSync(now, by.ID, true)
}

// Greeted tells that a member welcomed this node that is of its own cluster, in which it was in
// before: it asks what it lacks, and begins nothing anew.
func (s *Streams) Greeted(now mono.Time, by member.Member) {
	if y := &s.sync; !y.newcomer || !y.active {
		s.startSync(now, by.ID, true)
	}
}

// Founded tells that this node is the first of its cluster.
func (s *Streams) Founded() { s.sync.founder = !s.sync.joined }

// Headless tells that a member's probe, or its answer to one, came without heads: it holds nothing,
// or is odd. A node that holds something and hears nothing else asks once in a while, and is odd
// itself if that is in vain.
func (s *Streams) Headless(now mono.Time, from member.Member) {
	if s.hash != 0 {
		s.compareHash(now, from, 0)
	}
}

// compareHash holds the hash of a member against this node's; 0: it told none.
func (s *Streams) compareHash(now mono.Time, from member.Member, hash uint64) {
	y := &s.sync
	s.heardHeads(now)
	if hash == s.hash {
		y.streak, y.odd = 0, false
		return
	}
	if y.streak++; y.streak == 1 {
		y.run = now
	}
	y.odd = y.streak >= streak && y.idle.own == s.hash && now < y.idle.until
	settled := hash != 0 && (now.Sub(y.changed) >= quiet || now < y.hurry) || y.streak >= streak ||
		// where most are dead, unknown yet, few are heard
		y.streak >= fewRuns && now.Sub(y.run) >= longRun
	if y.active || y.newcomer || now < y.next || !settled || y.idle.has(now, s.hash, hash) {
		return
	}
	if y.streak == 1 && y.aged && now >= y.hurry && s.host.Rand().IntN(oddOnes) > 0 {
		return // the one before agreed: this one is odd, and asks itself
	}
	s.startSync(now, from.ID, false)
	y.led, y.hash = true, hash
}

// startSync begins an exchange. all asks about streams too of which the other holds nothing any
// more.
func (s *Streams) startSync(now mono.Time, peer member.ID, all bool) {
	s.stats.Syncs++
	y := &s.sync
	y.streak, y.start, y.alone, y.taught, y.asks, y.pages = 0, mono.Never, mono.Never, false, 0, 0
	y.all, y.led, y.next = all, false, now.Add(s.cfg.Sync)
	s.sendAsk(now, peer, 0)
}

// sendAsk asks a member for the page that begins with an origin.
func (s *Streams) sendAsk(now mono.Time, peer, from member.ID) {
	y := &s.sync
	y.active, y.peer, y.from, y.due = true, peer, from, now.Add(firstAsk<<min(y.asks, maxAsks))
	y.asks++
	s.at(y.due)
	if m, ok := s.host.Table().Get(peer); ok {
		var buf [16]byte
		ask := wire.Ask{From: from, All: y.newcomer || y.all}
		if y.newcomer {
			ask.Back = now.Sub(y.in)
		}
		s.host.SendStream(now, m, wire.AppendAsk(buf[:0], ask))
	}
}

// receiveAsk answers with as many heads as fit a datagram.
func (s *Streams) receiveAsk(now mono.Time, from member.Member, body []byte) bool {
	ask, ok := wire.ReadAsk(body)
	if !ok {
		return false
	}
	if !s.budget.ready(now, s.cfg.Serve) {
		s.stats.Busy++
		return true
	}
	s.young(now.Add(-ask.Back), +1)
	defer s.young(now.Add(-ask.Back), -1)
	// what was published before this node came in, and after the one that asks, it never heard of
	settled := !s.sync.newcomer && s.sync.in <= now.Add(-ask.Back)
	page := wire.Page{From: ask.From, To: ^member.ID(0), All: ask.All, Settled: settled}
	b := wire.BeginPage(s.buf[:0])
	i, _ := s.search(ask.From, 0)
	for ; i < len(s.list); i++ {
		st := s.list[i]
		if len(b) > s.host.Room()-MaxLives*wire.HeadSize &&
			(i == 0 || s.list[i-1].origin != st.origin) {
			page.To = st.origin - 1 // all lives of an origin are on one page
			break
		}
		if st.held > 0 || ask.All && st.begun {
			h := st.asHead()
			h.High -= min(st.recent, h.High)
			b = wire.AppendHead(b, &h)
		}
	}
	b = wire.EndPage(b, 0, &page)
	s.budget.take(len(b))
	s.host.SendStream(now, from, b)
	s.buf = b
	return true
}

// young counts the pieces that came after a moment, for each stream, or takes that back. A newcomer
// that asks later than it was let in begins before them.
func (s *Streams) young(since mono.Time, sign int) {
	for i := len(s.permits.list) - 1; i >= s.permits.head; i-- {
		p := &s.permits.list[i]
		if p.at <= since {
			return
		}
		p.st.recent += uint64(sign)
	}
}

func (s *Streams) receivePage(now mono.Time, from member.Member, body []byte) bool {
	page, heads, ok := wire.ReadPage(body)
	if !ok {
		return false
	}
	if page.From == 0 && page.To == 0 {
		return s.receiveTold(now, from, page.All, heads)
	}
	s.hearFormer(now, from, page.From, heads)
	defer s.denials(now, from, page, heads) // once what it shows is known to be missing
	y := &s.sync
	// a newcomer takes the first answer to any Ask
	if !y.active || page.From != y.from || from.ID != y.peer && !y.newcomer {
		return s.hearAside(now, from, heads)
	}
	y.asks = 0
	if y.newcomer && !(page.Settled && page.All) {
		return true // it does not know; another is asked in time
	}
	y.pages++
	all := heads
	for {
		h, ok := heads.Next()
		if !ok {
			break
		}
		if y.newcomer {
			s.beginAfter(now, h)
		} else if st := s.hear(now, from, h); st != nil {
			if y.taught = true; y.all {
				s.news(now, st)
			}
		}
	}
	if !y.newcomer {
		s.tellBack(now, from, page, all)
	}
	if page.To != ^member.ID(0) {
		s.sendAsk(now, from.ID, page.To+1)
		return !heads.Malformed()
	}
	s.endSync(now)
	return !heads.Malformed()
}

// hearAside takes in what a page tells that is not of the exchange under way: it came late, or
// answers about former lives. It says as truly how far a member has what it holds.
func (s *Streams) hearAside(now mono.Time, from member.Member, heads wire.HeadReader) bool {
	for {
		h, ok := heads.Next()
		if !ok {
			return !heads.Malformed()
		}
		if h.Low <= h.High {
			s.hear(now, from, h)
		}
	}
}

// receiveTold takes in heads that nobody asked for: what this node lacked when it showed its own,
// or what is passed on in a reunion.
func (s *Streams) receiveTold(now mono.Time, from member.Member, on bool,
	heads wire.HeadReader) bool {
	for {
		h, ok := heads.Next()
		if !ok {
			return !heads.Malformed()
		}
		if st := s.hear(now, from, h); st != nil && on {
			s.news(now, st)
			s.check(now)
		}
	}
}

// endSync ends an exchange that told all. If that taught nothing the next one waits longer.
func (s *Streams) endSync(now mono.Time) {
	y := &s.sync
	y.active, y.due = false, mono.Never
	s.heardHeads(now)
	switch {
	case y.newcomer:
		s.settle(now, func(*stream) uint64 { return 1 })
	case y.taught:
		y.pause = 0
	default:
		if y.led {
			y.idle.add(now, s.hash, y.hash)
		}
		y.pause = min(max(2*y.pause, s.cfg.Sync), maxSync*time.Duration(max(y.pages, 1)))
		y.next = now.Add(y.pause + time.Duration(s.host.Rand().Int64N(int64(y.pause)/2+1)))
	}
}

// syncWake does what has fallen due of an exchange.
func (s *Streams) syncWake(now mono.Time) {
	y := &s.sync
	if now >= y.decide {
		s.settle(now, (*stream).firstHeard)
	}
	if y.active && now >= y.due {
		y.active, y.due = false, mono.Never
		switch m, ok := s.anybody(); {
		case y.all && !y.newcomer && y.asks < reunionTries:
			s.sendAsk(now, y.peer, y.from)
		case !y.newcomer && y.asks >= maxAsks:
			s.Probed(now)
		case ok: // the last may not have heard yet that this node lives
			s.sendAsk(now, m.ID, y.from)
		case y.newcomer:
			y.active, y.due = true, now.Add(firstAsk)
		}
	}
	if now >= y.start {
		y.start = mono.Never
		if m, ok := s.anybody(); ok && !y.active {
			s.startSync(now, m.ID, true)
		}
	}
	if now >= y.alone {
		y.alone, y.missed = mono.Never, now.Add(missedFor)
		if m, ok := s.anybody(); ok && !y.active && !y.newcomer {
			s.startSync(now, m.ID, false)
		}
	}
	s.at(min(y.due, y.start, y.alone, y.decide))
}

func (s *Streams) syncStalled(now mono.Time, gap time.Duration) {
	y := &s.sync
	if y.decide = y.decide.Add(gap); !y.newcomer {
		y.due = y.due.Add(gap)
	}
	if gap >= longGap {
		y.active, y.due = false, mono.Never
		if y.newcomer {
			y.active, y.due = true, now // the member that it asked may have forgotten it
		}
		y.start, y.next, y.pause = now, now, 0
		s.keep(now)
		s.at(now)
	}
	// it works slowly, and may not come to its timers: it asks the next one
	if y.newcomer && y.active && now >= y.due {
		s.syncWake(now)
	}
}

// anybody returns a random live member other than this node.
func (s *Streams) anybody() (member.Member, bool) {
	t := s.host.Table()
	for range 4 {
		if t.Served() < 2 {
			break
		}
		if m := t.At(s.host.Rand().IntN(t.Served())); m.ID != s.host.Self() {
			return m, true
		}
	}
	return member.Member{}, false
}

// beginAfter has a stream begin, for a newcomer, after what there was of it.
func (s *Streams) beginAfter(now mono.Time, h wire.Head) {
	if s.isOwn(h.Origin, h.Generation) {
		s.twin(now, h.High)
		return
	}
	st := s.find(h.Origin, h.Generation)
	if st == nil {
		if st = s.add(h.Origin, h.Generation); st == nil {
			return
		}
		st.begun = st.met
	}
	if !st.begun {
		at := h.High + 1
		if s.sync.founder {
			at = min(at, h.Low)
		}
		s.begin(now, st, min(at, st.firstMessage()))
	}
}

// settle ends being a newcomer: what was heard of and not told of begins where begin says.
func (s *Streams) settle(now mono.Time, begin func(*stream) uint64) {
	s.sync.newcomer, s.sync.decide = false, mono.Never
	for _, st := range s.list {
		if !st.begun {
			s.begin(now, st, begin(st))
		}
	}
}

// firstHeard returns where a stream begins for a node that nobody told.
func (st *stream) firstHeard() uint64 {
	if st.held == 0 || st.low <= nearStart {
		return 1
	}
	return st.firstMessage()
}

// firstMessage returns where the message begins that the first piece which is held is of.
func (st *stream) firstMessage() uint64 {
	if st.held == 0 {
		return ^uint64(0)
	}
	p, _ := readPart(st.get(st.low))
	return st.low - min(p.index, st.low-1)
}

// widen has a stream that was begun in the middle of a message, as a piece of that shows, begin
// with it.
func (st *stream) widen(seq uint64, p *part) {
	if first := seq - min(p.index, seq-1); st.middle && st.next == st.from &&
		first < st.from && st.from <= seq {
		st.middle = false // once: pieces may be forged
		st.next, st.solid, st.from = first, first, first
	}
}

// begin decides where a stream begins for this node.
func (s *Streams) begin(now mono.Time, st *stream, at uint64) {
	for st.held > 0 && (st.low < at || st.top-at > 2*Ahead) {
		s.drop(st, st.low)
	}
	if st.held == 0 {
		st.top, st.head = at-1, at-1
	}
	st.begun, st.middle, st.next, st.solid, st.from = true, true, at, at, at
	s.mark(now, st)
	s.deliver(now, st, false)
	s.missing(now, st, true)
}
