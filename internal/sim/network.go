package sim

import (
	"fmt"
	"math"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Overhead is what IPv4 and UDP add to each packet, in bytes. All byte counts of a report include
// it.
const Overhead = 28

// Link is what one way between two hosts does to packets.
type Link struct {
	Latency Latency `json:"latency,omitzero"`
	Loss    float64 `json:"loss,omitempty"` // of each packet, independently
	Burst   Burst   `json:"burst,omitzero"` // loss that comes in bursts
	Dup     float64 `json:"dup,omitempty"`  // share of the packets that arrive twice
	// share of the packets that are held back for up to Hold
	Reorder float64       `json:"reorder,omitempty"`
	Hold    time.Duration `json:"hold,omitempty"` // default 10 ms
	// bytes with headers; longer packets vanish without a word; 0: no limit
	MTU int `json:"mtu,omitempty"`
	// share of the packets whose bytes something changes
	Spoil float64 `json:"spoil,omitempty"`
	// what all hosts together can send this way
	Pipe Bandwidth `json:"pipe,omitzero"`
}

// Burst is Gilbert's and Elliott's model in continuous time: each way between two hosts is good or
// bad for exponentially distributed times, and loses packets while it is bad.
type Burst struct {
	Good time.Duration `json:"good"` // mean time between bursts
	Bad  time.Duration `json:"bad"`  // mean length of a burst; 0: no bursts
	Loss float64       `json:"loss"` // of each packet in a burst
}

// Network is the ground that hosts stand on.
type Network struct {
	Within  Link      `json:"within,omitzero"`  // between hosts of one zone
	Between Link      `json:"between,omitzero"` // between hosts of different zones
	Paths   []Path    `json:"paths,omitempty"`  // exceptions from Between
	Own     Bandwidth `json:"own,omitzero"`     // of each host's own link, each way
	// of each host, drawn once: what its own link adds to each packet that it sends or gets
	Access Latency `json:"access,omitzero"`
	Buffer int     `json:"buffer,omitempty"` // of each process's socket; default DefaultBuffer
}

// Path is the link between two zones, both ways.
type Path struct {
	A, B int
	Link Link
}

// DefaultBuffer is Linux's default for a socket's receive buffer; as there, each packet costs
// skbOverhead more than its bytes.
const (
	DefaultBuffer = 212_992
	skbOverhead   = 768
)

// LAN is one calm network: about a third of a millisecond each way.
func LAN() Network {
	l := Link{Latency: Lognormal(300*time.Microsecond, 0.4)}
	return Network{Within: l, Between: l}
}

// WAN is datacenters that are 40 to 160 ms apart (round trip), the more the further their numbers
// are.
func WAN(zones int) Network {
	n := LAN()
	for a := range zones {
		for b := a + 1; b < zones; b++ {
			oneWay := min(20+30*time.Duration(b-a-1), 80) * time.Millisecond
			n.Paths = append(n.Paths, Path{A: a, B: b,
				Link: Link{Latency: Lognormal(oneWay, 0.05)}})
		}
	}
	n.Between.Latency = Lognormal(80*time.Millisecond, 0.05)
	return n
}

// validate says what is wrong with a link, and where.
func (l *Link) validate(where string) error {
	for _, p := range []struct {
		name string
		v    float64
	}{{"loss", l.Loss}, {"dup", l.Dup}, {"reorder", l.Reorder}, {"spoil",
		l.Spoil}, {"burst loss", l.Burst.Loss}} {
		if !(p.v >= 0 && p.v <= 1) {
			return fmt.Errorf("%s: a %s of %g is not between 0 and 1", where, p.name, p.v)
		}
	}
	if l.MTU < 0 || l.Hold < 0 || l.Burst.Good < 0 || l.Burst.Bad < 0 {
		return fmt.Errorf("%s: a negative size or time", where)
	}
	return l.Pipe.validate(where)
}

// lossless says whether no packet is lost while nothing is done to the network. The longest has so
// many bytes.
func (n *Network) lossless(longest int) bool {
	for i := range n.Paths {
		if n.Paths[i].Link.lossy(longest) {
			return false
		}
	}
	return !n.Within.lossy(longest) && !n.Between.lossy(longest) && n.Own.Rate == 0
}

// lossy says whether a link loses anything of packets of so many bytes and less.
func (l *Link) lossy(longest int) bool {
	return l.Loss > 0 || l.Burst.Bad > 0 || l.MTU > 0 && l.MTU < longest || l.Pipe.Rate > 0
}

// clear says whether a link does nothing at all to packets of so many bytes and less.
func (l *Link) clear(longest int) bool {
	return !l.lossy(longest) && l.Latency.IsZero() && l.Dup == 0 && l.Reorder == 0
}

// plan is a network resolved to a matrix of links between zones.
type plan struct {
	zones  int
	links  []Link  // [from*zones+to]
	pipes  []*pipe // alike; nil where nothing is shared, all of it nil if that is everywhere
	own    Bandwidth
	buffer int
	min    time.Duration // the shortest latency
}

func (n *Network) resolve(zones int) (*plan, error) {
	p := &plan{zones: zones, links: make([]Link, zones*zones), own: n.Own, buffer: n.Buffer}
	for i := range p.links {
		p.links[i] = n.Between
		if i/zones == i%zones {
			p.links[i] = n.Within
		}
	}
	for _, x := range n.Paths {
		if x.A < 0 || x.B < 0 || x.A >= zones || x.B >= zones {
			return nil, fmt.Errorf("a path between the zones %d and %d, of %d zones", x.A, x.B,
				zones)
		}
		p.links[x.A*zones+x.B], p.links[x.B*zones+x.A] = x.Link, x.Link
	}
	p.min = time.Duration(math.MaxInt64)
	for i := range p.links {
		if err := p.links[i].validate(fmt.Sprintf("link from zone %d to %d", i/zones,
			i%zones)); err != nil {
			return nil, err
		}
		p.min = min(p.min, p.links[i].Latency.Min())
		if b := p.links[i].Pipe; b.Rate > 0 {
			if p.pipes == nil {
				p.pipes = make([]*pipe, zones*zones)
			}
			p.pipes[i] = &pipe{Bandwidth: b}
		}
	}
	if err := p.own.validate("a host's own link"); err != nil {
		return nil, err
	}
	if p.buffer < 0 {
		return nil, fmt.Errorf("a negative buffer")
	}
	if p.buffer == 0 {
		p.buffer = DefaultBuffer
	}
	return p, nil
}

// access draws what a host's own link adds.
func (n *Network) access(rng *stream) time.Duration {
	if n.Access.IsZero() {
		return 0
	}
	return n.Access.draw(rng.Uint64())
}

// fate is what became of a packet.
type fate uint8

const (
	sent fate = iota
	lost
	cut     // by a partition
	tooLong // for the MTU
	overrun // a link's queue was full
	nobody  // nobody listens at the address
	full    // the receiver's socket buffer was full
	fates
)

func (f fate) String() string {
	return [...]string{"sent", "lost", "cut", "too long", "overrun", "nobody there",
		"buffer full"}[f]
}

// transmit decides over one packet. It touches nothing but the sender's own state, so that workers
// need no locks.
func (w *World) transmit(s *shard, now gossip.Time, from *host, to int32, data []byte) fate {
	from.seq++
	from.packets++
	seal, size := w.sealing(data), w.onWire(data)
	from.bytes += uint64(size)
	from.seals += uint64(seal)
	if to < 0 {
		return nobody
	}
	if w.hosts[to].zone != from.zone {
		s.cross(from, w.hosts[to], data, seal)
	}
	rng := newStream(w.seed, 1, uint64(from.index), uint64(to), from.seq)
	l := &w.plan.links[int(from.zone)*w.plan.zones+int(w.hosts[to].zone)]
	depart := now
	if from.out.Rate > 0 {
		out, ok := from.out.take(now, size)
		if !ok {
			return overrun
		}
		depart = out
	}
	if w.overhears {
		from.overhear(to, data, mix(w.seed^from.seq))
	}
	delay := time.Duration(0)
	copies := 1
	from.spoilt = 0
	if f := from.pass(w, now, l, -1, to, size, &rng, &delay, &copies); f != sent {
		return f
	}
	for i := range w.faults {
		x := &w.faults[i]
		if !x.touches(from.index, to) {
			continue
		}
		if f := from.pass(w, now, &x.link, x.id, to, size, &rng, &delay, &copies); f != sent {
			return f
		}
	}
	pipes := w.shared(from, w.hosts[to])
	for range copies {
		on := max(l.Latency.draw(rng.Uint64())+delay, MinLatency) + from.access + w.hosts[to].access
		from.copies++
		if from.spoilt > 0 && !isTCP(data) && rng.chance(from.spoilt) {
			continue // its seal or its checksum is wrong: it goes no further than the driver
		}
		f := flight{at: depart.Add(on), dst: to, src: from.index, seq: from.copies,
			data: s.pool.copy(data)}
		if len(pipes) > 0 {
			s.held = append(s.held, onHold{f, depart, on, pipes})
			continue
		}
		s.send(f)
	}
	return sent
}

// sealing is what sealing adds to a packet. The datagram itself goes as it is.
func (w *World) sealing(data []byte) int {
	if isTCP(data) {
		return 0
	}
	return wire.OnWire(len(data), w.opt.Sealed) - len(data)
}

// pass takes one packet through a link, or through a fault laid over it.
func (h *host) pass(w *World, now gossip.Time, l *Link, fault int32, to int32, size int,
	rng *stream,
	delay *time.Duration, copies *int) fate {
	switch {
	case l.Loss >= 1:
		return cut
	case l.MTU > 0 && size > l.MTU:
		return tooLong
	case l.Loss > 0 && rng.chance(l.Loss):
		return lost
	case l.Burst.Bad > 0 && h.bursting(now, &l.Burst, fault, to, rng) && rng.chance(l.Burst.Loss):
		return lost
	}
	if fault >= 0 && !l.Latency.IsZero() {
		*delay += l.Latency.draw(rng.Uint64())
	}
	if l.Reorder > 0 && rng.chance(l.Reorder) {
		hold := l.Hold
		if hold == 0 {
			hold = 10 * time.Millisecond
		}
		*delay += time.Duration(rng.Uint64() % uint64(hold))
	}
	h.spoilt = max(h.spoilt, l.Spoil)
	if l.Dup > 0 && rng.chance(l.Dup) && *copies < 4 {
		*copies++
	}
	return sent
}

// burstKey names a chain of good and bad times: of one way, under one fault (-1: the link's own).
type burstKey struct{ fault, to int32 }

// burstState is where a chain stood when a packet last met it.
type burstState struct {
	at  gossip.Time
	bad bool
}

// bursting moves a Gilbert–Elliott chain on to now and says whether it is bad. A chain that
// nobody looked at for a time t is bad with probability pi + (was - pi)·exp(-t/Good - t/Bad),
// where pi = Bad/(Good+Bad): exact, with one draw.
func (h *host) bursting(now gossip.Time, b *Burst, fault, to int32, rng *stream) bool {
	pi := float64(b.Bad) / float64(b.Good+b.Bad)
	p := pi
	k := burstKey{fault, to}
	if c, ok := h.bursts[k]; ok && b.Good > 0 {
		t, was := float64(now.Sub(c.at)), 0.0
		if c.bad {
			was = 1
		}
		p += (was - pi) * math.Exp(-t/float64(b.Good)-t/float64(b.Bad))
	}
	if h.bursts == nil {
		h.bursts = map[burstKey]burstState{}
	}
	bad := rng.chance(p)
	h.bursts[k] = burstState{now, bad}
	return bad
}
