package measure

// This file measures how soon a crash is known.

import (
	"fmt"
	"slices"
	"time"
)

var virtualOnly = []string{Virtual}

func detectMetrics(of string) []Metric {
	return []Metric{
		{Key: "first", Title: of + ", first verdict anywhere", Unit: "s"},
		{Key: "half", Title: of + ", half of the others know", Unit: "s"},
		{Key: "all", Title: of + ", all know", Unit: "s"},
	}
}

var (
	crash = &Measure{
		Name: "crash", Title: "one process dies; its host " +
			"lives", Worlds: both, Members: true, Metrics: detectMetrics("process"),
		run: func(c *cluster) error {
			return c.runCrashes(map[string]int{Real: 2, Virtual: 3}[c.job.World], 1, false)
		},
	}
	crash10 = &Measure{
		Name: "crash10", Title: "10 % of the processes die at once; their hosts " +
			"live", Worlds: both, Members: true,
		Metrics: detectMetrics("10 % of the processes"),
		run:     func(c *cluster) error { return c.runCrashes(1, max(1, c.job.N/10), false) },
	}
	hostCrash = &Measure{
		Name: "host", Title: "one host falls " +
			"silent", Worlds: virtualOnly, Members: true, Metrics: detectMetrics("host"),
		run: func(c *cluster) error { return c.runCrashes(5, 1, true) },
	}
	hostCrash10 = &Measure{
		Name: "host10", Title: "10 % of the hosts fall silent at " +
			"once", Worlds: virtualOnly, Members: true,
		Metrics: detectMetrics("10 % of the hosts"),
		run:     func(c *cluster) error { return c.runCrashes(1, max(1, c.job.N/10), true) },
	}
)

const crashWait = 90 * time.Second

// runCrashes lets some nodes die at once, several times one after the other. After the wait it goes
// on without the nodes that do not know.
func (c *cluster) runCrashes(times, size int, withHost bool) error {
	missing := 0
	for range times {
		victims := c.victims(size)
		begin := time.Now()
		for _, v := range victims {
			c.crash(v, withHost)
		}
		due := len(victims) * c.book.live()
		known := c.awaitVerdicts(victims, due)
		missing += due - len(known)
		took := func(i int) float64 { return known[i].Sub(begin).Seconds() }
		if len(known) > 0 {
			c.add("first", took(0))
		}
		if len(known) >= (due+1)/2 {
			c.add("half", took((due+1)/2-1))
		}
		if len(known) == due {
			c.add("all", took(due-1))
		}
		time.Sleep(2 * time.Second)
	}
	if missing > 0 {
		return fmt.Errorf("%d verdicts missing after %v", missing, crashWait)
	}
	return nil
}

func (c *cluster) awaitVerdicts(victims []int, due int) []time.Time {
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		known := c.book.known(victims)
		if len(known) >= due || time.Since(begin) > crashWait {
			return known
		}
	}
}

// Loss.

var lossShares = []int{0, 10, 25, 50}

// lossWindows is how many spans are watched under so much loss: more where a false failure is to be
// expected.
func lossWindows(p int) int { return map[bool]int{false: 1, true: 5}[p >= 50] }

func lossMetrics() (all []Metric) {
	for _, p := range lossShares {
		minutes := float64(lossWindows(p)) * lossSpan.Minutes()
		all = append(all,
			Metric{
				Key: fmt.Sprintf("false%d", p), Mean: true, Exact: true,
				Title: fmt.Sprintf("%d %% loss for %.0f min: false failures per node-minute",
					p, minutes),
			},
			Metric{Key: fmt.Sprintf("delivery%d", p),
				Title: fmt.Sprintf("%d %% loss: messages delivered",
					p), Unit: "%", More: true, Mean: true},
			Metric{Key: fmt.Sprintf("detect%d", p),
				Title: fmt.Sprintf("%d %% loss: a host dies, all know", p), Unit: "s"},
			Metric{Key: fmt.Sprintf("bytes%d", p),
				Title: fmt.Sprintf("%d %% loss: bytes a node sends", p), Unit: "B/s"},
		)
	}
	return all
}

var (
	loss = &Measure{
		Name: "loss", Title: "packets and segments of streams get " +
			"lost", Worlds: virtualOnly, Members: true, Metrics: lossMetrics(),
		run: (*cluster).runLoss,
	}
	lossNoStreams = &Measure{
		Name: "lossudp", Title: "packets get lost, and no stream " +
			"opens", Worlds: virtualOnly, Members: true, Metrics: lossMetrics(),
		run: func(c *cluster) error {
			c.net.BlockStreams()
			return c.runLoss()
		},
	}
)

