// Package stream is what a node holds of all members' messages: in what order they are delivered,
// what is missing and which members have it, what is kept for others and for how long, and how fast
// this node may publish.
//
// What one member publishes in one life (origin and generation) is a stream of pieces, each with a
// sequence number from 1 and small enough for a datagram. A message on a topic is some of these
// pieces, in their order; so large messages, gaps, repair, retention and watermarks are one
// mechanism, and messages of several topics go beside each other.
// Package multicast brings fresh pieces to all members. This one takes them in (Take), sees what
// did not come, and pulls that from members that have it.
//
// Streams composes the parts below. Each has its own state and methods, and calls only parts that
// stand above it in this list; what a part exports is exported by Streams.
//
//	part         shelf.go, body.go      the pieces of one stream, and what is in them
//	stream       one.go                 one life of one member: order, holes, what it shows
//	repair       repair.go              one gap: which members have the piece, and lack it
//	telling      heads.go               the streams whose heads ride on probes
//	passing      heads.go               the streams that were news, and are passed on
//	catalog      catalog.go, held.go    all streams, and what is held of them
//	order        order.go               what is delivered next, and what is told as lost
//	gaps         gap.go                 streams in which something is missing, or the end
//	losses       lost.go                when that is passed over
//	outbox       publish.go, queue.go   this node's own stream, within a window
//	retention    retain.go              what is held is bounded by bytes, count and age
//	arrival      arrival.go             where streams begin for a newcomer
//	former       arrival.go             a new life waits to hear of the one before
//	intake       take.go                a piece, or a word of one, comes in
//	holders      holder.go              which member is asked
//	polls        poll.go                one question about many streams
//	pulls        pull.go, supply.go     missing pieces are asked for, and come
//	answers      answer.go              what others ask for
//	differences  sync.go                the hash of another is not this node's
//	exchange     sync.go                heads of all streams are exchanged, page by page
//	reunion      reunion.go             members that were away are back
//
// Streams is a pure state machine in the manner of the other rooms of gossip.
package stream

