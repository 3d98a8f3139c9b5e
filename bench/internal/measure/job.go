// Package measure is what a child process of the bench does: it builds one cluster of one peer and
// measures it. A process of its own for each cluster makes CPU, heap and goroutines those of that
// peer alone, and a peer that hangs can be ended.
package measure

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/starling-gossip/starling/bench/internal/peer"
	"github.com/starling-gossip/starling/bench/internal/virtual"
)

// The worlds.
const (
	Real    = "real"
	Virtual = "virtual"
)

// Job is one cluster and what to measure of it, in this order.
type Job struct {
	World    string    `json:"world"`
	Measures []string  `json:"measures"`
	Peer     string    `json:"peer"`
	N        int       `json:"n"`
	Seed     uint64    `json:"seed"`
	Quick    bool      `json:"quick,omitempty"` // shorter spans, for a look
	Tune     peer.Tune `json:"tune,omitzero"`
}

// Result is what came of one measure of a job.
type Result struct {
	Measure string `json:"measure"`
	// samples of each metric; a metric without any was not reached
	Values map[string][]float64 `json:"values"`
	Note   string               `json:"note,omitempty"`
	CPU    float64              `json:"cpu"`  // seconds of CPU that the process used
	Wall   float64              `json:"wall"` // seconds that it took
}

// Metric is one number of a measure.
type Metric struct {
	Key, Title, Unit string
	More             bool // more is better
	Exact            bool // zero is a result, not a lack of one
	// of its samples the mean is told, not the median: it is rare, or its samples are parts of one
	Mean bool
}

// Measure is something that is measured.
type Measure struct {
	Name    string
	Title   string
	Worlds  []string
	Members bool // it needs a peer with membership
	Storm   bool // it starts its cluster itself
	Metrics []Metric
	run     func(*cluster) error
}

// All are the measures there are, in the order in which they are reported.
var All = []*Measure{join, idle, message, rate, crash, crash10, hostCrash, hostCrash10, loss,
	lossNoStreams, tolerance, equal, pauses,
	partition, probe}