const (
	lossSpan     = 2 * time.Minute
	lossMessages = 10
)

// runLoss goes through the shares, the least first; each is calm again before the next.
func (c *cluster) runLoss() error {
	for _, p := range lossShares {
		c.net.SetLoss(float64(p) / 100)
		if err := c.underLoss(p); err != nil {
			return fmt.Errorf("at %d %% loss: %w", p, err)
		}
		c.net.SetLoss(0)
		c.awaitPeace(2 * time.Minute)
	}
	return nil
}

func (c *cluster) underLoss(p int) error {
	for range lossWindows(p) {
		if err := c.lossWindow(p); err != nil {
			return err
		}
	}
	victims, crashed := c.victims(1), time.Now()
	c.crash(victims[0], true)
	if known := c.awaitVerdicts(victims, c.book.live()); len(known) >= c.book.live() {
		c.add(fmt.Sprintf("detect%d", p), known[c.book.live()-1].Sub(crashed).Seconds())
	}
	return nil
}

// lossWindow counts false failures, bytes and deliveries for a span.
func (c *cluster) lossWindow(p int) error {
	span := c.quick(lossSpan, 20*time.Second)
	falsely, _ := c.book.falsely()
	before, begin, live := c.traffic(), time.Now(), c.book.live()
	var ids []uint64
	for range lossMessages {
		time.Sleep(span / lossMessages)
		id, err := c.book.publish(c.nodes[0])
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	minutes, after := time.Since(begin).Minutes(), c.traffic()
	now, _ := c.book.falsely()
	c.add(fmt.Sprintf("false%d", p), float64(now-falsely)/minutes/float64(live))
	c.add(fmt.Sprintf("bytes%d", p), float64(after.bytes-before.bytes)/float64(live)/(60*minutes))
	time.Sleep(messageWait)
	got := 0
	for _, id := range ids {
		got += len(c.book.arrivals(id))
	}
	c.add(fmt.Sprintf("delivery%d", p), 100*float64(got)/float64(live*len(ids)))
	return nil
}

// awaitPeace waits until nobody holds a live member for failed, or for so long. It says how long it
// took, and whether it came.
func (c *cluster) awaitPeace(limit time.Duration) (time.Duration, bool) {
	begin := time.Now()
	for time.Since(begin) < limit {
		if c.book.wrong() == 0 && c.countComplete(c.book.live()) >= c.book.live() {
			return time.Since(begin), true
		}
		time.Sleep(100 * time.Millisecond)
	}
	return limit, false
}

// Pauses.

var toleranceMetrics = []Metric{
	{Key: "process", Title: "process stands still, forgiven", Unit: "s", More: true},
	{Key: "host", Title: "whole host stands still, forgiven", Unit: "s", More: true},
	{Key: "detectProcess", Title: "process dies, all know", Unit: "s"},
	{Key: "detectHost", Title: "host dies, all know", Unit: "s"},
}

// equalGrace makes Starling forgive a host what memberlist forgives it among 128.
const equalGrace = 8

var equal = &Measure{
	Name: "equal", Title: "the same, with Inquest's Grace at 8 s, so that Starling forgives a " +
		"host what memberlist does",
	Worlds: virtualOnly, Members: true, Storm: true, Metrics: toleranceMetrics,
	run: func(c *cluster) error {
		c.job.Tune.Grace = equalGrace
		if err := c.build(); err != nil {
			return err
		}
		return runTolerance(c)
	},
}

var tolerance = &Measure{
	Name: "tolerance", Title: "the longest pause that is forgiven, and what a crash " +
		"takes", Worlds: virtualOnly, Members: true,
	Metrics: toleranceMetrics,
	run:     runTolerance,
}

const (
	pauseTries = 5
	maxPause   = 64 * time.Second
	pauseStep  = 250 * time.Millisecond
)

func runTolerance(c *cluster) error {
	for _, whole := range []bool{false, true} {
		key := map[bool]string{false: "process", true: "host"}[whole]
		good, bad := time.Duration(0), maxPause // forgiven, and not
		for bad-good > pauseStep {
			try := (good + bad) / 2
			if good == 0 {
				try = min(try, 8*time.Second)
			}
			if c.forgives(try, whole) {
				good = try
			} else {
				bad = try
			}
		}
		c.add(key, good.Seconds())
	}
	for _, whole := range []bool{false, true} {
		key := map[bool]string{false: "detectProcess", true: "detectHost"}[whole]
		for range pauseTries {
			v, begin := c.victims(1), time.Now()
			c.crash(v[0], whole)
			if known := c.awaitVerdicts(v, c.book.live()); len(known) >= c.book.live() {
				c.add(key, slices.MaxFunc(known, time.Time.Compare).Sub(begin).Seconds())
			}
			time.Sleep(2 * time.Second)
		}
	}
	return nil
}

// forgives says whether several nodes, one after the other, can stand still for so long and are
// failed by nobody.
func (c *cluster) forgives(d time.Duration, whole bool) bool {
	for _, i := range c.victims(pauseTries) {
		before := c.book.outcries(i)
		c.book.setSick([]int{i}, true)
		if whole {
			c.hosts[i].Freeze(d)
		} else {
			c.hosts[i].Pause(d)
		}
		time.Sleep(d + 5*time.Second)
		c.book.setSick([]int{i}, false)
		c.awaitPeace(2 * time.Minute)
		if c.book.outcries(i) > before {
			return false
		}
	}
	return true
}

type pausePlan struct {
	share float64
	span  time.Duration
}

func pausePlans() (all []pausePlan) {
	for _, share := range []float64{0.05, 0.1} {
		for _, span := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second} {
			all = append(all, pausePlan{share, span})
		}
	}
	return all
}