import (
	"iter"
	"math/rand/v2"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/marks"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/rate"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Host is what Streams may use of the node around it, and tell it. It is called only from within
// Streams' own methods, and calls none of them.
type Host interface {
	// Self returns this node, Generation its present life. Both name this node's own stream.
	Self() member.ID
	Generation() uint64
	// Table returns the known members.
	Table() *member.Table
	// Rand returns the node's source of chance.
	Rand() *rand.Rand
	// Short says whether the budget for what is sent to a member's zone is spent, Tight whether one
	// for any zone was of late.
	Short(to member.ID) bool
	Tight() bool
	// OwnZone returns the places of this node's zone; none if there is but one zone.
	OwnZone() []topology.Place
	// Room returns how many bytes of messages fit one datagram. It must be at least wire.MinRoom -
	// wire.HeaderSize.
	Room() int
	// SendStream sends messages to a member, in a datagram of their own. It copies them.
	SendStream(now mono.Time, to member.Member, messages []byte)
	// Unanswered tells that a member did not answer what was sent to it, and that either was long:
	// perhaps such datagrams do not pass.
	Unanswered(now mono.Time, id member.ID)

	// Heard returns when the last datagram of a member came; 0: nothing is known of that.
	Heard(id member.ID) mono.Time
	// Narrow says whether the way to a member is known to drop what is as long as a full piece.
	Narrow(id member.ID) bool
	// RTT is a smoothed round trip to the members; 0: unknown.
	RTT() time.Duration

	// Deliver hands out a message, this node's own too. Topic and payload are never written to
	// again.
	Deliver(now mono.Time, m Message)
	// Lose tells that messages were passed over, which nobody holds any more.
	Lose(now mono.Time, l Lost)
	// Twin tells that others have more of this node's own stream than it published in its present
	// life: a process before it was in the same generation.
	Twin(now mono.Time)
	// Writable tells that Append may be tried again after an ErrBackpressure.
	Writable(now mono.Time)
	// Keep tells of every piece that is new here, and Mark how far a stream is delivered. From
	// these a driver can give Restore at the next start what it needs. A Mark follows the Deliver
	// or Lose that it covers. The piece's body is never written to again.
	Keep(now mono.Time, p wire.Piece)
	Mark(now mono.Time, m Mark)
}

// Message is a message that is delivered.
type Message struct {
	Origin      member.ID
	Generation  uint64 // of the origin
	Seq         uint64 // counts the origin's messages in this generation, over all topics, from 1
	Order       uint64 // how many of them have ended with this one: it is delivered as that
	First, Last uint64 // its first and last piece; others may lie between them
	Topic       []byte
	Payload     []byte
}

// Lost is a hole in a stream: pieces that were passed over. At the end of what is known of a stream
// it may not be known how many messages were in them. Then Seq is 0, and Count is the number of the
// pieces: there were at most as many messages.
type Lost struct {
	Origin     member.ID
	Generation uint64
	From, To   uint64 // pieces
	Count      uint64 // messages that ended in them, or in part
	Seq        uint64 // how many messages have ended with the last of these: see Message.Order
}

// Mark says that everything of a stream before Next is of no use any more, and so are the first
// messages to end, so many as Seq says: they are delivered, passed over, or from before this node's
// time.
type Mark struct {
	Origin     member.ID
	Generation uint64
	Next       uint64 // a piece
	Seq        uint64 // see Message.Order
}

// Config is how much a node holds and how eagerly it repairs. The zero value of each field means
// its default.
type Config struct {
	// bytes of pieces that this node published and that are not closed yet; default 4 MiB, at most
	// half of Bytes
	Window int

	Bytes  int           // of pieces held, at most; default 8 MiB
	Pieces int           // held, at most; default 16,384
	Age    time.Duration // a piece is held for, at most; default 60 s

	// for a missing piece to come by itself, since the last one came; default 30 ms, or a round
	// trip. At most four of them
	Wait    time.Duration
	Timeout time.Duration // of a request, before round-trip times are known; default 250 ms
	// a gap is passed over after this if all members that were asked lack it; default 2 s
	Patience time.Duration
	GiveUp   time.Duration // after it a gap is dropped if no member vouches for it; default 20 s
	Serve    int           // bytes a second that this node answers Pulls with; default 8 MiB
	// between two exchanges of all heads, at least; doubles to 2 s for each page of heads while
	// they teach nothing; default 1 s
	Sync time.Duration
}

func (c Config) withDefaults() Config {
	def(&c.Bytes, 8<<20)
	def(&c.Pieces, 16384)
	def(&c.Age, time.Minute)
	def(&c.Window, 4<<20)
	def(&c.Wait, 30*time.Millisecond)
	def(&c.Timeout, 250*time.Millisecond)
	def(&c.Patience, 2*time.Second)
	def(&c.GiveUp, 20*time.Second)
	def(&c.Serve, 8<<20)
	def(&c.Sync, time.Second)
	c.Window = min(c.Window, c.Bytes/2)
	return c
}

func def[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Bounds of what is remembered, beside those of Config.
const (
	// MaxStreams is how many streams are known. The one that was silent for longest, or nearly,
	// makes way.
	MaxStreams = 4096
	// MaxLives is how many generations of one origin are among them, each with two streams at most.
	MaxLives = 8
	// Ahead is how many pieces beyond the first undelivered one are taken in.
	Ahead = 16384
)

// Stats counts what happened since the start; Streams to Open are of now.
type Stats struct {
	Published, Delivered uint64 // messages; Delivered includes one's own
	Lost                 uint64 // messages passed over
	Duplicates           uint64 // pieces that came again
	Beyond               uint64 // pieces too far ahead of what is delivered
	Refused              uint64 // pieces of streams that are not taken in
	Malformed            uint64 // pieces that could not be read
	Backpressure         uint64 // Appends refused

	Gaps     uint64 // times that something was missing
	Pulls    uint64 // requests sent
	TimedOut uint64 // of them
	Pulled   uint64 // pieces that came by them
	Useless  uint64 // pieces that came by them and were here already
	Served   uint64 // pieces sent to members that asked
	Busy     uint64 // requests not served, over Config.Serve
	// pieces not sent in answer to a request: over wire.MaxPiece, so that they do not fit a
	// datagram of this node
	TooLarge uint64
	Unproven uint64 // claims of more that nobody could show
	Syncs    uint64 // exchanges of all heads started

	Streams     int // known
	Gapped      int // of them, with something missing
	Held, Bytes int // pieces, and their bytes
	Open        int // bytes published and not closed yet
}

// Streams is one node's part in everybody's streams: a pure state machine, not safe for concurrent
// use. It embeds the parts that export methods; its own need several of them.
type Streams struct {
	env
	catalog
	order
	gaps   gaps
	losses losses
	outbox
	retention retention
	arrival
	former former
	intake
	holders holders
	polls   polls
	pulls   pulls
	answers answers
	passing passing
	differences
	exchange
	reunion
}

// New returns a node's streams.
func New(host Host, cfg Config) *Streams {
	s := &Streams{env: env{host: host, cfg: cfg.withDefaults(), due: mono.Never}}
	e := &s.env
	s.catalog = catalog{env: e, marks: marks.Table[life, mark]{Max: MaxMarks}}
	s.order = order{env: e, known: &s.catalog}
	s.passing = passing{env: e, due: mono.Never}
	s.gaps = gaps{env: e, known: &s.catalog, order: &s.order, passing: &s.passing}
	c := core{e, &s.catalog, &s.order, &s.gaps}
	s.losses, s.holders = losses{c}, holders{e}
	s.outbox = outbox{env: e, known: &s.catalog, order: &s.order}
	s.retention = retention{core: c, outbox: &s.outbox}
	s.arrival = arrival{core: c, decide: mono.Never}
	s.former = former{core: c}
	s.intake = intake{core: c, retention: &s.retention, arrival: &s.arrival, former: &s.former}
	s.polls = polls{core: c, holders: &s.holders, intake: &s.intake}
	s.pulls = pulls{core: c, losses: &s.losses, intake: &s.intake, holders: &s.holders,
		polls: &s.polls, trips: trips{env: e}}
	s.answers = answers{core: c, arrival: &s.arrival,
		budget: rate.Full(s.cfg.Serve, s.cfg.Serve/4, 0)}
	s.differences = differences{core: c}
	s.exchange = exchange{core: c, arrival: &s.arrival, differ: &s.differences,
		intake: &s.intake, former: &s.former, polls: &s.polls, passing: &s.passing,
		retention: &s.retention, due: mono.Never, start: mono.Never, alone: mono.Never}
	s.reunion = reunion{core: c, arrival: &s.arrival, differ: &s.differences,
		exchange: &s.exchange, intake: &s.intake, passing: &s.passing,
		retention: &s.retention, due: mono.Never}
	return s
}

// Stats returns the counts.
func (s *Streams) Stats() Stats {
	st := s.stats
	st.Streams, st.Gapped, st.Held, st.Bytes, st.Open = len(s.list), len(s.mending.list), s.held,
		s.bytes, s.openBytes()
	return st
}

// Append publishes a message: it waits until Cut gives its pieces their sequences in this node's
// own stream. An urgent one goes before those of other topics. The topic has 1 to wire.MaxTopic
// bytes, the payload at most MaxPayload; it is copied. It fails with ErrBackpressure if the window
// has no room; Host.Writable tells when to try again. On an error nothing was done.
func (s *Streams) Append(now mono.Time, topic string, payload []byte, urgent bool) (Published,
	error) {
	return s.outbox.publish(now, topic, payload, urgent)
}

// Cut is that of the outbox, after which what is too much is let go.
func (s *Streams) Cut(now mono.Time, bulk bool, room int) Cut {
	c := s.outbox.Cut(now, bulk, room)
	if c.Count > 0 {
		s.retention.retain(now)
	}
	return c
}

// Deadline returns when Wake must be called, mono.Never if never.
func (s *Streams) Deadline() mono.Time { return s.env.due }

// Wake is called when now >= Deadline().
func (s *Streams) Wake(now mono.Time) {
	if now < s.env.due {
		return
	}
	s.env.due = mono.Never
	s.retention.retain(now)
	s.exchange.wake(now)
	s.reunion.wake(now)
	s.former.wake(now)
	if s.gaps.wake(now) {
		s.differences.hurry = now.Add(hurryFor)
	}
	s.pulls.mend(now)
}

// Stalled tells that this node's own process stood still for a gap. What was due meanwhile gets
// that much longer. After a long gap the others are asked at once what was missed.
func (s *Streams) Stalled(now mono.Time, gap time.Duration) {
	for _, st := range s.mending.list {
		st.repair.stalled(gap)
	}
	clear(s.pulls.trips.late[:])
	s.exchange.stalled(now, gap)
}

// Receive takes a message of streams from a live member, and says whether it could be read.
func (s *Streams) Receive(now mono.Time, sender plane.Sender, t wire.Type, body []byte) (ok bool) {
	from := sender.Member
	switch t {
	case wire.TypeHeads:
		ok = s.exchange.receiveHeads(now, from, body)
	case wire.TypeAsk:
		ok = s.answers.receiveAsk(now, from, body)
	case wire.TypePage:
		ok = s.reunion.receivePage(now, from, body)
	case wire.TypePull:
		ok = s.answers.receivePull(now, from, body)
	case wire.TypeSupply:
		ok = s.pulls.receiveSupply(now, from, body)
	}
	return ok
}

// Restore takes in what a driver kept of a former run, before anything else comes in: how far
// streams were delivered, and pieces of them, in rising order of each stream's sequence. Nothing
// before a mark is delivered again; what lies after it and is whole is delivered now. A node that
// was restored was there before. So streams that it does not know began while it was away, and
// begin at their first piece, as for all members that were there. Restore returns the last
// generation of this node's own that it finds, 0 if none: the present one has to be later.
func (s *Streams) Restore(now mono.Time, marks iter.Seq[Mark],
	pieces iter.Seq[wire.Piece]) (own uint64) {
	s.arrival.joined = true
	for m := range marks {
		if st := s.catalog.add(m.Origin, m.Generation); st != nil && m.Next > 0 {
			st.resume(m.Next, m.Seq)
		}
	}
	for p := range pieces {
		s.restore(now, p)
	}
	for _, st := range s.list {
		s.order.deliver(now, st, false)
		s.gaps.missing(now, st, true)
	}
	s.retention.retain(now)
	if from, to := s.catalog.lives(s.host.Self()); to > from {
		own = s.list[to-1].life()
	}
	return own
}

func (s *Streams) restore(now mono.Time, p wire.Piece) {
	st := s.catalog.find(p.Origin, p.Generation)
	if st == nil {
		if st = s.catalog.add(p.Origin, p.Generation); st == nil {
			return
		}
	}
	part, ok := readPart(p.Body)
	far := st.held > 0 && max(st.top, p.Seq)-min(st.low, p.Seq) > uint64(2*Ahead+s.cfg.Pieces)
	if !ok || far || st.get(p.Seq) != nil || p.Seq == 0 || p.Seq >= st.next+Ahead {
		return
	}
	s.catalog.shelve(now, st, p.Seq, append([]byte(nil), p.Body...))
	if part.after > 0 {
		s.intake.small(now, st, part.after)
	}
}
