package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// proc is a named process: it starts, runs a node on a host, may stand still, die and come back,
// elsewhere too.
type proc struct {
	w     *World
	index int32
	name  string
	host  *host
	node  *gossip.Node

	up       bool
	clone    bool             // a second process under another's name
	stranger bool             // a process of another cluster
	founder  netip.AddrPort   // of that; not valid: of this one
	wishes   []netip.AddrPort // where it is told to join another cluster
	left     bool             // by its own will
	lives    int              // how often it has started
	gen      uint64
	wall     time.Duration // how far its wall clock is off
	// of its monotonic clock: clocks of different processes cannot be compared
	skew gossip.Time

	paused   gossip.Time   // it stands still until then
	busy     gossip.Time   // it works on an input until then
	cost     time.Duration // of each input
	inbox    []flight      // the socket's buffer, from its head on
	head     int
	held     int // bytes in the buffer
	troubled int // faults that touch it now
	hindered int // of these, those that stop it or slow it down
	config   gossip.Config
	disk     disk
	tags     int    // how often it changed them
	seek     bool   // it wants its seeds' addresses
	alone    bool   // it gets none the next time: it is the first of its cluster
	cluster  uint64 // whose ID it remembers

	changes uint64 // of the table, when last looked at
	inc     uint32 // its own incarnation, when last looked at
}

// epoch0 is the wall clock's time when a run starts, in milliseconds of Unix time.
const epoch0 = 1_700_000_000_000

// start starts the process on its host.
func (p *proc) start() error {
	w, now := p.w, p.w.now
	if p.host.proc != nil {
		return fmt.Errorf("%s cannot start: %s runs at its address", p.name, p.host.proc.name)
	}
	gen := uint64(int64(epoch0) + int64(span(now)+p.wall)/int64(time.Millisecond))
	p.config = w.opt.configOf(p.index)
	self := gossip.Self{Name: p.name, Generation: gen, Addr: p.host.addr,
		Zone: w.zoneName(p.host), ClusterID: p.cluster}
	src := newStream(w.seed, 2, uint64(p.index), uint64(p.lives))
	node, err := gossip.New(&p.config, self, rand.NewPCG(src.Uint64(), src.Uint64()), p.proof())
	if err != nil {
		return fmt.Errorf("%s cannot start: %w", p.name, err)
	}
	p.node, p.gen, p.up, p.left, p.inc, p.changes = node, gen, true, false, 0, 0
	p.lives++
	p.paused, p.busy = 0, 0
	p.host.proc, p.host.down = p, false
	s := w.shardOf(p.host.index)
	w.rec.take(&Obs{At: now, Kind: Started, Node: p.index, host: p.host.index,
		After: Holding{Gen: gen}})
	node.Wake(p.clock(now), &s.out)
	if p.config.Keep && p.lives > 1 {
		if err := p.restore(now, s); err != nil {
			return err
		}
	}
	s.after(p, now)
	return nil
}

// proof is where a life of the process draws the numbers that nobody may guess.
func (p *proc) proof() *rand.ChaCha8 {
	src := newStream(p.w.seed, 11, uint64(p.index), uint64(p.lives))
	var seed [32]byte
	for i := 0; i < len(seed); i += 8 {
		binary.LittleEndian.PutUint64(seed[i:], src.Uint64())
	}
	return rand.NewChaCha8(seed)
}

// zoneName is the zone of the processes of a host.
func (w *World) zoneName(h *host) string {
	switch {
	case w.opt.Unzoned:
		return ""
	case w.opt.Racks == 0:
		return fmt.Sprintf("z%d", h.zone)
	}
	return fmt.Sprintf("z%d/r%d", h.zone, int(h.index)/w.opt.Zones%w.opt.Racks)
}

// stop ends the process at once, as a crash does. What waits in its socket is gone.
func (p *proc) stop() {
	s := p.w.shardOf(p.host.index)
	s.wakes.set(p.host.index, gossip.Never)
	for _, f := range p.inbox[p.head:] {
		s.pool.put(f.data)
	}
	p.inbox, p.head, p.held = nil, 0, 0
	p.up, p.node, p.host.proc = false, nil, nil
}

// clock is what the process reads on its monotonic clock.
func (p *proc) clock(now gossip.Time) gossip.Time { return now + p.skew }

// blocked returns until when the process takes nothing in.
func (p *proc) blocked() gossip.Time { return max(p.paused, p.busy) }

// arrive brings a packet to the process that listens at its destination.
func (s *shard) arrive(f flight) {
	h := s.w.hosts[f.dst]
	if !s.admit(h, &f) {
		return
	}
	if h.ground != nil {
		h.ground.arrive(f)
		return
	}
	if s.kernel(h, &f) {
		return
	}
	p := h.proc
	if p == nil {
		s.fates[nobody]++
		s.pool.put(f.data)
		return
	}
	h.heard++
	if p.blocked() <= f.at && p.head == len(p.inbox) {
		s.receive(p, f.at, f)
		return
	}
	if p.held+s.w.buffered(&f) > s.w.plan.buffer {
		s.fates[full]++
		s.pool.put(f.data)
		return
	}
	p.held += s.w.buffered(&f)
	p.inbox = append(p.inbox, f)
	s.schedule(p, f.at)
}

