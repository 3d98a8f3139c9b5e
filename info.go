package starling

// This file is what a node can say of itself, for people and for metrics.

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// Info is the state of a node at one moment.
type Info struct {
	Self    Member
	Cluster string
	// ClusterID tells clusters of one name apart; 0 while the node has none. Give it to the next
	// start as Config.ClusterID.
	ClusterID uint64
	Detector  Detector
	Started   time.Time
	Uptime    time.Duration
	// Seen is where the seed that answered last saw this node's datagrams come from; not valid
	// without one. Translated is the same address, if it is not the one that this node tells the
	// others, nor, unless one is set, one of the host's. Then others may not reach the node
	// (Config.Advertise).
	Seen       netip.AddrPort
	Translated netip.AddrPort
	// TranslatedHere says that Translated is an address of this host: what is sent from it is not
	// translated, and Config.Advertise is wrong.
	TranslatedHere bool
	// a seed let this node in and it knows all members, or it is the first of its cluster
	Welcomed bool
	Sealed   bool // traffic is encrypted and authenticated

	// Refused says, while this node is not Welcomed, why no seed has let it in, as far as that is
	// known, and RefusedFor the same in a word of RefusedReasons. Both are empty if no seed answers
	// at all, and once one has let the node in. But while the node is Unreached they have the words
	// of a seed that said since that what it sends does not arrive.
	Refused, RefusedFor string

	// Alone says that this node has seeds, and that they led to nobody but itself so far. It looks
	// on.
	Alone bool
	// AddrGone says that this node's address was the host's and is not any more, and that there is
	// no other to tell the others, or that it is set. Moved is the last change of the address since
	// the start; nil: none.
	AddrGone bool
	Moved    *Move

	// OutOfFamily are the names of the live members at addresses of an IP family that this node's
	// socket does not serve, or of which its host has no routes.
	OutOfFamily []string
	// Unbridged are those of them that this node cannot reach through other members either: no
	// member that answers it sends to their IP family, or the ones that do cannot reach them. They
	// are among the Unreachable.
	Unbridged []string

	// Unlike are the settings that others have otherwise than this node, where all should have the
	// same, by name.
	Unlike []Unlike

	// OtherKeys are sentences about seeds that have another key than this node, or a key where this
	// node has none, or none where it has one. Then come sentences about eight other addresses at
	// most from which datagrams come that do not open. All are of the last three minutes.
	OtherKeys []string

	Members map[State]int // how many are in each state; all four are there
	Failed  map[Cause]int // how many of the failed are so for each cause; all are there

	// Of the Heard live members that showed their view in the last half minute, 16 at most, Same
	// held this node's.
	Same, Heard int

	// Isolated says that this node hears from next to nobody, or next to nobody hears it, and so
	// declares nobody failed (Inquest alone knows it), or that it is Unserved. It ends when
	// somebody answers.
	Isolated bool
	// Unheard says that this node is Isolated though it hears the others: what it sends does not
	// leave its host, or does not arrive.
	Unheard bool
	// Unserved says that all other live members are OutOfFamily: this node can send to none of
	// them, so nobody has its news, and it is Isolated.
	Unserved bool
	// LastHeard is when the last datagram of a live member came, of those that this node talks to;
	// zero if none has.
	LastHeard time.Time
	// Deserted says that this node had the last of the live members forgotten though it could not
	// reach them (Forget), and has met no member since. They may be a cluster without it, and it is
	// no part of any. A start ends that.
	Deserted bool
	// Unreached says that this node's address does not lead to it: others hear it, and nothing that
	// they send to the address of its record comes here (Inquest alone knows it). They hold it
	// failed, with the cause deaf.
	Unreached bool
	// NoMajority says that this node reaches no more than half of the live members, itself
	// included: the others are Unreachable, dead or cut off, and not for a silent zone. It may be
	// cut off with those few.
	NoMajority bool
	// Broken are the names of the live members that do not answer this node, and that others reach.
	Broken []string
	// Mute are the names of the live members that this node hears and that did not answer its last
	// five probes: what it sends does not come to them. Of the Broken, those that are not Mute are
	// not heard here.
	Mute []string
	// Small are the members between which and this node datagrams of Longest bytes do not pass,
	// though short ones do: longer messages and keys do not arrive. SizesChecked is on how many
	// ways that was looked for. Longest is how many bytes of UDP payload a datagram of this node
	// has at most.
	Small                 []SmallPath
	SizesChecked, Longest int
	// Unreachable are the names of the live members that this node cannot reach, and cannot say
	// that they are alive or failed: too few others can be asked about them, their zone is silent,
	// or they are Unbridged. A node learns that of the members that it watches alone.
	Unreachable []string
	// Of the Watched members the TCP ports of Filtered do not answer this node: a dead process
	// there looks like a dead host, and a crash takes longer to see (Inquest).
	Filtered, Watched int
	FilteredNames     []string // of these members, by name
	// LastConnection is when the last TCP connection came to this node's own port (Inquest): others
	// try it about once a minute each, so one that gets none for long may be filtered itself. Zero:
	// none came, or none is taken.
	LastConnection time.Time
	// OwnFiltered is that nobody comes to this node's own TCP port, though those that watch it were
	// asked to try it: it is closed or filtered from outside.
	OwnFiltered  bool
	FilteredPort int // the number of these ports, if all have one; else 0
	// Undecided is how many live members are silent, and cannot be judged, since too few others
	// answer (Inquest). This node cannot say whether they are dead. They are among the Unreachable.
	// If they are gone: Forget.
	Undecided int
	// Silent are the other zones of which no member is heard here. Their members are Unreachable.
	Silent []SilentZone
	// Agreed is how many members the last view had that all can have agreed on, and Reachable how
	// many of them can be reached from here. Both include this node. A member that failed counts
	// among the Agreed until it is forgotten: by Forget, or for its age (Tuning.Retention) where
	// more than half can be reached. A member that left does not count. So of two sides of a cut
	// not both have more than half, unless members joined since.
	Agreed, Reachable int
	// Detection is how long after a crash the cluster, as large as it is now, knows of it: for SWIM
	// the least, otherwise the time to expect.
	Detection time.Duration

	Health int           // of this node itself: 0 is good, higher is slower to accuse others
	RTT    time.Duration // smoothed round trip to the others, 0 while unknown
	// EstimateError is the relative error that estimates of the round trips to members of this
	// node's zone had of late, and FarEstimateError that of those to members of all zones: 0.1 is a
	// tenth, 1 is a guess. FarEstimateError is -1 where there is one zone alone.
	EstimateError, FarEstimateError float64
	Locations                       LocationStats

	Protocol ProtocolStats
	Messages MessageStats
	Keys     KeyStats
	Store    StoreStats // zero without Retain.Dir
	Socket   SocketStats
	Zones    []ZoneTraffic // by the zone at the other end
	// datagrams dropped because their checksum was wrong: changed on the way, or not Starling's
	Altered uint64
	// datagrams dropped because they were not sealed with a key of ours, or not fresh
	Unopened uint64
}

