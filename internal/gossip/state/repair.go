package state

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/reconcile"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// What a push missed is found in four steps. The fingerprint of a peer differs. This node sends it
// a sketch of how far it holds the owners of a range. The peer tells from it which owners differ,
// whatever their number, and answers with a digest of these alone. For each owner the side that is
// ahead sends deltas. While many write, views always differ by what is on its way. So what came in
// within Config.Settle is left out, and ranges get so small that what differs in one can be told.

// Sizes of sketches, in cells, and how many differing owners the larger surely tells: two items
// each.
const (
	smallCells = 48
	largeCells = wire.MaxCells
	perRange   = 36
)

// streak is after how many mismatches running a view of the members that differs too is no reason
// to wait.
const streak = 4

// Bounds of what is asked for.
const (
	maxAsks  = 256 // owners asked for at once
	askAgain = 200 * time.Millisecond
	askSoon  = 20 * time.Millisecond // after a delta that others should have come before
	askOn    = 50 * time.Millisecond // after what came last of an answer that was cut short

	// exchanges instead of one that nobody answered, or that brought nothing
	beginTries = 12
	// for what a peer has more by its digest; longer than the usual way there and back
	answerWait = 250 * time.Millisecond
	askTries   = 6
	maxAnswer  = 16 // datagrams of deltas in one answer
)

// ask is an owner of which a peer is known to hold more.
type ask struct {
	owner, peer member.ID
	end         uint64
	due         mono.Time
	tries       int
}

// repair is what is under way.
type repair struct {
	next   mono.Time // no exchange is begun before
	follow mono.Time // one is begun then, with anybody
	with   member.ID // the last one, which may be lost
	retry  mono.Time // and another is begun then
	tries  int       // so many were, running
	// the last that showed that something differs, and have not said since that nothing does
	differ [4]member.ID
	streak int
	bits   uint8 // of the ranges that sketches are of at present
	asks   []ask
}

// Compare compares fingerprints with a live member's, once the news in its datagram is taken in.
// sameView says whether the two agree about the members. A difference that is not looked into at
// once is so in a moment, unless somebody agrees before: where much is lost, the next fingerprint
// may be long in coming.
func (s *Store) Compare(now mono.Time, from member.Member, keys uint64, sameView bool) {
	r := &s.repair
	if s.building > 0 {
		for _, o := range s.owners {
			s.giveUp(now, o)
		}
	}
	if keys == s.fingerprint {
		r.streak, r.retry, r.differ = 0, mono.Never, [4]member.ID{}
		return
	}
	if !slices.Contains(r.differ[:], from.ID) {
		copy(r.differ[1:], r.differ[:])
		r.differ[0] = from.ID
	}
	r.streak++
	switch {
	case now >= r.next && (sameView || r.streak >= streak):
		r.tries = 0
		s.exchange(now, from)
	case r.retry == mono.Never:
		r.tries, r.retry = 0, now.Add(plane.Jitter(s.host.Rand(), 2*s.cfg.Interval))
	}
}

// exchange begins one with a peer.
func (s *Store) exchange(now mono.Time, with member.Member) {
	r := &s.repair
	r.next, r.follow = now.Add(plane.Jitter(s.host.Rand(), s.cfg.Interval)), mono.Never
	r.with, r.retry = with.ID, now.Add(plane.Jitter(s.host.Rand(),
		s.cfg.Interval/4*time.Duration(1+r.tries/3)))
	s.stats.Exchanges++
	cells := smallCells
	if r.bits > 0 {
		cells = largeCells
	}
	s.sendSketch(now, with, s.randomRange(wire.Range{}, r.bits), cells)
}

// answered notes that a peer answered an exchange, if it is the one under way.
func (r *repair) answered(by member.ID) {
	if r.with == by {
		r.retry = mono.Never
	}
}

// beginAgain begins an exchange instead of one that brought nothing. It takes by turns a member
// that showed that something differs, and any member, since the former may be dead or not reached
// from here.
func (s *Store) beginAgain(now mono.Time) {
	r := &s.repair
	r.retry = mono.Never
	if r.tries == beginTries {
		return
	}
	r.tries++
	m, ok := s.host.Table().Get(r.differ[s.host.Rand().IntN(len(r.differ))])
	if r.tries%2 == 0 || !ok || !m.State.Live() {
		m, ok = s.anybody()
	}
	if ok {
		s.exchange(now, m)
	}
}