// buffered is what a packet takes of a socket's buffer.
func (w *World) buffered(f *flight) int { return len(f.data) + w.sealing(f.data) + skbOverhead }

// receive hands one packet to the node.
func (s *shard) receive(p *proc, now gossip.Time, f flight) {
	h := p.host
	h.hash = mix(h.hash ^ mix(uint64(now)) + mix(uint64(f.src)<<40^f.seq))
	if isTCP(f.data) {
		s.connected(p, now, &f)
	} else {
		p.node.Receive(p.clock(now), s.w.hosts[f.src].addr, f.data, &s.out)
	}
	s.after(p, now)
	s.pool.put(f.data) // not before: events may point into it
}

// wake gives a process its turn: first the packets that wait, then the node's timers.
func (s *shard) wake(h *host) {
	p, now := h.proc, s.now
	if h.ground != nil {
		h.ground.wake(h.index, now)
		return
	}
	for p.up && p.head < len(p.inbox) && p.blocked() <= now {
		f := p.inbox[p.head]
		p.inbox[p.head] = flight{}
		p.head++
		p.held -= s.w.buffered(&f)
		if p.head == len(p.inbox) {
			p.inbox, p.head = p.inbox[:0], 0
		}
		s.receive(p, now, f)
	}
	if !p.up {
		return
	}
	if p.blocked() <= now && p.node.Deadline() <= p.clock(now) {
		h.hash = mix(h.hash ^ mix(uint64(now)) + 1)
		p.node.Wake(p.clock(now), &s.out)
		s.after(p, now)
		return
	}
	s.schedule(p, now)
}

// schedule sets the process's one wake-up.
func (s *shard) schedule(p *proc, now gossip.Time) {
	t := p.node.Deadline()
	if t != gossip.Never {
		t = max(t-p.skew, now)
	}
	if p.head < len(p.inbox) {
		t = now
	}
	if t != gossip.Never {
		t = max(t, p.blocked())
	}
	s.wakes.set(p.host.index, t)
}

// after does what the node wants done after one of its inputs.
func (s *shard) after(p *proc, now gossip.Time) {
	depart := now
	if p.cost > 0 {
		depart = max(now, p.busy).Add(p.cost)
		p.busy = depart
	}
	for {
		s.dispatch(p, now, depart)
		s.out.Reset()
		if !p.seek || !p.up {
			break
		}
		p.seek = false
		if err := p.node.Do(p.clock(now), p.seeds(), &s.out); err != nil {
			s.w.err = fmt.Errorf("%s cannot join: %w", p.name, err)
		}
	}
	if p.up {
		s.schedule(p, now)
	}
}

// dispatch sends the packets of the outbox and tells its events.
func (s *shard) dispatch(p *proc, now, depart gossip.Time) {
	w, h := s.w, p.host
	if w.opt.tamper != nil {
		w.opt.tamper(p, &s.out)
	}
	for i := range s.out.Packets {
		pk := &s.out.Packets[i]
		if most := wire.RoomOf(w.opt.mtu(p.index)); len(pk.Data) > most {
			panic(fmt.Sprintf("%s sends a datagram of %d bytes, at most %d are allowed",
				p.name, len(pk.Data), most))
		}
		to := w.hostAt(pk.To)
		f := w.transmit(s, depart, h, to, pk.Data)
		s.fates[f]++
		h.hash = mix(h.hash ^ mix(uint64(now)) + hashBytes(uint64(to)<<8|uint64(f), pk.Data))
		if w.trace != nil {
			w.trace.packet(now, p, to, pk.Data, f)
		}
		if w.rec.packets {
			s.count(p, now, to, pk.Data)
		}
	}
	p.keep(now, &s.out)
	for _, c := range s.out.Connects {
		s.connect(p, depart, c)
	}
	if c := p.node.Table().Changes(); c != p.changes {
		p.changes = c
		s.looked(p, now)
	}
	for i := range s.out.Events {
		s.event(p, now, &s.out.Events[i])
	}
}

// looked tells how a node's view stands after it changed.
func (s *shard) looked(p *proc, now gossip.Time) {
	self := p.node.Self()
	gen := self.Generation()
	if self.Incarnation != p.inc || gen != p.gen {
		p.inc, p.gen = self.Incarnation, gen
		s.observe(Obs{At: now, Kind: Own, Node: p.index, host: p.host.index,
			After: Holding{Gen: gen, Inc: self.Incarnation, Known: true}})
	}
	t := p.node.Table()
	s.observe(Obs{At: now, Kind: View, Node: p.index, host: p.host.index,
		Hash: t.Fingerprint(), Count: t.Live()})
}