// SilentZone is a zone that fell silent; it had as many Members then.
type SilentZone struct {
	Zone
	Since time.Time
}

// Unlike is a setting that a live member has otherwise than this node. Of "profile", "retention",
// "zone budgets", "MTU", "zone grace" and "TCP probing" (Tuning) only two nodes know it, of which
// one let the other in. There is empty then if the member's value is none in common use. "zone
// spelling" is that the first parts of two zones differ in capitals, blanks, - and _ alone.
type Unlike struct{ Name, Setting, Here, There string }

// UnlikeSettings are what Unlike.Setting can be.
var UnlikeSettings = [...]string{"profile", "retention", "zone budgets", "MTU", "zone grace",
	"TCP probing", spelling}

const spelling = "zone spelling"

// maxUnlike bounds Info.Unlike.
const maxUnlike = 64

// misspelt says whether the first parts of two zones are most likely meant to be the same, and are
// not.
func misspelt(a, b string) bool {
	a, b = member.Top(a), member.Top(b)
	return a != b && plainZone(a) == plainZone(b)
}

func plainZone(z string) string {
	return strings.ToLower(strings.NewReplacer(" ", "", "-", "", "_", "").Replace(z))
}

// infoUnlike fills in the settings that are not alike.
func (n *Node) infoUnlike(info *Info) {
	for u := range n.core.Unlike() {
		info.Unlike = append(info.Unlike, Unlike{n.nameOf(u.Member), u.Setting, u.Here, u.There})
	}
	own := info.Self.Zone
	spelt := map[string]bool{} // top zones of others; whether they are misspelt
	for m := range n.core.Table().All() {
		if !m.State.Live() || len(info.Unlike) >= maxUnlike {
			continue
		}
		zone := m.Handle.Value().Zone
		wrong, known := spelt[member.Top(zone)]
		if !known {
			wrong = misspelt(own, zone)
			spelt[member.Top(zone)] = wrong
		}
		if wrong {
			info.Unlike = append(info.Unlike, Unlike{m.Name(), spelling, member.Top(own),
				member.Top(zone)})
		}
	}
	slices.SortFunc(info.Unlike, func(a, b Unlike) int {
		return cmp.Or(cmp.Compare(a.Name,
			b.Name), cmp.Compare(a.Setting, b.Setting))
	})
}

