package sim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// What the verbs do to a world.

// fault is something laid over the links between two sets of hosts.
type fault struct {
	id       int32
	from, to []bool
	oneWay   bool
	link     Link
	pipes    *[2]pipe // what the two sides share of it, one way and the other
	harmless bool     // nothing is lost, late or doubled by it
	laid     gossip.Time
	lifted   gossip.Time // when it ended; kept for a while, since it has consequences
}

func (f *fault) touches(src, dst int32) bool {
	return f.forward(src, dst) || !f.oneWay && f.forward(dst, src)
}

// forward says whether a packet goes from the first side to the other.
func (f *fault) forward(src, dst int32) bool {
	has := func(set []bool, i int32) bool { return int(i) < len(set) && set[i] }
	return has(f.from, src) && has(f.to, dst)
}

// schedule puts an action, and its repetitions, on the agenda.
func (w *World) schedule(a Action) {
	var once func(left int, at gossip.Time)
	once = func(left int, at gossip.Time) {
		w.at(at, func() {
			if err := w.apply(a); err != nil {
				w.err = fmt.Errorf("action %q: %w", a, err)
				return
			}
			if a.Every > 0 && left != 1 {
				once(left-1, at.Add(a.Every))
			}
		})
	}
	once(a.Times, w.epoch.Add(a.At))
}

// apply does an action now.
func (w *World) apply(a Action) error {
	w.drawn++
	w.note(a.String())
	switch a.Do {
	case Calm:
		for len(w.faults) > 0 {
			w.lift(w.faults[0].id)
		}
		w.await("calm")
		return nil
	case Start:
		for range a.Who.N {
			if err := w.addProc().start(); err != nil {
				return err
			}
		}
		w.await(a.String())
		return nil
	case Cut, Links:
		return w.lay(a)
	case Move:
		return w.move(a)
	}
	procs, err := w.pick(a.Who, func(p *proc) bool { return p.up }, nil)
	if err != nil {
		return err
	}
	if a.Do == Set || a.Do == Unset {
		for i, p := range procs {
			w.writeKeys(a, p, i, len(procs))
		}
		w.written[a.String()]++
		return nil
	}
	if a.Do == Invade {
		err := w.invade(procs)
		w.await(a.String())
		return err
	}
	for _, p := range procs {
		if err := w.applyTo(a, p); err != nil {
			return err
		}
	}
	if a.Do == Crash || a.Do == Kill || a.Do == Leave || a.Do == Restart || a.Do == Joins {
		w.await(a.String())
	}
	return nil
}

// applyTo does an action to one process. What cannot be done to it in its state is passed over.
func (w *World) applyTo(a Action, p *proc) error {
	switch a.Do {
	case Crash, Kill:
		if p.up {
			w.crash(p)
			p.host.down = a.Do == Crash
			if a.For > 0 {
				w.at(w.now.Add(a.For), func() { w.revive(p) })
			}
		}
	case Restart:
		if p.up {
			w.crash(p)
		}
		return p.start()
	case Pause:
		if p.up {
			p.paused = max(p.paused, w.now.Add(a.For))
			w.shardOf(p.host.index).schedule(p, w.now)
			w.trouble(p, a.For)
			w.hinder(p, a.For)
		}
	case Slow:
		p.cost = a.Cost
		if a.For > 0 {
			w.at(w.now.Add(a.For), func() { p.cost = 0 })
		}
		w.trouble(p, a.For)
		w.hinder(p, a.For)
	case Clock:
		p.wall += a.By
	case Leave:
		if p.up {
			return p.do(gossip.Leave{Wait: leaveWait})
		}
	case Tag:
		if p.up && p.paused <= w.now {
			p.tags++
			t, err := member.NewTags(map[string]string{"n": fmt.Sprint(p.tags)})
			if err != nil {
				return err
			}
			return p.do(gossip.SetTags{Tags: t})
		}
	case Clone:
		if p.up {
			return w.clone(p)
		}
	case Joins:
		return w.wish(p)
	case Forge:
		w.forge(p)
	case Replay:
		w.replay(p)
	case Publish:
		if p.up && p.paused <= w.now {
			return w.publish(p, w.now, gossip.Publish{Topic: cmp.Or(a.Topic, "sim"),
				Payload: w.payload(a.Bytes), Confirm: a.Confirm, Urgent: a.Urgent})
		}
	}
	return nil
}

// leaveWait is how long a process that leaves waits for its messages to be out, as a user's program
// does.
const leaveWait = 5 * time.Second

// roomEvery is how often a publisher without room tries again.
const roomEvery = time.Millisecond