// event handles one event of a node.
func (s *shard) event(p *proc, now gossip.Time, e *gossip.Event) {
	w := s.w
	o := Obs{At: now, Node: p.index, host: p.host.index}
	switch e.Kind {
	case gossip.SeedsWanted:
		p.seek = true
		return
	case gossip.Isolated, gossip.Reunited, gossip.MemberUnreachable, gossip.MemberReachable,
		gossip.Unreached, gossip.Reached, gossip.Unheard, gossip.HeardAgain, gossip.Undecided,
		gossip.Decided, gossip.Writable,
		gossip.NameClaimed, gossip.ClustersMerged, gossip.SettingsDiffer, gossip.AddressTaken,
		gossip.KeyUnknown, gossip.StoodStill, gossip.HeldFailed, gossip.SeedMet,
		gossip.Outlived:
		if w.trace != nil {
			w.trace.event(now, p, e)
		}
		return
	case gossip.LeaveDone, gossip.Conflicted:
		o.Kind = Departed
		if e.Kind == gossip.Conflicted {
			o.Kind = Conflicted
		}
		o.After = Holding{Gen: p.gen}
		p.left = true
		p.stop()
	case gossip.MessageDelivered:
		o.Kind, o.Seq, o.Member = Delivered, e.Message.Seq, w.memberOf(e.Message.Origin)
		o.After, o.Count = Holding{Gen: e.Message.Generation}, len(e.Message.Payload)
		o.Order, o.Bulk, o.Text = e.Message.Order, e.Message.Bulk, string(e.Message.Topic)
		for origin, gen := range p.node.Gaps() {
			o.Told = o.Told || origin == e.Message.Origin && gen < e.Message.Generation &&
				o.Member != o.Node
		}
	case gossip.MessagesLost:
		o.Kind, o.Seq, o.Member = Skipped, e.Lost.To, w.memberOf(e.Lost.Origin)
		o.After, o.From = Holding{Gen: e.Lost.Generation}, e.Lost.From
		o.Bulk = e.Lost.Bulk
	case gossip.MessageSpread:
		x := &e.Spread
		o.Kind, o.Member, o.Seq, o.After = Spread, p.index, x.Seq, Holding{Gen: x.Generation}
		o.Count, o.From, o.Told = x.Have, uint64(x.Of), x.Ended || x.Done && x.Have >= x.Of
	case gossip.KeyChanged, gossip.KeysReset:
		s.keyEvent(p, e, &o)
	case gossip.Welcomed:
		o.Kind = Welcomed
	case gossip.Refused:
		o.Kind = Refused
	case gossip.ZoneUnreachable, gossip.ZoneRecovered:
		o.Kind, o.Text, o.Member = ZoneLost, e.Zone.Name, -1
		if e.Kind == gossip.ZoneRecovered {
			o.Kind = ZoneBack
		}
	default:
		o.Kind, o.Told, o.Member = Saw, true, w.memberOf(e.Member.ID)
		o.After = holding(&e.Member)
		s.told(e, o)
		o.Alarm = e.Kind == gossip.MemberSuspected
		// nobody holds it for failed: its next life is in the table
		if e.Member.Cause == member.CauseRestarted {
			if w.trace != nil {
				w.trace.event(now, p, e)
			}
			return
		}
		if e.Kind == gossip.MemberFailed && o.Member >= 0 {
			o.Apart = w.apart(p.host.index, w.procs[o.Member].host.index, now)
		}
	}
	h := p.host
	h.hash = mix(h.hash ^ uint64(o.Kind)<<56 ^ uint64(o.Member)<<24 ^ o.Seq ^ o.After.Gen ^
		uint64(o.After.State)<<48)
	if w.trace != nil {
		w.trace.event(now, p, e)
	}
	s.observe(o)
}

// told observes what a node was told of the beginning and the end of a membership.
func (s *shard) told(e *gossip.Event, o Obs) {
	switch e.Kind {
	case gossip.MemberJoined:
		o.Kind = Joined
	case gossip.MemberFailed, gossip.MemberLeft:
		o.Kind = Over
	default:
		return
	}
	if o.Member >= 0 {
		s.observe(o)
	}
}

// memberOf returns the process with a name's ID, -1 if no process has that name.
func (w *World) memberOf(id member.ID) int32 {
	if i, ok := w.byID[id]; ok {
		return i
	}
	return -1
}

var errDown = errors.New("it does not run")

// do gives a process a command.
func (p *proc) do(cmd gossip.Command) error {
	if !p.up {
		return fmt.Errorf("%s: %w", p.name, errDown)
	}
	s, now := p.w.shardOf(p.host.index), p.w.now
	s.now = max(s.now, now)
	p.host.hash = mix(p.host.hash ^ mix(uint64(now)) + 2)
	err := p.node.Do(p.clock(now), cmd, &s.out)
	s.after(p, now) // a command that is refused has an output, too: what fell due before it
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}
