package gossip

import (
	"github.com/starling-gossip/starling/internal/gossip/flow"
	"github.com/starling-gossip/starling/internal/gossip/reconcile"
)

// Stats counts what a node did since it started. All counters only rise; the lengths at the end are
// of now.
type Stats struct {
	PacketsIn, BytesIn   uint64 // without IP and UDP headers and sealing
	PacketsOut, BytesOut uint64
	ProbesOut            uint64 // of PacketsOut, the detector's

	Malformed      uint64 // datagrams or messages that could not be read
	UnknownType    uint64 // messages of types that this version does not know, passed over
	OtherCluster   uint64 // datagrams of another cluster
	Misaddressed   uint64 // datagrams meant for a former owner of this address, or a former life
	Namesake       uint64 // datagrams of another node with this node's name
	NameClaims     uint64 // times that another node claimed this node's name
	StaleNews      uint64 // news older than the table
	Doubted        uint64 // old verdicts about live members, passed to them and not believed
	Refuted        uint64 // accusations that this node refuted
	RepliesRefused uint64 // answers not given, since strangers and the dead had asked for too many
	TableRefused   uint64 // members not taken in: the table is full, or an ID is taken
	Stalls         uint64 // times that this node's own process stood still
	Excess         uint64 // questions beyond the first of their kind in one datagram, not answered
	PairWaits      uint64 // times that something waited since the budget for another zone was spent
	ZonesSilent    uint64 // times that a whole zone fell silent
	QueueDropped   uint64 // news let go over the queue's bounds

	// times that datagrams as long as this node's longest passed there and back
	ChecksPassed     uint64
	ChecksSmall      uint64 // times that they did not, and short ones did
	ChecksUnanswered uint64 // times that neither was to be found out

	Delivered  uint64 // messages
	Lost       uint64 // messages that were skipped, since nobody held them any more
	Duplicates uint64 // copies of pieces of messages that were here already

	NewsQueued     int
	Paths          int // ways to others of which something is kept
	SmallPaths     int // those of them that do not take this node's longest datagrams
	MessagesQueued int // pieces of this node's messages that are not on their way yet
}

// Stats returns the counters.
func (v View) Stats() Stats {
	s, f := v.n.stats, &v.n.flow.Stats
	s.PacketsIn, s.BytesIn, s.RepliesRefused = f.PacketsIn, f.BytesIn, f.RepliesRefused
	s.PacketsOut, s.BytesOut = f.PacketsOut, f.BytesOut
	r := &v.n.roster.Stats
	d := &v.n.door.Stats
	s.Malformed += r.Malformed + d.Malformed
	s.Namesake, s.NameClaims = d.Namesake, d.NameClaims
	s.StaleNews, s.Doubted, s.Refuted = r.StaleNews, r.Doubted, r.Refuted
	s.TableRefused = r.TableRefused
	s.QueueDropped, s.NewsQueued = v.n.roster.News.Dropped(), v.n.roster.News.Queued()
	s.PairWaits = v.n.quota.Waits()
	if v.n.ways != nil {
		s.Paths, s.SmallPaths = v.n.ways.Counts()
		w := v.n.ways.Stats()
		s.ChecksPassed, s.ChecksSmall, s.ChecksUnanswered = w.Passed, w.Small, w.Unanswered
	}
	if v.n.streams != nil {
		st := v.n.streams.Stats()
		s.Delivered, s.Lost, s.Duplicates = st.Delivered, st.Lost, st.Duplicates
		s.MessagesQueued = v.n.streams.Queued()
	}
	return s
}

// RepairStats returns what anti-entropy counted.
func (v View) RepairStats() reconcile.Stats {
	if v.n.repair == nil {
		return reconcile.Stats{}
	}
	return v.n.repair.Stats()
}

// ZoneTraffic counts datagrams between a node and the members of one zone.
type ZoneTraffic = flow.ZoneTraffic

// Traffic returns what went to and came from each zone so far, by name; what belongs to none that
// is known comes last. The sums are those of Stats.
func (v View) Traffic() []ZoneTraffic { return v.n.flow.Traffic(v.n.quota.Rate) }
