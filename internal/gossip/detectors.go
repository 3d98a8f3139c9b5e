package gossip

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/accrual"
	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/heartbeat"
	"github.com/starling-gossip/starling/internal/gossip/inquest"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/swim"
)

// Detector names a failure detector. All members of a cluster run the same. Its number is in Joins.
type Detector uint8

// The failure detectors.
const (
	SWIM      Detector = 1
	INQUEST   Detector = 2
	HEARTBEAT Detector = 3
	ACCRUAL   Detector = 4
)

// DefaultDetector is that of a Config that names none.
const DefaultDetector = INQUEST

// aroundGrace is what Inquest needs beside its grace: to miss the member, to hear the jury, to
// spread the news (measured, docs/results.md).
const aroundGrace = 350 * time.Millisecond

// detectorRow is what there is to say of a detector: another one is a package, a field of Config
// and a row.
type detectorRow struct {
	id    Detector
	name  string
	start func(n *Node) detect.Detector
	// how long after its crash one of so many members is known to have failed
	expect func(c *Config, live int) time.Duration
}

var detectorRows = [...]detectorRow{
	{SWIM, "swim", func(n *Node) detect.Detector {
		return swim.New(n.cfg.SWIM, host{env{n, n.roster}}, n.now)
	}, func(c *Config, live int) time.Duration {
		return c.SWIM.LeastSuspicion(live)
	}},
	{INQUEST, "inquest", func(n *Node) detect.Detector {
		return inquest.New(n.cfg.Inquest, host{env{n, n.roster}}, n.now)
	}, func(c *Config, live int) time.Duration {
		if live == 2 {
			return inquest.LoneGrace*c.Inquest.Grace + aroundGrace
		}
		return c.Inquest.Grace + aroundGrace
	}},
	{HEARTBEAT, "heartbeat", func(n *Node) detect.Detector {
		return heartbeat.New(n.cfg.Heartbeat, host{env{n, n.roster}}, n.cfg.probeRoom(), n.now)
	}, func(c *Config, live int) time.Duration {
		return c.Heartbeat.FailAfter(live, c.probeRoom())
	}},
	{ACCRUAL, "accrual", func(n *Node) detect.Detector {
		return accrual.New(n.cfg.Accrual, host{env{n, n.roster}}, n.cfg.probeRoom(), n.now)
	}, func(c *Config, live int) time.Duration {
		return c.Accrual.Expect(live, c.probeRoom())
	}},
}

// row returns the detector's row, nil if there is no such detector.
func (d Detector) row() *detectorRow {
	for i := range detectorRows {
		if r := &detectorRows[i]; r.id == d {
			return r
		}
	}
	return nil
}

// String returns the detector's name as the command line has it.
func (d Detector) String() string {
	if r := d.row(); r != nil {
		return r.name
	}
	return fmt.Sprintf("Detector(%d)", uint8(d))
}

// ParseDetector returns the detector of a name, as String has it.
func ParseDetector(name string) (Detector, error) {
	i := slices.Index(DetectorNames(), name)
	if i < 0 {
		return 0, fmt.Errorf("there is no detector %q, there are %s", name,
			strings.Join(DetectorNames(), ", "))
	}
	return detectorRows[i].id, nil
}

// DetectorNames returns the names of all detectors.
func DetectorNames() (names []string) {
	for i := range detectorRows {
		names = append(names, detectorRows[i].name)
	}
	return names
}

// DetectionTime returns how long after its crash a member of this cluster, as large as it is now,
// is known to have failed: for Inquest the time to expect of a host that falls silent (a process
// whose host refuses connections for it is known in half a second); for HEARTBEAT T_fail, for
// ACCRUAL the silence at which phi reaches the threshold; for SWIM the least of the formula
// (Lifeguard, section IV-B), to which the time until somebody probes the member is added.
func (v View) DetectionTime() time.Duration {
	return v.n.cfg.Detector.row().expect(&v.n.cfg, v.n.roster.Table().Live())
}

// host is the node as its detector sees it.
type host struct{ env }

func (h host) Self() member.ID { return h.n.id }

func (h host) Send(_ Time, to plane.Peer, messages []byte) { h.n.sendProbe(to, messages) }

func (h host) Suspect(_ Time, id member.ID) { h.n.roster.Accuse(id, member.Suspect, 0) }

func (h host) Connect(_ Time, to plane.Peer) {
	h.n.out.Connects = append(h.n.out.Connects, Connect{to})
}

func (h host) RaiseAlarm(_ Time, id member.ID, on bool) {
	if m, ok := h.n.roster.Table().Get(id); ok && m.State.Live() && !on {
		h.n.streams.Heard(h.n.now)
	}
	h.n.alarms.Raise(h.n.now, id, on)
}

func (h host) Fail(_ Time, id member.ID, e detect.Evidence) { h.n.roster.Fail(id, e) }

func (h host) FailHere(_ Time, id member.ID, e detect.Evidence) {
	h.n.roster.Quiet(func() { h.n.roster.Fail(id, e) })
}

func (h host) Forget(_ Time, id member.ID) {
	if m, ok := h.n.roster.Table().Get(id); ok && !m.State.Live() {
		h.n.roster.Forget(id)
	}
}

func (h host) Unreachable(_ Time, id member.ID, on bool) {
	h.n.reach.SetSilent(h.n.now, id, on)
}

func (h host) Silent(_ Time, zone uint16, on bool) { h.n.reach.SetZoneSilent(h.n.now, zone, on) }

func (h host) Undecided(_ Time, silent int) { h.n.reach.SetUndecided(silent) }

func (h host) Isolated(_ Time, on, unheard bool) {
	h.n.reach.SetAlone(h.n.now, on, unheard)
}

// Bridged says whether a bridge has spoken since a moment, or all live members can be sent to.
func (h host) Bridged(now, since Time) bool { return h.n.reach.Bridged(now, since) }
