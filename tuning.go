package starling

// This file is what of the protocol can be set otherwise.

import (
	"cmp"
	"fmt"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Detector is the name of a failure detector.
type Detector string

// The failure detectors.
const (
	// Inquest has a member that does not answer examined by a jury of others, and asks the kernel
	// of its host. It is the default.
	Inquest   Detector = "inquest"
	SWIM      Detector = "swim"      // SWIM with Lifeguard's extensions
	Heartbeat Detector = "heartbeat" // gossiped counters
	Accrual   Detector = "accrual"   // the phi accrual detector
)

// Profile is the name of a kind of network.
type Profile string

// The kinds of network.
const (
	// LAN is for one datacenter, or a few that are up to about 80 ms apart. It is the default.
	LAN Profile = "lan"
	// WAN is for nodes all over the world, and for lines that lose packets in bursts: half as many
	// probes, twice the tolerance, and answers may take two seconds.
	WAN Profile = "wan"
	// Local is for one machine or one rack, where answers come within a millisecond: twice as many
	// probes and half the tolerance. A virtual machine that stands still for longer is failed.
	Local Profile = "local"
)

// Tuning is what of the protocol can be set otherwise. The zero value of each field means its
// default, and the defaults are right for a LAN. Where all members should have the same, one that
// has not is told in Info.Unlike.
type Tuning struct {
	// Detector is the failure detector. All members of a cluster run the same: seeds refuse a node
	// that has another. Default Inquest.
	Detector Detector
	// Profile is the kind of network, from which other fields have their defaults. All members
	// should have the same. Default LAN.
	Profile Profile
	// Tolerance is the silence that is granted a member before the others judge it; a crash of its
	// host is known about 0.35 s later. For Inquest alone, 200 ms to a minute. Default 1.5 s with
	// the profile LAN, 3 s with WAN, 750 ms with Local.
	Tolerance time.Duration
	// ProbeEvery is the time between two probes, or heartbeats, of a node; at least 10 ms. Default
	// with the profile LAN: 600 ms with Inquest, 800 ms with SWIM, else 1 s; with WAN twice that,
	// with Local half of it.
	ProbeEvery time.Duration
	// NoKernelEvidence is that this node opens no TCP port beside its UDP port, and tries none of
	// others: a dead process looks like a dead host then, and so does a stalled one. For Inquest,
	// which alone does so. All members should have the same.
	NoKernelEvidence bool
	// ZoneGrace is for how long the members of a zone that fell silent as a whole are held before
	// they are judged, 24 h at most; less than 0: no longer than others. For Inquest alone. All
	// members should have the same. Default 2 min.
	ZoneGrace time.Duration
	// MTU is how many bytes of UDP payload a datagram of this node has at most, sealing included.
	// Default and least 1,200. More, up to 65,507, is for networks whose every path carries it. All
	// members should have the same.
	MTU int
	// NewsRate bounds the bytes a second of news of members that this node sends; at least the MTU.
	// Default 1 MiB.
	NewsRate int
	// MessageRate bounds the bytes a second of published messages that this node sends, its own and
	// those that it passes on; at least 16 KiB. Default 32 MiB.
	MessageRate int
	// ZoneRate bounds the bytes a second, with the headers of IP and UDP, that all members of a
	// zone together send to each other zone: 16 KiB to 1 GiB. All members should have the same.
	// Default: no bound.
	ZoneRate int
	// PairRates bound the same between two zones each, in place of ZoneRate. All members should
	// have the same.
	PairRates []PairRate
	// Retention is how long failed and left members are remembered, and the failed dialled again.
	// All members should have the same. Default 24 h.
	Retention time.Duration
	// ShareSuspicions has this node tell all members which of them it suspects, and when it does no
	// more, so that their programs can act early (MemberSuspected). For Inquest, the one detector
	// that suspects in private: an error with another.
	ShareSuspicions bool
}

// PairRate bounds what the members of one zone send to those of another, each way.
type PairRate struct {
	// Zones are the first parts of two different zones; an empty one is that of members without a
	// zone.
	Zones [2]string
	// Rate is in bytes a second, with the headers of IP and UDP: 16 KiB to 1 GiB.
	Rate int
}

// The bounds of times. Less is shorter than the pauses of a healthy process; more is no detection.
const (
	minTolerance, maxTolerance = 200 * time.Millisecond, time.Minute
	minProbeEvery              = 10 * time.Millisecond
	maxZoneGrace               = 24 * time.Hour
)

// minMessageRate is the least Tuning.MessageRate, in bytes a second.
const minMessageRate = 16 << 10

// params translates to what the core wants. The rest of the bounds the core has.
func (t *Tuning) params() (p gossip.Config, err error) {
	if p, err = gossip.Profile(string(cmp.Or(t.Profile, LAN))); err != nil {
		return p, fmt.Errorf("%w: Tuning.Profile: %w", ErrConfig, err)
	}
	if p.Detector, err = gossip.ParseDetector(string(cmp.Or(t.Detector, Inquest))); err != nil {
		return p, fmt.Errorf("%w: Tuning.Detector: %w", ErrConfig, err)
	}
	switch inquest := p.Detector == gossip.INQUEST; {
	case !inquest && (t.Tolerance != 0 || t.ShareSuspicions):
		return p, fmt.Errorf("%w: Tuning.Tolerance and ShareSuspicions are for the detector "+
			"inquest, and this one is %s", ErrConfig, p.Detector)
	case t.Tolerance != 0 && (t.Tolerance < minTolerance || t.Tolerance > maxTolerance):
		return p, fmt.Errorf("%w: a Tuning.Tolerance of %s; from %s to %s is possible", ErrConfig,
			t.Tolerance, minTolerance, maxTolerance)
	case t.ProbeEvery != 0 && t.ProbeEvery < minProbeEvery:
		return p, fmt.Errorf("%w: a Tuning.ProbeEvery of %s; it must be at least %s", ErrConfig,
			t.ProbeEvery, minProbeEvery)
	case t.ZoneGrace > maxZoneGrace:
		return p, fmt.Errorf("%w: a Tuning.ZoneGrace of %s; it must be at most %s", ErrConfig,
			t.ZoneGrace, maxZoneGrace)
	case t.MTU > wire.MaxMTU: // the socket, which comes before the core, would refuse it
		return p, fmt.Errorf("%w: a Tuning.MTU of %d bytes; it must be at most %d", ErrConfig,
			t.MTU, wire.MaxMTU)
	case t.MessageRate != 0 && t.MessageRate < minMessageRate:
		return p, fmt.Errorf("%w: a Tuning.MessageRate of %d; it must be at least %d", ErrConfig,
			t.MessageRate, minMessageRate)
	}
	for _, period := range []*time.Duration{&p.Inquest.Period, &p.SWIM.Period,
		&p.Heartbeat.Period, &p.Accrual.Period} {
		*period = cmp.Or(t.ProbeEvery, *period)
	}
	p.Inquest.Grace = cmp.Or(t.Tolerance, p.Inquest.Grace)
	p.Inquest.ZoneGrace, p.Inquest.NoKernel = t.ZoneGrace, t.NoKernelEvidence
	p.MTU, p.Budget, p.Tree.Rate = t.MTU, t.NewsRate, t.MessageRate
	p.ZoneBudget, p.Retention, p.ShareSuspicions = t.ZoneRate, t.Retention, t.ShareSuspicions
	for _, pair := range t.PairRates {
		p.PairBudgets = append(p.PairBudgets, gossip.PairBudget(pair))
	}
	return p, nil
}