// publish has a process publish, as a user's program does that means to since a time: without room
// it waits, as long as the process runs.
func (w *World) publish(p *proc, since gossip.Time, c gossip.Publish) error {
	life := p.lives
	err := p.do(c)
	if errors.Is(err, gossip.ErrLeaving) {
		return nil // it has waited for room for too long
	}
	if !errors.Is(err, gossip.ErrBackpressure) {
		if self := p.node.Self(); err == nil && p.up {
			w.rec.take(&Obs{At: w.now, Kind: Published, Node: p.index, Member: p.index,
				Seq: p.node.LastSeq(), From: uint64(since), Told: c.Confirm, Text: c.Topic,
				After: Holding{Gen: self.Generation()}})
		}
		return err
	}
	w.at(w.now.Add(roomEvery), func() {
		if !p.up || p.lives != life {
			return
		}
		if err := w.publish(p, since, c); err != nil {
			w.err = err
		}
	})
	return nil
}

// payload makes a message's bytes.
func (w *World) payload(n int) []byte {
	if n == 0 {
		n = 64
	}
	b, rng := make([]byte, n), newStream(w.seed, 4, w.drawn)
	for i := range b {
		b[i] = byte(rng.Uint64())
	}
	return b
}

// clone starts a second process under a process's name, on a host of its own.
func (w *World) clone(p *proc) error {
	q := w.addProc()
	delete(w.byID, w.idOf[q.index])
	w.idOf[q.index], q.name, q.clone = 0, p.name, true
	return q.start()
}

func (w *World) crash(p *proc) {
	p.tear(w.opt.Tear)
	p.stop()
	w.rec.take(&Obs{At: w.now, Kind: Crashed, Node: p.index, host: p.host.index})
}

// revive starts a process that is down, if nobody runs at its address.
func (w *World) revive(p *proc) {
	if p.up || p.host.proc != nil {
		return
	}
	if err := p.start(); err != nil {
		w.err = err
		return
	}
	w.await("restart:" + p.name)
}

// move starts processes at the addresses of others. The two change places, so that the others may
// come back too.
func (w *World) move(a Action) error {
	any := func(*proc) bool { return true }
	who, err := w.pick(a.Who, any, nil)
	if err != nil {
		return err
	}
	peers, err := w.pick(a.Peer, func(p *proc) bool { return !slices.Contains(who, p) }, who)
	if err != nil {
		return err
	}
	for i := range min(len(who), len(peers)) {
		p, q := who[i], peers[i]
		for _, x := range []*proc{p, q} {
			if x.up {
				w.crash(x)
			}
		}
		if p.host.proc != nil || q.host.proc != nil {
			continue // a third process runs there
		}
		p.host, q.host = q.host, p.host
		if err := p.start(); err != nil {
			return err
		}
	}
	w.await(a.String())
	return nil
}

// lay lays a cut or a link's faults over what is between two sides.
func (w *World) lay(a Action) error {
	any := func(*proc) bool { return true }
	var who, peers []*proc
	var err error
	if a.Who.Kind == Rest { // the rest is only known when the other side is
		if peers, err = w.pick(a.Peer, any, nil); err == nil {
			who, err = w.pick(a.Who, any, peers)
		}
	} else if who, err = w.pick(a.Who, any, nil); err == nil {
		peers, err = w.pick(a.Peer, any, who)
	}
	if err != nil {
		return err
	}
	w.laid++
	f := fault{id: w.laid, laid: w.now, from: w.set(who), to: w.set(peers), oneWay: a.OneWay,
		link: a.Link, pipes: a.Link.Pipe.bothWays()}
	if a.Do == Cut {
		f.link = Link{Loss: 1}
	}
	f.harmless = f.link.clear(w.opt.longest())
	w.faults = append(w.faults, f)
	w.rec.take(&Obs{At: w.now, Kind: Laid, Node: -1, way: &f})
	for _, p := range w.procs {
		if f.harmless {
			break
		}
		everyone := len(who) == len(w.procs) || len(peers) == len(w.procs)
		in, out := slices.Contains(who, p), slices.Contains(peers, p)
		if in && out || !everyone && (in || out) {
			w.trouble(p, a.For)
		}
	}
	if a.For > 0 {
		w.at(w.now.Add(a.For), func() {
			w.lift(f.id)
			w.note("end of " + a.String())
			w.await("end of " + a.String())
		})
	}
	return nil
}

func (w *World) set(procs []*proc) []bool {
	s := make([]bool, len(w.hosts))
	for _, p := range procs {
		s[p.host.index] = true
	}
	return s
}