func (p pausePlan) key(what string) string {
	return fmt.Sprintf("%s%.0f/%.0f", what, 100*p.share, p.span.Seconds())
}

func pauseMetrics() (all []Metric) {
	for _, p := range pausePlans() {
		what := fmt.Sprintf("%.0f %% of the processes pause %v in each 30 s", 100*p.share, p.span)
		all = append(all,
			Metric{Key: p.key("well"), Title: what + ": well members failed, per node-minute",
				Exact: true},
			Metric{Key: p.key("sick"), Title: what +
				": paused members failed, per node-minute", Exact: true},
		)
	}
	return all
}

var pauses = &Measure{
	Name: "pauses", Title: "processes stand still again and " +
		"again", Worlds: virtualOnly, Members: true, Metrics: pauseMetrics(),
	run: runPauses,
}

const (
	pauseCycle  = 30 * time.Second
	pauseCycles = 4
)

func runPauses(c *cluster) error {
	for _, p := range pausePlans() {
		well, sick := c.book.falsely()
		some := c.victims(max(1, int(p.share*float64(c.job.N)+0.5)))
		c.book.setSick(some, true)
		begin, cycles := time.Now(), pauseCycles
		if c.job.Quick {
			cycles = 1
		}
		for range cycles {
			for _, i := range some {
				c.hosts[i].Pause(p.span)
			}
			time.Sleep(pauseCycle)
		}
		minutes := time.Since(begin).Minutes() * float64(c.job.N)
		nowWell, nowSick := c.book.falsely()
		c.add(p.key("well"), float64(nowWell-well)/minutes)
		c.add(p.key("sick"), float64(nowSick-sick)/minutes)
		c.awaitPeace(2 * time.Minute)
		c.book.setSick(some, false)
	}
	return nil
}

// Partition.

var partition = &Measure{
	Name: "partition", Title: "30 % of the hosts are cut off for 60 " +
		"s", Worlds: virtualOnly, Members: true,
	Metrics: []Metric{
		{Key: "seen", Title: "pairs across the cut that hold each other for failed at its end",
			Unit: "%", Exact: true},
		{Key: "healed", Title: "after the heal, until all hold all for live", Unit: "s"},
	},
	run: runPartition,
}

const (
	cutSpan  = time.Minute
	healWait = 10 * time.Minute
)

func runPartition(c *cluster) error {
	some := c.victims(3 * c.job.N / 10)
	for i := range c.nodes {
		c.book.setSick([]int{i}, true)
	}
	var cut = c.hosts[:0:0]
	for _, i := range some {
		cut = append(cut, c.hosts[i])
	}
	c.net.Cut(cut)
	time.Sleep(cutSpan)
	c.add("seen", 100*float64(c.book.wrong())/float64(2*len(some)*(c.job.N-len(some))))
	c.net.Heal()
	took, ok := c.awaitPeace(healWait)
	if !ok {
		return fmt.Errorf("not healed %v after the cut: %d pairs wrong", healWait, c.book.wrong())
	}
	c.add("healed", took.Seconds())
	return nil
}
