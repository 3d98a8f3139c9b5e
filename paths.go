package starling

// This file is what a node knows of the ways to the members that it talks to.

import (
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/transport"
)

// Path is what a node knows of the way between it and one member. Nothing is sent for that but what
// is sent anyway, and now and then a long datagram.
type Path struct {
	Name string
	Addr netip.AddrPort // that the member tells, where this node sends to
	// Heard is when its last datagram came, and From where that came from: behind an address
	// translation, and where a host has several addresses, another place than Addr. Zero if none
	// came yet. SeenAs is where the member saw the datagrams of this node come from, not valid
	// before it has told.
	Heard  time.Time
	From   netip.AddrPort
	SeenAs netip.AddrPort

	// Of the last Probes of the failure detector, 64 to 128 once there were so many, Answers were
	// answered in time; where it asks nobody, both are 0. Loss is the share of packets that are
	// lost each way, if they are lost alike in both: 0 while that is not known.
	Probes, Answers int
	Loss            float64
	RTT             time.Duration // smoothed; 0: unknown

	// Passed is the longest datagram that is known to pass there and back, TooLong the shortest
	// that is known not to, in bytes of UDP payload; 0: unknown, and none. Checked is when that was
	// last looked for; zero: not yet.
	Passed, TooLong int
	Checked         time.Time

	// Port is the state of the TCP port beside the member's UDP port: "open", "refused" (its host
	// says that nobody listens), "filtered" (nothing answers), or "" if it was not tried. Inquest
	// alone tries those of members that it watches.
	Port string

	// Silent says that nothing came from the member for a second or more, nor an answer to the last
	// probe; Mute, that it is heard and did not answer the last five probes. The detector has not
	// judged it yet, or cannot.
	Silent, Mute bool

	Broken      bool // it does not answer this node, and others reach it (Inquest)
	Unreachable bool // it cannot be reached from here, as in Info.Unreachable
	OutOfFamily bool // as in Member
}

// Paths returns what this node knows of the ways to the live members that it talks to, by name.
// These are the members that it probes or that probe it, or did of late, 64 at most. After the node
// has stopped it is the last that it knew.
func (n *Node) Paths() (all []Path) {
	n.read(func() {
		now := n.now()
		for _, p := range n.core.Paths(now) {
			all = append(all, n.path(&p))
		}
	})
	slices.SortFunc(all, func(a, b Path) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (n *Node) path(p *gossip.Path) Path {
	out := Path{
		Name: p.Member.Name(), Addr: p.Member.Addr(), From: p.From, SeenAs: p.Seen,
		Probes: p.Probes, Answers: p.Answers, RTT: p.RTT, Passed: n.onWire(p.Passed),
		TooLong: n.onWire(p.Over),
		Port:    p.Port.String(), Broken: p.Broken, Unreachable: n.core.IsUnreachable(p.Member.ID),
		OutOfFamily: p.Member.OutOfFamily, Silent: p.Silent, Mute: p.Mute,
	}
	if p.Heard != 0 {
		out.Heard = n.wall(p.Heard)
	}
	if p.Checked != 0 {
		out.Checked = n.wall(p.Checked)
	}
	if p.Probes > 0 {
		out.Loss = 1 - math.Sqrt(float64(p.Answers)/float64(p.Probes))
	}
	return out
}

// onWire is how many bytes of UDP payload a datagram has, for its bytes before sealing; 0 stays 0.
func (n *Node) onWire(plain int) int {
	if plain == 0 {
		return 0
	}
	return plain + n.envelope()
}

// envelope is how many bytes sealing adds to a datagram, or the checksum in the clear.
func (n *Node) envelope() int {
	if n.sealer != nil {
		return transport.SealOverhead
	}
	return transport.SumSize
}

// SmallPath is that the longest datagrams of a node do not pass between it and a member, though
// short ones do.
type SmallPath struct {
	Name string
	// the longest that is known to pass, in bytes of UDP payload; 0 while that is looked for
	Passed int
}

// infoPaths fills in what Info says of ways.
func (n *Node) infoPaths(info *Info) {
	info.Longest = n.onWire(n.core.Longest())
	var ports []uint16
	for _, p := range n.core.Paths(n.now()) {
		if p.Over > 0 {
			info.Small = append(info.Small, SmallPath{p.Member.Name(), n.onWire(p.Passed)})
		}
		if p.Passed+p.Over > 0 {
			info.SizesChecked++
		}
		if p.Mute {
			info.Mute = append(info.Mute, p.Member.Name())
		}
		if p.Port == detect.PortFiltered {
			info.FilteredNames = append(info.FilteredNames, p.Member.Name())
			ports = append(ports, p.Member.Addr().Port())
		}
	}
	if slices.Sort(ports); len(ports) > 0 && ports[0] == ports[len(ports)-1] {
		info.FilteredPort = int(ports[0])
	}
	slices.Sort(info.Mute)
	slices.Sort(info.FilteredNames)
	slices.SortFunc(info.Small, func(a, b SmallPath) int { return strings.Compare(a.Name, b.Name) })
}
