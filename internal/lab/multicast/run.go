package multicast

// This file runs experiments: each run with a seed of its own, spread over the processors, and what
// they showed together.

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/sim"
)

// Protocol is a way to bring a message to all.
type Protocol struct {
	Name, About, Source string

	network bool // it takes multicast by the network for granted
	inner   func(w *world) []int
	make    func(*member) node
}

// run is one message in one world.
type run struct {
	live    int             // members that should get it, without the origin
	got     []time.Duration // when they did, rising
	load    loads
	control [kinds]uint64
	copies  uint64 // of the payload, that arrived
	sent    uint64 // of the payload, that were sent
	hops    uint64
	overrun uint64
	lasted  time.Duration
	hash    uint64
}

// loads are those of one run.
type loads struct{ origin, busiest, mean Load }

// rng is a source of chance for something that is the same for all protocols.
func (w *world) rng(about ...uint64) *rand.Rand { return rand.New(w.g.Source(about...)) }

// newWorld lays out a run.
func newWorld(p *Protocol, o *Options, seed uint64) (*world, error) {
	w := &world{o: o, loads: make([]Load, o.Nodes), up: make([]bool, o.Nodes),
		payload: make([]byte, o.Bytes)}
	link := sim.Link{Latency: o.Latency, Loss: o.Loss}
	net, hosts, zones := sim.Network{Within: link}, o.Nodes, 1
	if p.network {
		w.tree = newRouters(o)
		hosts, zones = 2*o.Nodes, 2
		net.Between = sim.Link{} // a member and its router: at once, without loss
		net.Paths = []sim.Path{{A: 1, B: 1, Link: sim.Link{Latency: w.tree.link,
			Loss: w.tree.loss}}}
	}
	g, err := sim.NewGround(hosts, zones, net, seed)
	if err != nil {
		return nil, err
	}
	w.g = g
	for i := range w.payload {
		w.payload[i] = byte(w.g.Source(0, uint64(i)).Uint64())
	}
	for i := range o.Nodes {
		w.members = append(w.members, &member{w: w, me: i, rng: w.rng(1, uint64(i))})
	}
	w.crash(p)
	for i, m := range w.members {
		if w.tree != nil {
			g.Place(w.router(i), &router{w, i}, 0)
		}
		if w.up[i] {
			m.node = p.make(m)
			g.Place(w.host(i), m.node, max(0, o.Cost))
		}
	}
	return w, nil
}

// crash chooses the members that are down: first inner nodes, as many as asked for, from the top;
// then others at random. Protocols without inner nodes lose as many at random.
func (w *world) crash(p *Protocol) {
	o := w.o
	for i := range w.up {
		w.up[i] = true
	}
	random := w.rng(3).Perm(o.Nodes)
	down := func(from []int, n int) {
		for _, i := range from {
			if n > 0 && i != 0 && w.up[i] {
				w.up[i] = false
				n--
			}
		}
	}
	inner := random
	if p.inner != nil {
		inner = append(p.inner(w), random...)
	}
	down(inner, o.Inner)
	down(random, int(o.Crashed*float64(o.Nodes)))
	for _, up := range w.up[1:] {
		if up {
			w.due++
		}
	}
}

// step is how often the end of a run is looked for.
const lookEvery = time.Millisecond

// play lets the origin publish once the members are at it, and ends some time after all have the
// message.
func (w *world) play() error {
	for i, m := range w.members {
		if w.up[i] {
			m.node.start()
		}
	}
	origin := w.members[0]
	origin.has = true
	origin.node.publish()
	for w.g.Now() < gossip.Time(w.o.Limit) && !w.g.Idle() {
		if n := len(w.got); n == w.due && w.g.Now() >= w.got[n-1].Add(w.o.Linger) {
			break
		}
		if err := w.g.Run(w.g.Now().Add(lookEvery)); err != nil {
			return err
		}
	}
	return nil
}

// one runs a protocol once.
func one(p *Protocol, o *Options, seed uint64) (*run, error) {
	w, err := newWorld(p, o, seed)
	if err != nil {
		return nil, err
	}
	if err := w.play(); err != nil {
		return nil, err
	}
	r := &run{live: w.due, control: w.counts, copies: w.copies, sent: w.counts[data], hops: w.hops,
		overrun: w.g.Overrun(), lasted: time.Duration(w.g.Now()), hash: w.g.Hash()}
	for _, at := range w.got {
		r.got = append(r.got, time.Duration(at))
	}
	r.load = w.load()
	return r, nil
}

// load sums the nodes' loads up. The busiest is that with the most datagrams, in and out.
func (w *world) load() (l loads) {
	l.origin = w.loads[0]
	for i := range w.loads {
		x := &w.loads[i]
		if x.Sent+x.Received > l.busiest.Sent+l.busiest.Received {
			l.busiest = *x
		}
		l.mean.add(x, 1/float64(w.due+1))
	}
	return l
}

// add adds a share of another load.
func (l *Load) add(x *Load, share float64) {
	l.Sent += share * x.Sent
	l.Received += share * x.Received
	l.SentBytes += share * x.SentBytes
	l.ReceivedBytes += share * x.ReceivedBytes
}

// reached is when a share of the live had the message: the origin has it at once and counts. +Inf:
// never.
func (r *run) reached(share float64) float64 {
	k := int(math.Ceil(share*float64(r.live+1))) - 1 // beside the origin
	switch {
	case k <= 0:
		return 0
	case k > len(r.got):
		return math.Inf(1)
	}
	return r.got[k-1].Seconds()
}

// Run runs a protocol as often as the options say. Progress, if not nil, is called after each run,
// from any goroutine.
func Run(ctx context.Context, p *Protocol, o Options, progress func()) (*Result, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	runs := make([]*run, o.Runs)
	work, going := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for i := range runs {
		work.Go(func() (err error) {
			if going.Err() != nil {
				return going.Err()
			}
			if runs[i], err = one(p, &o, o.Seed+uint64(i)); err == nil && progress != nil {
				progress()
			}
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	return summarize(p, &o, runs), nil
}
