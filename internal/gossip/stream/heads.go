package stream

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Heads ride on probes: a hash over all heads, by which equal views know that they are, and the
// heads that changed lately, each on a few probes. No later piece shows that the tail of a stream
// is lost. A node that lost it hears of it from the next member that it probes, or that probes it.

const (
	tellings = 4 // probes on which a head is told after it changed
	maxTold  = 8 // heads on one probe
)

// telling is the streams whose heads are to be told.
type telling struct{ list []*stream }

// add has a head told on the next probes.
func (t *telling) add(st *stream) {
	st.tell = tellings
	if !st.queued {
		st.queued = true
		t.list = append(t.list, st)
	}
}

// append adds at most so many heads that are to be told.
func (t *telling) append(b []byte, most int) []byte {
	n := min(len(t.list), maxTold, most)
	for _, st := range t.list[:n] {
		h := st.asHead()
		b = wire.AppendHead(b, &h)
		st.tell--
	}
	t.rotate(n)
	return b
}

// rotate puts the first n of those to be told at the end, or takes them out if they were told often
// enough.
func (t *telling) rotate(n int) {
	var again [maxTold]*stream
	k := 0
	for _, st := range t.list[:n] {
		if st.tell > 0 && !st.gone {
			again[k] = st
			k++
		} else {
			st.queued = false
		}
	}
	rest := copy(t.list, t.list[n:])
	copy(t.list[rest:], again[:k])
	clear(t.list[rest+k:])
	t.list = t.list[:rest+k]
	if len(t.list) == 0 {
		t.list = nil
	}
}

// Whether the hash of another node, which differs from this node's, is worth an exchange of all
// heads. Mostly it is not: a piece is under way, or pieces are let go here a little earlier.

const (
	quiet = 500 * time.Millisecond // hashes should agree when nothing came for so long
	// so many differences running are worth an exchange in any case
	streak  = 8
	fewRuns = 3 // and so many, where nothing agreed for as long as longRun
	longRun = 2 * time.Second
	// between two exchanges that teach nothing; so long for each page of the last
	maxSync = 2 * time.Second
	// of so many differences after an agreement one is looked into, once pieces age
	oddOnes = 4
	// a difference of which an exchange found no reason is left alone
	explained = 30 * time.Second
	// so long after a member is heard again hashes are compared at once
	hurryFor = 2 * time.Second
)

// differences is what a node knows of how the hashes of others differ from its own.
type differences struct {
	core
	streak int       // running
	run    mono.Time // when the first of them was
	odd    bool      // this node differs from all that it hears, and an exchange found no reason
	hurry  mono.Time // until then a difference is looked into at once
	next   mono.Time // no exchange is started before
	pause  time.Duration
	idle   idle
}

// idle are hashes of others that differ from this node's for no reason that an exchange finds: as a
// rule the one holds pieces for longer.
type idle struct {
	own   uint64 // they are against this one
	until mono.Time
	other [4]uint64
	at    int
}

func (d *idle) add(now mono.Time, own, other uint64) {
	if d.own != own {
		*d = idle{own: own}
	}
	d.other[d.at%len(d.other)], d.until = other, now.Add(explained)
	d.at++
}

func (d *idle) has(now mono.Time, own, other uint64) bool {
	return d.own == own && now < d.until && slices.Contains(d.other[:min(d.at, len(d.other))],
		other)
}

// worth says whether the hash of another node is worth an exchange. busy says that one is under
// way.
func (d *differences) worth(now mono.Time, hash uint64, busy bool) bool {
	own := d.known.hash
	if hash == own {
		d.streak, d.odd = 0, false
		return false
	}
	if d.streak++; d.streak == 1 {
		d.run = now
	}
	d.odd = d.streak >= streak && d.idle.own == own && now < d.idle.until
	settled := hash != 0 && (now.Sub(d.known.changed) >= quiet || now < d.hurry) ||
		d.streak >= streak ||
		// where most are dead, unknown yet, few are heard
		d.streak >= fewRuns && now.Sub(d.run) >= longRun
	if busy || now < d.next || !settled || d.idle.has(now, own, hash) {
		return false
	}
	// else the one before agreed: this one is odd, and asks itself
	return d.streak > 1 || !d.known.aged || now < d.hurry || d.host.Rand().IntN(oddOnes) == 0
}

// begun notes that an exchange began.
func (d *differences) begun(now mono.Time) { d.streak, d.next = 0, now.Add(d.cfg.Sync) }

// rest has the next exchange wait, and longer each time, since one of some pages taught nothing.
func (d *differences) rest(now mono.Time, pages int) {
	d.pause = min(max(2*d.pause, d.cfg.Sync), maxSync*time.Duration(max(pages, 1)))
	d.next = now.Add(d.pause + time.Duration(d.host.Rand().Int64N(int64(d.pause)/2+1)))
}

// hasten lets an exchange begin at once.
func (d *differences) hasten(now mono.Time) { d.next, d.pause = min(d.next, now), 0 }

// Heard tells that a live member that was silent is heard again. So what differs is looked into at
// once: there may have been a cut too short for a verdict, or in one direction alone.
func (d *differences) Heard(now mono.Time) {
	d.hasten(now)
	d.hurry = now.Add(hurryFor)
}

// AppendHeads adds a Heads message for a probe or its answer, in at most room bytes; nothing if
// nothing is held and nothing changed. A node that is odd tells no hash: each of the others would
// ask for its heads, in vain. It has asked them, and told them what they lack.
func (d *differences) AppendHeads(b []byte, room int) []byte {
	hushed := d.known.hash == 0 || d.odd && d.idle.own == d.known.hash
	if room < wire.HeadsSize || hushed && len(d.known.telling.list) == 0 {
		return b
	}
	start := len(b)
	b = wire.BeginHeads(b, d.known.hash)
	b = d.known.telling.append(b, (room-wire.HeadsSize)/wire.HeadSize)
	return wire.EndHeads(b, start)
}