// randomRange returns a part of a range that is told by so many more bits.
func (s *Store) randomRange(g wire.Range, bits uint8) wire.Range {
	bits = min(bits, wire.MaxRangeBits-g.Bits)
	return wire.Range{Bits: g.Bits + bits,
		Prefix: g.Prefix<<bits | uint16(s.host.Rand().Uint32()&(1<<bits-1))}
}

func inRange(id member.ID, g wire.Range) bool { return uint64(id)>>(64-g.Bits) == uint64(g.Prefix) }

// salt makes tags and items.
type salt uint64

func newSalt(v uint32) salt { return salt(member.Mix(uint64(v) + 0x9e3779b97f4a7c15)) }

func (t salt) tag(id member.ID) uint32 { return uint32(member.Mix(uint64(id)^uint64(t)) >> 32) }

// item is a tag and a hash of how far the owner is held.
func (t salt) item(o *owner) uint64 {
	return reconcile.Seal(uint64(t.tag(o.id))<<32 | member.Mix(o.hash()^uint64(t))>>32)
}

// sketch adds all owners of a range to some cells, and returns how many there are.
func (s *Store) sketch(cells []uint64, t salt, g wire.Range) (n uint32) {
	for _, o := range s.owners {
		if o.live && o.version > 0 && inRange(o.id, g) {
			reconcile.Toggle(cells, t.item(o))
			n++
		}
	}
	return n
}

func (s *Store) sendSketch(now mono.Time, to member.Member, g wire.Range, cells int) {
	v := wire.View{Range: g, Salt: s.host.Rand().Uint32()}
	var c [largeCells]uint64
	v.Count = s.sketch(c[:cells], newSalt(v.Salt), g)
	s.buf = wire.AppendKeySketch(s.buf[:0], &v, c[:cells])
	s.send(now, to, s.buf)
}

// receiveSketch answers a sketch: with a digest of what differs, or, if that cannot be told, with a
// larger sketch or one of a part of the range.
func (s *Store) receiveSketch(now mono.Time, from member.Member, body []byte) bool {
	v, words, ok := wire.ReadKeySketch(body)
	n := words.Len()
	if !ok || n < 4 || n%4 != 0 {
		return false
	}
	s.repair.answered(from.ID)
	if !s.budget.Ready(now) {
		return true
	}
	var cells, items [largeCells]uint64
	for i := range n {
		cells[i] = words.At(i)
	}
	t := newSalt(v.Salt)
	count := s.sketch(cells[:n], t, v.Range)
	found, ok := reconcile.Peel(cells[:n], items[:0])
	if !ok {
		s.stats.Undecoded++
		s.narrow(now, from, &v, n, max(int(count)-int(v.Count), int(v.Count)-int(count)))
		return true
	}
	s.told(len(found))
	tags := s.tags[:0]
	for _, it := range found {
		tags = append(tags, uint32(it>>32))
	}
	slices.Sort(tags)
	s.tags = tags
	s.sendDigest(now, from, t, v.Range)
	return true
}

// told widens the ranges again when little differs.
func (s *Store) told(items int) {
	if items < perRange/2 && s.repair.bits > 0 {
		s.repair.bits--
	}
}

// narrow answers a sketch that tells nothing. At least so many owners differ.
func (s *Store) narrow(now mono.Time, to member.Member, v *wire.View, cells, differ int) {
	bits := uint8(0)
	for differ>>bits > perRange {
		bits++
	}
	if cells == largeCells && bits == 0 {
		bits = 1
	}
	if v.Bits+bits > wire.MaxRangeBits {
		return // only forged IDs crowd so
	}
	s.repair.bits = v.Bits + bits
	s.sendSketch(now, to, s.randomRange(v.Range, bits), largeCells)
}

// sendDigest tells how far this node holds the owners with the tags that differ. If there are none
// it says that: the other would begin again.
func (s *Store) sendDigest(now mono.Time, to member.Member, t salt, g wire.Range) {
	b, table := s.digest(0, true), s.host.Table()
	if len(s.tags) == 0 {
		s.send(now, to, wire.EndKeyDigest(b, 0))
		return
	}
	for i := range table.Live() {
		id := table.IDAt(i)
		if !inRange(id, g) {
			continue
		}
		if _, ok := slices.BinarySearch(s.tags, t.tag(id)); !ok {
			continue
		}
		if o := s.owner(id); o != nil && s.fresh(now, o) {
			continue
		}
		m := table.At(i)
		b = s.mark(now, to, b, &m)
	}
	s.sendMarks(now, to, b)
}

// fresh says whether what was written last may be on its way to others still.
func (s *Store) fresh(now mono.Time, o *owner) bool {
	return o.version > 0 && now.Sub(o.changed) < s.cfg.Settle
}