// Find returns the measure of a name.
func Find(name string) (*Measure, error) {
	var names []string
	for _, m := range All {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return nil, fmt.Errorf("no measure %q: there are %v", name, names)
}

// In says whether a measure exists in a world.
func (m *Measure) In(world string) bool { return slices.Contains(m.Worlds, world) }

// Do measures, and tells each result as soon as it is there.
func Do(j Job, tell func(Result)) error {
	system, err := peer.Named(j.Peer)
	if err != nil {
		return err
	}
	c := &cluster{job: j, system: system, rng: rand.New(rand.NewPCG(j.Seed, 0xbe)),
		values: map[string][]float64{}}
	for _, name := range j.Measures {
		m, err := Find(name)
		if err != nil {
			return err
		}
		if !m.Storm && c.nodes == nil {
			if err := c.build(); err != nil {
				return fmt.Errorf("no cluster of %d: %w", j.N, err)
			}
		}
		c.values, c.note = map[string][]float64{}, ""
		begin, used := time.Now(), cpuTime()
		if err := m.run(c); err != nil {
			c.note = err.Error()
		}
		tell(Result{Measure: name, Values: c.values, Note: c.note,
			CPU: (cpuTime() - used).Seconds(), Wall: time.Since(begin).Seconds()})
	}
	return nil
}

// cluster is the nodes of a job and what they told.
type cluster struct {
	job    Job
	system *peer.System
	rng    *rand.Rand
	net    *virtual.Net // nil in the real world
	nodes  []peer.Node
	hosts  []*virtual.Host
	book   *book
	values map[string][]float64
	note   string
}

func (c *cluster) add(key string, v float64) { c.values[key] = append(c.values[key], v) }

func (c *cluster) quick(full, short time.Duration) time.Duration {
	if c.job.Quick {
		return short
	}
	return full
}

const (
	batch     = 16               // nodes that join at once when nobody measures it
	buildWait = 90 * time.Second // for a cluster to know itself
	// the same where time costs nothing: a straggler waits for full state syncs
	longBuild  = 10 * time.Minute
	settleTime = 5 * time.Second
	settleEach = 60 * time.Millisecond // for each node: memberlist and Serf pass on so many joins
)

// start starts node i.
func (c *cluster) start(i int) error {
	n, err := c.system.Start(c.book.spec(i, c.hosts, c.job.Tune))
	c.nodes[i] = n
	return err
}

// prepare makes the ground for a cluster.
func (c *cluster) prepare() {
	c.nodes, c.book = make([]peer.Node, c.job.N), newBook(c.job.N)
	if c.job.World == Virtual {
		c.net = virtual.New(c.job.Seed)
		for range c.job.N {
			c.hosts = append(c.hosts, c.net.Host())
		}
	}
}

// build starts a cluster gently, waits until all know all, and lets it settle.
func (c *cluster) build() error {
	c.prepare()
	limit := buildWait
	if c.job.World == Virtual {
		limit = longBuild
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := c.start(0); err != nil {
		return err
	}
	for first := 1; first < c.job.N; first += batch {
		if err := c.enter(ctx, first, min(first+batch, c.job.N)); err != nil {
			return err
		}
	}
	want := c.job.N
	if !c.system.Membership {
		want = 2
		if err := c.connect(ctx); err != nil {
			return err
		}
	}
	if complete, _ := c.complete(ctx, want); complete < c.job.N {
		return fmt.Errorf("%d of %d nodes know %d after %v", complete, c.job.N, want, limit)
	}
	c.settle()
	return nil
}

// settle waits for the news of the joins to die out. Among 1,000 sockets that takes time that
// nobody has.
func (c *cluster) settle() {
	span := settleTime
	if c.job.World == Virtual {
		span += time.Duration(c.job.N) * settleEach
	}
	time.Sleep(span)
}

// enter starts the nodes from first to before last, and lets them join the first of all.
func (c *cluster) enter(ctx context.Context, first, last int) error {
	errs := make(chan error, last-first)
	var all sync.WaitGroup
	for i := first; i < last; i++ {
		all.Go(func() {
			if err := c.start(i); err != nil {
				errs <- err
			} else if c.system.Membership {
				errs <- c.nodes[i].Join(ctx, c.nodes[0].Addr())
			}
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// connect gives each node of a system without membership its contacts.
func (c *cluster) connect(ctx context.Context) error {
	for i, n := range c.nodes {
		for _, other := range c.rng.Perm(c.job.N)[:min(c.job.N, peer.Contacts)] {
			if other == i {
				continue
			}
			if err := n.Join(ctx, c.nodes[other].Addr()); err != nil {
				return err
			}
		}
	}
	return nil
}

// complete waits until every node counts so many live members, and returns how many do.
func (c *cluster) complete(ctx context.Context, want int) (complete int, at time.Time) {
	for i, n := range c.nodes {
		for c.book.up(i) && n.Live() < want {
			if ctx.Err() != nil {
				return c.countComplete(want), time.Now()
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	return len(c.nodes), time.Now()
}

func (c *cluster) countComplete(want int) (complete int) {
	for _, n := range c.nodes {
		if n != nil && n.Live() >= want {
			complete++
		}
	}
	return complete
}

// crash ends a node; withHost only in the virtual world.
func (c *cluster) crash(i int, withHost bool) {
	c.book.died(i)
	if c.hosts != nil {
		c.hosts[i].Crash(withHost)
	}
	go c.nodes[i].Crash() // some take their time to clean up
}

// alive is how many nodes are up.
func (c *cluster) alive() (n int) {
	for i := range c.nodes {
		if c.book.up(i) {
			n++
		}
	}
	return n
}

// victims draws nodes that are up, never the first, whose address everybody knows.
func (c *cluster) victims(count int) (some []int) {
	for _, i := range c.rng.Perm(c.job.N) {
		if i != 0 && c.book.up(i) && len(some) < count {
			some = append(some, i)
		}
	}
	return some
}
