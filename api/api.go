// Package api has the JSON shapes that the agent speaks and the command line prints: one definition
// for the server, the client and the scripts that rely on them. Fields are added, never renamed or
// removed.
package api

import "time"

// Member is one member of the cluster, as the agent's own table has it.
type Member struct {
	Name  string `json:"name"`
	Addr  string `json:"addr"`
	State string `json:"state"` // alive, suspect, failed or left
	// of failed: silent, refused, stalled, deaf or forgotten
	Cause       string            `json:"cause,omitempty"`
	Zone        string            `json:"zone"`
	Tags        map[string]string `json:"tags"`
	Generation  uint64            `json:"generation"`
	Incarnation uint32            `json:"incarnation"`
	Since       time.Time         `json:"since"` // when this agent learned of the state
	// Doubt is what this agent's node sees of a live member that is not well from here. It is
	// silent (not heard for a second or more, and no answer to the last probe), mute (heard, but it
	// did not answer the last five probes), broken (it does not answer here, and others reach it)
	// or unreachable (and too few can be asked about it). Heard is when the node last heard it.
	// Both are missing where all is well, and of members that the node does not talk to.
	Doubt string     `json:"doubt,omitempty"`
	Heard *time.Time `json:"heard,omitempty"`
	// OutOfFamily says that the address is of an IP family that this agent's socket does not serve.
	OutOfFamily bool `json:"out_of_family,omitempty"`
	// Phi is -log10 of the probability that the member lives and is only late. Only the accrual
	// detector has it, for the members that this agent watches.
	Phi *float64 `json:"phi,omitempty"`
	// RTT is the estimated round trip from the member that the request named with near=. RTTError
	// is the relative error of recent estimates of this kind; 1 means a guess. A member that did
	// not answer in time has neither.
	RTT      *float64 `json:"rtt_seconds,omitempty"`
	RTTError *float64 `json:"rtt_error,omitempty"`
}