func (w *World) lift(id int32) {
	w.past = slices.DeleteFunc(w.past,
		func(f fault) bool { return w.now.Sub(f.lifted) > afterTrouble })
	w.faults = slices.DeleteFunc(w.faults, func(f fault) bool {
		if f.id == id {
			f.lifted = w.now
			w.past = append(w.past, f)
			w.rec.take(&Obs{At: w.now, Kind: Lifted, Node: -1, way: &f})
		}
		return f.id == id
	})
}

// apart says whether a fault lies on the way between two hosts, or lay there lately.
func (w *World) apart(a, b int32, now gossip.Time) bool {
	between := func(f fault) bool {
		return !f.harmless && (f.touches(a, b) || f.touches(b, a)) &&
			(f.lifted == 0 || now.Sub(f.lifted) <= afterTrouble)
	}
	return slices.ContainsFunc(w.faults, between) || slices.ContainsFunc(w.past, between)
}

// trouble marks a process as one that a fault touches, for a time or for good.
func (w *World) trouble(p *proc, d time.Duration) {
	if p.troubled++; p.troubled == 1 {
		w.rec.take(&Obs{At: w.now, Kind: Troubled, Node: p.index, host: p.host.index})
	}
	if d > 0 {
		w.at(w.now.Add(d), func() {
			if p.troubled--; p.troubled == 0 {
				w.rec.take(&Obs{At: w.now, Kind: Healthy, Node: p.index, host: p.host.index})
			}
		})
	}
}

// hinder marks a process as one that cannot do what it should, for a time or for good.
func (w *World) hinder(p *proc, d time.Duration) {
	if p.hindered++; p.hindered == 1 {
		w.rec.take(&Obs{At: w.now, Kind: Hindered, Node: p.index, host: p.host.index})
	}
	if d > 0 {
		w.at(w.now.Add(d), func() {
			if p.hindered--; p.hindered == 0 {
				w.rec.take(&Obs{At: w.now, Kind: Free, Node: p.index, host: p.host.index})
			}
		})
	}
}

// note writes an action down in the history.
func (w *World) note(text string) {
	w.rec.take(&Obs{At: w.now, Kind: Disturbed, Node: -1, Text: text})
	if w.trace != nil {
		w.trace.line(w.now, "scenario", text)
	}
}

// pick returns the processes that a Who means, in the order of their numbers. Random ones are drawn
// from the eligible.
func (w *World) pick(who Who, eligible func(*proc) bool, other []*proc) ([]*proc, error) {
	in := make([]bool, len(w.procs))
	for _, part := range append([]Who{who}, who.Plus...) {
		if err := w.pickPart(part, eligible, other, in); err != nil {
			return nil, err
		}
	}
	var all []*proc
	for i, p := range w.procs {
		if in[i] {
			all = append(all, p)
		}
	}
	return all, nil
}

func (w *World) pickPart(who Who, eligible func(*proc) bool, other []*proc, in []bool) error {
	mark := func(ok func(p *proc) bool) {
		for i, p := range w.procs {
			in[i] = in[i] || !p.stranger && ok(p)
		}
	}
	switch who.Kind {
	case Range:
		if who.To >= len(w.procs) {
			return fmt.Errorf("there is no n%d; the nodes are n0 to n%d", who.To, len(w.procs)-1)
		}
		mark(func(p *proc) bool { return int(p.index) >= who.From && int(p.index) <= who.To })
	case InZone:
		if who.Zone >= w.opt.Zones {
			return fmt.Errorf("there is no z%d; the zones are z0 to z%d", who.Zone, w.opt.Zones-1)
		}
		mark(func(p *proc) bool { return int(p.host.zone) == who.Zone })
	case Busiest:
		for _, p := range w.busiest(who.Share) {
			in[p.index] = true
		}
	case All:
		mark(func(*proc) bool { return true })
	case Dead:
		mark(func(p *proc) bool { return !p.up && !p.left })
	case Rest:
		mark(func(p *proc) bool { return !slices.Contains(other, p) })
	case Some, Share:
		var pool []int
		for i, p := range w.procs {
			if !p.stranger && eligible(p) {
				pool = append(pool, i)
			}
		}
		n := who.N
		if who.Kind == Share {
			n = int(who.Share*float64(len(pool)) + 0.5)
			if who.Share > 0 {
				n = max(n, 1)
			}
		}
		rng := newStream(w.seed, 3, w.drawn, uint64(len(other)))
		for k := range min(n, len(pool)) {
			j := k + int(rng.Uint64()%uint64(len(pool)-k))
			pool[k], pool[j] = pool[j], pool[k]
			in[pool[k]] = true
		}
	}
	return nil
}