// Info returns the state of the node. After the node has stopped it is the last one.
func (n *Node) Info() (info Info) {
	var seedKeys, otherKeys []string
	n.read(func() {
		t, agreement := n.core.Table(), n.core.Agreement()
		info = Info{
			Self:       n.member(n.core.Self()),
			Cluster:    n.cluster,
			ClusterID:  n.core.ClusterID(),
			Seen:       n.core.Seen().Addr,
			Translated: n.home.seen,

			TranslatedHere: n.home.seen.IsValid() && n.home.ours,
			Detector:       Detector(n.detector.String()),
			Started:        n.wall(0),
			Uptime:         time.Duration(n.now()),
			Sealed:         n.sealer != nil,
			Members:        map[State]int{},
			Failed:         map[Cause]int{},
			Same:           agreement.Same,
			Heard:          agreement.Heard,
			Isolated:       n.core.Isolated(),
			Unheard:        n.core.Unheard(),
			Unserved:       n.core.Unserved(),

			Alone:     n.alone && t.Len() <= 1,
			AddrGone:  n.home.gone,
			Moved:     n.home.moved,
			Unreached: n.core.Unreached(),
			Deserted:  n.core.Deserted(),

			NoMajority: n.core.NoMajority(),

			Undecided: n.core.Undecided(),
			Health:    n.core.Health(),
			RTT:       n.core.RTT(),

			Locations: n.places.stats,
			Detection: n.core.DetectionTime(),
			Keys:      n.keyStats(),
			Socket:    SocketStats(n.conn.Stats()),
			Altered:   n.alteredCount.Load(),
			Unopened:  n.unopenedCount.Load(),
		}
		seedKeys, otherKeys = n.wrongKeys()
		info.OtherKeys = slices.Concat(seedKeys, otherKeys)
		if at := n.core.LastHeard(); at != 0 {
			info.LastHeard = n.wall(at)
		}
		info.Zones = n.traffic()
		info.Protocol, info.Messages = n.stats()
		info.EstimateError, info.FarEstimateError = n.estimateErrors()
		info.Filtered, info.Watched = n.core.Filtered(n.now())
		info.OwnFiltered = n.core.OwnFiltered(n.now())
		n.infoPaths(&info)
		n.infoUnlike(&info)
		info.Reachable, info.Agreed = n.core.Reach()
		for z := range n.core.SilentZones() {
			info.Silent = append(info.Silent, SilentZone{Zone{z.Name, z.Members}, n.wall(z.Since)})
		}
		for id := range n.core.Unreachable() {
			info.Unreachable = append(info.Unreachable, n.nameOf(id))
			if n.core.Unbridged(id) {
				info.Unbridged = append(info.Unbridged, n.nameOf(id))
			}
		}
		slices.Sort(info.Unbridged)
		slices.Sort(info.Unreachable)
		for _, id := range n.core.Broken(n.now()) {
			info.Broken = append(info.Broken, n.nameOf(id))
		}
		slices.Sort(info.Broken)
		for c := range member.CauseForgotten + 1 {
			info.Failed[cause(c)] = 0
		}
		defer func() { slices.Sort(info.OutOfFamily) }()
		for _, s := range member.States {
			info.Members[State(s)] = 0
		}
		for m := range t.All() {
			info.Members[State(m.State)]++
			if m.State == member.Failed {
				info.Failed[cause(m.Cause)]++
			}
			if m.State.Live() && m.OutOfFamily {
				info.OutOfFamily = append(info.OutOfFamily, m.Name())
			}
		}
	})
	if n.tcpProbe != nil {
		if at := n.tcpProbe.taken.Load(); at != 0 {
			info.LastConnection = time.Unix(0, at)
		}
	}
	if n.store != nil {
		info.Store = storeStats(n.store.Stats())
	}
	select {
	case <-n.joining.first:
		info.Welcomed = true
		if info.Unreached {
			info.Refused, info.RefusedFor = n.joining.unreached()
		}
	default:
		info.Refused, info.RefusedFor = n.joining.why(seedKeys)
	}
	return info
}