// Event is one change of the membership. A resync has no member: the stream was too slow for what
// happened, and the members must be read again. Nor have zone-unreachable and zone-recovered: they
// tell of a Zone, the first part of its path, and how many Members are live in it.
type Event struct {
	Time time.Time `json:"time"`
	// joined, updated, suspected, recovered, failed, left, unreachable, reachable, isolated,
	// reunited, unreached, reached, undecided, decided, zone-unreachable, zone-recovered or resync
	Event       string            `json:"event"`
	Name        string            `json:"name"`
	Addr        string            `json:"addr"`
	State       string            `json:"state"`
	Cause       string            `json:"cause,omitempty"` // of failed: as a member's, or restarted
	Zone        string            `json:"zone,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Generation  uint64            `json:"generation,omitempty"`
	Incarnation uint32            `json:"incarnation,omitempty"`
	Members     int               `json:"members,omitempty"`
	Silent      int               `json:"silent,omitempty"` // of undecided: of so many Members
}

// Message is one delivered message; or, if Seq is 0, only the word that Lost messages were lost of
// which none has followed.
type Message struct {
	Time       time.Time `json:"time"`
	Topic      string    `json:"topic"`
	Origin     string    `json:"origin"`
	Generation uint64    `json:"generation"` // of the origin; in each, Seq begins again
	Seq        uint64    `json:"seq"`
	Payload    []byte    `json:"payload"` // base64 in JSON
	// messages dropped before this one because the reader was slow
	Missed uint64 `json:"missed,omitempty"`
	// messages before this one, of any topic, that nobody had any more
	Lost uint64 `json:"lost,omitempty"`
}

// Key is what a member wrote under one of its keys.
type Key struct {
	Owner string `json:"owner"` // the member's name; empty while it is not known here
	Key   string `json:"key"`
	Value []byte `json:"value"` // base64 in JSON
	// rises with each write of the owner in one life of it, over all its keys
	Version uint64  `json:"version"`
	TTL     float64 `json:"ttl_seconds,omitempty"` // that remains until the key lapses
}

// KeyEvent is one change of a key.
type KeyEvent struct {
	Time time.Time `json:"time"`
	// set, gone, reset (all keys of the owner are void) or resync (the stream was too slow: forget
	// all)
	Event string `json:"event"`
	Key
}

// Info is what an agent says of itself.
type Info struct {
	Member
	Cluster string `json:"cluster"`
	// which cluster of that name, in hexadecimal
	ClusterID string `json:"cluster_id,omitempty"`
	Version   string `json:"version"`
	Detector  string `json:"detector"`
	Sealed    bool   `json:"sealed"` // whether packets are encrypted
	// whether a seed has let this node in, or it is the first of its cluster
	Welcomed bool      `json:"welcomed"`
	Started  time.Time `json:"started"`
	Uptime   float64   `json:"uptime_seconds"`
	// there are seeds, and they led to nobody but this node so far
	Alone bool `json:"alone"`
	// the host had this node's address, and has it no more
	AddrGone bool `json:"addr_gone"`
	// where a seed sees this node, if others are told another address and it is none of the host's
	Translated string `json:"translated,omitempty"`
	// that is an address of its own host: --advertise is wrong
	TranslatedHere bool `json:"translated_here,omitempty"`
	// the last change of the address since the start
	Moved *Move `json:"moved,omitempty"`
	// live members at addresses of an IP family that this node's socket does not serve
	OutOfFamily []string `json:"out_of_family_members"`
	// those of them that this node cannot reach through any member either; they are among the
	// unreachable
	Unbridged []string       `json:"unbridged_members"`
	Members   map[string]int `json:"members"` // by state, this node included
	Agreement Agreement      `json:"agreement"`
	// it hears almost no member, or almost no member hears it, and so it declares none failed
	Isolated bool `json:"isolated"`
	// isolated, though it hears the others: what it sends does not leave, or does not arrive
	Unheard bool `json:"unheard"`
	// isolated, since all others are at addresses of an IP family that it cannot send to
	Unserved bool `json:"unserved"`
	// live members that cannot be reached from here, and that too few can be asked about, or whose
	// zone is silent
	Unreachable []string     `json:"unreachable"`
	Silent      []SilentZone `json:"silent_zones"` // of which nobody is heard from here
	View        View         `json:"view"`
	// after a crash until it is known: swim: the least; otherwise: to be expected
	Detection float64 `json:"detection_seconds"`
	// 0 is good; higher: this node doubts its own eyes
	Health      int            `json:"health"`
	RTT         float64        `json:"rtt_seconds"`
	Coordinates Coordinates    `json:"coordinates"`
	Traffic     Traffic        `json:"traffic"`
	Failed      map[string]int `json:"failed"` // of them, by cause
	// others hear this node, and nothing that they send to its address comes here
	Unreached bool `json:"unreached"`
	// it had all others forgotten though it heard none, and has met nobody since
	Deserted bool `json:"deserted"`
	// it reaches no more than half of the live members; of the others nobody here can say whether
	// they are dead
	NoMajority bool `json:"no_majority"`
	// the last datagram of a live member that it talks to
	LastHeard *time.Time `json:"last_heard,omitempty"`
	// while no seed has let it in: why, as far as it is known; while it is unreached: what a seed
	// says of why
	Refused string `json:"refused,omitempty"`
	// that in a word: cluster, other_cluster, detector, address, key, lookup, name or other
	RefusedFor string `json:"refused_for,omitempty"`
	// watched members whose TCP port does not answer
	Filtered int `json:"tcp_filtered"`
	// the number of these ports, if all have one
	FilteredPort int `json:"tcp_filtered_port,omitempty"`
	Watched      int `json:"tcp_watched"` // of so many
	// live members that are silent, while too few answer to judge them; among the unreachable
	Undecided int `json:"undecided"`
	// sentences about seeds whose key is another than this node's, and about others of which
	// datagrams come that do not open
	OtherKeys []string `json:"other_keys"`
	// settings that others have otherwise, where all should have the same
	Unlike []Unlike `json:"unlike"`
	// live members that do not answer this node, and that others reach
	Broken []string `json:"broken"`
	// live members that this node hears and that answer none of its probes
	Mute []string `json:"mute"`
	// the last TCP connection that came to this node's port; missing if none did
	Connected *time.Time `json:"tcp_last_connection,omitempty"`
	// nobody comes to this node's own TCP port, though others were asked to try it
	OwnFiltered bool `json:"tcp_own_filtered"`
	// whose TCP port does not answer
	FilteredAt []string `json:"tcp_filtered_members"`
	// SmallPaths are the members to or from which datagrams of Longest bytes of UDP payload do not
	// pass, though short ones do. SizesChecked is on how many ways that was looked for.
	SmallPaths   []SmallPath `json:"small_paths"`
	SizesChecked int         `json:"sizes_checked"`
	Longest      int         `json:"longest_bytes"`
	// of messages on disk, if some are to be kept there
	Store *Store `json:"store,omitempty"`
}

// Unlike is a setting that a live member has otherwise than the agent's node: profile, retention,
// zone budgets, MTU, zone grace, TCP probing, or zone spelling. There is missing if the member's
// value is none in common use.
type Unlike struct {
	Name    string `json:"name"`
	Setting string `json:"setting"`
	Here    string `json:"here"`
	There   string `json:"there,omitempty"`
}

// SmallPath is a way that does not take all datagrams.
type SmallPath struct {
	Name string `json:"name"`
	// of UDP payload, that are known to pass; 0 while that is looked for
	Passed int `json:"passed_bytes"`
}

// Path is what the agent's node knows of the way between it and a live member that it talks to.
// Times are missing if it was not yet.
type Path struct {
	Name  string     `json:"name"`
	Addr  string     `json:"addr"`            // that the member tells
	Heard *time.Time `json:"heard,omitempty"` // the last datagram
	From  string     `json:"from,omitempty"`  // where that came from
	// where the member saw those of the agent's node come from
	SeenAs string `json:"seen_as,omitempty"`
	// the last ones: 64 to 128, once there were so many
	Probes  int `json:"probes"`
	Answers int `json:"answers"` // of them
	// the share of packets that are lost each way, by the answers
	Loss float64 `json:"loss"`
	RTT  float64 `json:"rtt_seconds"` // smoothed; 0: unknown
	// of UDP payload: the longest datagram that is known to pass there and back; 0: unknown
	Passed  int        `json:"passed_bytes"`
	TooLong int        `json:"too_long_bytes,omitempty"` // the shortest that is known not to
	Checked *time.Time `json:"checked,omitempty"`        // when that was last looked for
	// of the port of the same number: open, refused, filtered; missing if it was not tried
	TCP string `json:"tcp,omitempty"`
	// it does not answer, and others reach it
	Broken bool `json:"broken,omitempty"`
	// it cannot be reached from here, and too few can be asked about it
	Unreachable bool `json:"unreachable,omitempty"`
	// nothing came from it for a second or more, nor an answer to the last probe
	Silent bool `json:"silent,omitempty"`
	// it is heard, and did not answer the last five probes
	Mute bool `json:"mute,omitempty"`
	// the socket here does not serve the IP family of its address
	OutOfFamily bool `json:"out_of_family,omitempty"`
}

// Move is a change of the address at which a node is reached.
type Move struct {
	From string    `json:"from"`
	To   string    `json:"to"`
	Time time.Time `json:"time"`
}

// Store is the file in which messages are kept. An Error says why none is kept there now; the agent
// goes on without.
type Store struct {
	Path    string `json:"path"`
	Pieces  int    `json:"pieces"`
	Bytes   int64  `json:"bytes"`
	Dropped uint64 `json:"dropped"` // pieces that were not kept, since the start
	Failed  uint64 `json:"failed"`  // times that the file could not be opened, read or written
	Damaged uint64 `json:"damaged"` // times that it was damaged, moved aside and begun anew
	Removed uint64 `json:"removed"` // times that it was removed or replaced under the running agent
	Error   string `json:"error,omitempty"`
}

// SilentZone is a zone of which nobody is heard, and how many live members it had.
type SilentZone struct {
	Zone    string    `json:"zone"`
	Members int       `json:"members"`
	Since   time.Time `json:"since"`
}

// View says how many members the last view had that all can have agreed on, and how many of them
// can be reached from here. Both numbers include the agent's own node. A member that failed counts
// as agreed until it is forgotten; a member that left does not count.
type View struct {
	Agreed    int `json:"agreed"`
	Reachable int `json:"reachable"`
}

// Agreement says how many of the live peers heard in the last half minute, 16 at most, hold exactly
// this node's view of the cluster.
type Agreement struct {
	Same  int `json:"same"`
	Heard int `json:"heard"`
}

// Traffic counts UDP payload since the start; headers of UDP and IP are not in the bytes.
type Traffic struct {
	SentPackets     uint64            `json:"sent_packets"`
	SentBytes       uint64            `json:"sent_bytes"`
	ReceivedPackets uint64            `json:"received_packets"`
	ReceivedBytes   uint64            `json:"received_bytes"`
	Dropped         map[string]uint64 `json:"dropped"` // packets not used, by reason
	// what of it went to and came from each zone, by name
	Zones []ZoneTraffic `json:"zones"`
	// times that something waited since the budget for another zone was spent
	BudgetWaits uint64 `json:"budget_waits"`
}

// ZoneTraffic counts what went between the agent's node and the members of one zone. With Unknown
// it is what belongs to no zone that is known: seeds that have not answered yet, newcomers,
// strangers. Own is the agent's own zone.
type ZoneTraffic struct {
	Zone            string `json:"zone"` // the widest part of the path, "" for members without one
	Own             bool   `json:"own"`
	Unknown         bool   `json:"unknown"`
	SentPackets     uint64 `json:"sent_packets"`
	SentBytes       uint64 `json:"sent_bytes"`
	ReceivedPackets uint64 `json:"received_packets"`
	ReceivedBytes   uint64 `json:"received_bytes"`
	// bytes a second, headers included, that all of the agent's zone may send there; 0: no bound
	Budget int `json:"budget,omitempty"`
}

// Topic is what an agent knows of a topic since its start.
type Topic struct {
	Name     string  `json:"name"`
	Messages uint64  `json:"messages"` // that were delivered here
	Bytes    uint64  `json:"bytes"`    // of their payloads
	Rate     float64 `json:"rate"`     // messages a second, over the last ten seconds or so
	Held     int     `json:"held"`     // messages that the agent still holds for others
}

// Published answers a publish.
type Published struct {
	Topic   string   `json:"topic"`
	Origin  string   `json:"origin"`
	Seq     uint64   `json:"seq"`
	Receipt *Receipt `json:"receipt,omitempty"` // of a publish that was to wait
}

// Receipt says which members have a message.
type Receipt struct {
	Reached bool `json:"reached"` // as many have it as the request was to wait for
	Have    int  `json:"have"`    // members that have it, this one included
	Of      int  `json:"of"`      // members that live
	// live members that joined, or were started anew, after it was sent
	Newer int `json:"newer,omitempty"`
	// Agreed is how many members the last view has that all can have agreed on: more than Of and
	// Newer if some failed or are cut off.
	Agreed  int      `json:"agreed"`
	Missing []string `json:"missing,omitempty"`
	Seconds float64  `json:"seconds"` // since it was sent
}

// JoinRequest names more seeds.
type JoinRequest struct {
	Seeds []string `json:"seeds"`
}

// TagsRequest changes the agent's own tags.
type TagsRequest struct {
	Set   map[string]string `json:"set,omitempty"`
	Unset []string          `json:"unset,omitempty"`
}

// Tags answers with the agent's tags as they are now.
type Tags struct {
	Tags map[string]string `json:"tags"`
}

// Done answers a request that has nothing more to say than that it was done.
type Done struct {
	Done string `json:"done"`
}

// Error is the body of every answer that is not a success.
type Error struct {
	Error string `json:"error"`
}

// ForgetRequest names members that are gone for good, and says whether all that are unreachable, or
// failed, are too.
type ForgetRequest struct {
	Names       []string `json:"names,omitempty"`
	Unreachable bool     `json:"unreachable,omitempty"`
	Failed      bool     `json:"failed,omitempty"`
	// the unreachable, even if the agent hears nobody, or is not reached itself
	Alone bool `json:"alone,omitempty"`
}

// Forgotten are the names of the members that were forgotten; a name that was asked for and is
// missing had been before.
type Forgotten struct {
	Forgotten []string `json:"forgotten"`
}