func (s *Store) digest(end uint64, reply bool) []byte {
	s.opened = wire.KeyDigest{End: end, Reply: reply}
	return wire.BeginKeyDigest(s.marks[:0], s.opened)
}

// mark adds how far a member's keys are held here; a digest that is full is sent.
func (s *Store) mark(now mono.Time, to member.Member, b []byte, m *member.Member) []byte {
	if len(b)+wire.MaxKeyMark > s.host.Room() {
		s.sendMarks(now, to, b)
		b = s.digest(s.opened.End, s.opened.Reply)
	}
	k := wire.KeyMark{Owner: m.ID, Instance: m.Instance()}
	if o := s.owner(m.ID); o != nil {
		s.giveUp(now, o)
		switch n := o.next; {
		case n != nil && (n.source == 0 || n.source == to.ID):
			o = n
		case o.doubt && to.ID == o.id:
			o = &owner{}
		}
		k.Version, k.Floor = o.version, o.floor
		if p := &o.partial; len(p.value) > 0 && p.version > o.version {
			k.Part, k.Offset = p.version, uint32(len(p.value))
		}
	}
	return wire.AppendKeyMark(b, &k)
}

func (s *Store) sendMarks(now mono.Time, to member.Member, b []byte) {
	s.marks = b
	if len(b) > wire.KeyDigestSize {
		s.send(now, to, wire.EndKeyDigest(b, 0))
	}
}

// ask notes that a peer has more of an owner, to be asked for soon; on says that the peer has just
// sent some.
func (s *Store) ask(now mono.Time, o *owner, peer member.ID, end uint64, on bool) {
	if !on {
		s.askAt(now.Add(askSoon), ask{owner: o.id, peer: peer, end: end})
		return
	}
	due := now.Add(askOn)
	if a := s.askFor(o.id); a != nil {
		*a = ask{owner: o.id, peer: peer, end: a.end, due: due}
		return
	}
	s.askAt(due, ask{owner: o.id, peer: peer, end: end})
}

// askAt has an owner asked for at some time, unless it is asked for already.
func (s *Store) askAt(due mono.Time, a ask) {
	if r := &s.repair; len(r.asks) < maxAsks && s.askFor(a.owner) == nil {
		a.due = due
		r.asks = append(r.asks, a)
	}
}

// askFor returns what is asked for of an owner, nil if nothing.
func (s *Store) askFor(owner member.ID) *ask {
	i := slices.IndexFunc(s.repair.asks, func(a ask) bool { return a.owner == owner })
	if i < 0 {
		return nil
	}
	return &s.repair.asks[i]
}

// asked says whether an owner is asked for, and ends that if it is over.
func (s *Store) asked(o *owner, over bool) bool {
	i := slices.IndexFunc(s.repair.asks, func(a ask) bool { return a.owner == o.id })
	if i >= 0 && over {
		s.repair.asks = slices.Delete(s.repair.asks, i, i+1)
	}
	return i >= 0
}

func (s *Store) asksDue() mono.Time {
	due := mono.Never
	for i := range s.repair.asks {
		due = min(due, s.repair.asks[i].due)
	}
	return due
}

// sendAsks asks for what is due, all of one peer in one go.
func (s *Store) sendAsks(now mono.Time) {
	r := &s.repair
	for i := 0; i < len(r.asks); i++ {
		if r.asks[i].due > now {
			continue
		}
		peer, end := r.asks[i].peer, r.asks[i].end
		to, ok := s.host.Table().Get(peer)
		b := s.digest(end, false)
		for k := i; k < len(r.asks); k++ {
			a := &r.asks[k]
			if a.due > now || a.peer != peer || a.end != end {
				continue
			}
			a.due = now.Add(askAgain)
			a.tries++
			if !ok || !to.State.Live() {
				a.tries = askTries + 1
			}
			if m, known := s.host.Table().Get(a.owner); known && a.tries <= askTries {
				b = s.mark(now, to, b, &m)
			}
		}
		if ok {
			if r.asks[i].tries > 1 {
				s.host.Unanswered(now, peer)
			}
			s.sendMarks(now, to, b)
		}
	}
	n := len(r.asks)
	r.asks = slices.DeleteFunc(r.asks, func(a ask) bool { return a.tries > askTries })
	if len(r.asks) < n { // others may have what did not come
		r.retry = min(r.retry, now.Add(plane.Jitter(s.host.Rand(), s.cfg.Follow)))
	}
}
