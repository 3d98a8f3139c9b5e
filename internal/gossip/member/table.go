package member

import (
	"cmp"
	"fmt"
	"iter"
	"net/netip"

	"github.com/starling-gossip/starling/internal/gossip/invariants"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// MaxMembers bounds a table, so that forged joins cannot fill the memory.
const MaxMembers = 100_000

// Member is a table's view of one member, as a value that stays what it was.
type Member struct {
	ID          ID
	Handle      Handle // of the record
	Incarnation uint32
	State       State
	Check       uint32 // of the record
	// when this table last saw the state change; of one that is not live, when it last ended
	Since mono.Time
	// it is sent to at its outside address, since it is of another zone than the table's
	Far   bool
	Again bool  // the table knew it in an earlier life
	Cause Cause // of Failed
	// nothing can be sent to its address from where the table is: it is of the other IP version
	OutOfFamily bool
	heard       *netip.AddrPort
}

// Record returns what the member says of itself.
func (m *Member) Record() Record { return m.Handle.Value() }

// Name returns the member's name.
func (m *Member) Name() string { return m.Handle.Value().Name }

// Addr returns where the member receives packets that are sent from where the table is. Where its
// own address is of the IP version that is not sent to from there, that is where it was last heard
// from.
func (m *Member) Addr() netip.AddrPort {
	switch {
	case m.heard != nil:
		return *m.heard
	case m.Far:
		return m.Handle.Value().Outside
	}
	return m.Handle.Value().Addr
}

// Generation returns which life of the member this is.
func (m *Member) Generation() uint64 { return m.Handle.Value().Generation }

// Version returns the version of what the table holds.
func (m *Member) Version() Version {
	return Version{Generation: m.Generation(), Incarnation: m.Incarnation, State: m.State,
		Cause: m.Cause, Check: m.Check}
}

// Fact returns what the table holds as a fact.
func (m *Member) Fact() Fact {
	return Fact{Record: m.Handle, Incarnation: m.Incarnation, State: m.State, Cause: m.Cause}
}

// Compare returns -1, 0 or +1 as a fact about the same name is below, at or above what the table
// holds. It hashes no record that the table holds already.
func (m *Member) Compare(f Fact) int {
	if f.Record == m.Handle {
		return cmp.Or(cmp.Compare(f.Incarnation, m.Incarnation), cmp.Compare(f.State, m.State),
			cmp.Compare(f.Cause, m.Cause))
	}
	return f.Version().Compare(m.Version())
}

// Instance returns the bits that tell this life of the member from another.
func (m *Member) Instance() uint32 { return Instance(m.ID, uint32(m.Generation())) }

// Item is the member's part of the fingerprint, as anti-entropy compares it.
func (m *Member) Item() uint64 { return item(m.ID, m.Incarnation, m.Check) }

// entry is 40 bytes; with the index a member costs at most 64, the slack of growing slices
// included.
type entry struct {
	rec      Handle
	id       ID
	since    mono.Time
	inc      uint32
	check    uint32
	instance uint32
	state    State
	cause    Cause
	other    bool // its address is of the IP version that is not sent to from here
	marks    mark
}

// mark is one of what else an entry says, a bit each, so that it stays at 40 bytes.
type mark uint8

const (
	far   mark = 1 << iota // it is sent to at its outside address
	again                  // it was known in an earlier life
	reply                  // it is of the other IP version, and sent to where it was heard from
)

func (e *entry) is(m mark) bool { return e.marks&m != 0 }

func (e *entry) mark(m mark, on bool) {
	e.marks &^= m
	if on {
		e.marks |= m
	}
}

// record puts a record into an entry.
func (e *entry) record(h Handle, r *Record) {
	e.rec, e.check, e.instance = h, r.Check(), Instance(e.id, uint32(r.Generation))
}

// item hashes what two nodes must agree on about a live member: which life, which incarnation,
// which record. It leaves out suspicion, which is local and passing; the check covers name and
// generation.
func item(id ID, inc, check uint32) uint64 {
	return Mix(uint64(id) + Mix(uint64(inc)<<32|uint64(check)))
}

// Table holds what one node knows of every member, itself included. The live ones stand in front,
// those that can be sent to before the others, so that a random one is drawn in constant time. It
// is not safe for concurrent use.
//
// The fingerprint covers the live members alone: two nodes agree when they would do the same with a
// message. So forgetting the dead, which happens at each node in its own time, never makes two
// nodes differ.
type Table struct {
	entries     []entry // the live that can be sent to, the other live, then the dead
	served      int
	live        int
	index       []int32 // open addressing by ID: position in entries + 1; 0 is empty
	fingerprint uint64
	changes     uint64
	top         string // the widest part of the zone where the table is
	serves      func(netip.Addr) bool
	// of members whose own address is not served: where they are heard from
	heard map[ID]*netip.AddrPort
}

// maxHeard bounds for how many members the table remembers from which address they are heard.
const maxHeard = 1024

// SetHome says in which zone the table is, before anybody is taken in.
func (t *Table) SetHome(zone string) { t.top = Top(zone) }

// SetFamily says which addresses can be sent to from where the table is; without it, and with nil,
// all can. It holds for a member that the table has once that is refitted.
func (t *Table) SetFamily(serves func(netip.Addr) bool) { t.serves = serves }

// Refit asks anew whether a member can be sent to at its address. It says what the table held
// before, and whether anything changed.
func (t *Table) Refit(id ID) (before Member, changed bool) {
	i, ok := t.find(id)
	if !ok {
		return Member{}, false
	}
	before = t.At(i)
	e := t.entries[i]
	was, r := e, e.rec.Value()
	if t.place(&e, &r); e.other == was.other && e.is(reply) == was.is(reply) {
		return before, false
	}
	t.replace(i, e)
	return before, true
}

// Parted says whether there is a member that is not sent to at its own address.
func (t *Table) Parted() bool { return t.served < t.live || len(t.heard) > 0 }

// place notes which address of a record is sent to, and whether that can be.
func (t *Table) place(e *entry, r *Record) {
	e.other = false
	e.mark(far, t.far(r))
	e.mark(reply, false)
	delete(t.heard, e.id)
	if t.serves == nil {
		return
	}
	a := r.Addr
	if e.is(far) {
		a = r.Outside
	}
	e.other = !t.serves(a.Addr())
}

// Heard takes in where a member is heard from whose own address cannot be sent to: that one can. It
// says what the table held before, and whether anything changed.
func (t *Table) Heard(id ID, from netip.AddrPort) (before Member, changed bool) {
	i, ok := t.find(id)
	if !ok || t.serves == nil || !t.entries[i].other && !t.entries[i].is(reply) ||
		!t.serves(from.Addr()) {
		return Member{}, false
	}
	if h := t.heard[id]; h != nil && *h == from || h == nil && len(t.heard) >= maxHeard {
		return Member{}, false
	}
	if t.heard == nil {
		t.heard = make(map[ID]*netip.AddrPort)
	}
	before = t.At(i)
	t.heard[id] = &from
	e := t.entries[i]
	e.other = false
	e.mark(reply, true)
	t.replace(i, e)
	return before, true
}

// far says whether a member is sent to at its outside address.
func (t *Table) far(r *Record) bool { return r.Outside.IsValid() && Top(r.Zone) != t.top }

// Len returns how many members the table holds, dead ones included.
func (t *Table) Len() int { return len(t.entries) }

// Live returns how many members are alive or suspect.
func (t *Table) Live() int { return t.live }

// Served returns how many of the live members can be sent to from here: all but those at addresses
// of the other IP version. A caller that chooses a member to send to chooses among them.
func (t *Table) Served() int { return t.served }

// Fingerprint returns an order-free hash of the live members: equal tables have equal ones.
func (t *Table) Fingerprint() uint64 { return t.fingerprint }

// Changes counts the changes since the table was made; equal counts mean that nothing changed
// between.
func (t *Table) Changes() uint64 { return t.changes }

// At returns the member at a position: 0 to Live()-1 are the live, of which
// those up to Served()-1 can be sent to, the rest up to Len()-1 the dead. Any change of the
// table may move members.
func (t *Table) At(i int) Member {
	e := &t.entries[i]
	var heard *netip.AddrPort
	if e.marks&reply != 0 { // not by is: At is small enough to be inlined
		heard = t.heard[e.id]
	}
	return Member{ID: e.id, Handle: e.rec, Incarnation: e.inc, State: e.state, Check: e.check,
		Since: e.since, Far: e.is(far), Again: e.is(again), Cause: e.cause,
		OutOfFamily: e.other, heard: heard}
}

// IDAt returns the ID of the member at a position.
func (t *Table) IDAt(i int) ID { return t.entries[i].id }

// All goes through all members, the live first. The table must not change meanwhile.
func (t *Table) All() iter.Seq[Member] {
	return func(yield func(Member) bool) {
		for i := range t.entries {
			if !yield(t.At(i)) {
				return
			}
		}
	}
}

// Items goes through the live members as anti-entropy compares them. The table must not change
// meanwhile.
func (t *Table) Items() iter.Seq2[ID, uint64] {
	return func(yield func(ID, uint64) bool) {
		for i := range t.live {
			e := &t.entries[i]
			if !yield(e.id, item(e.id, e.inc, e.check)) {
				return
			}
		}
	}
}

// Get returns what the table holds of a member.
func (t *Table) Get(id ID) (Member, bool) {
	if i, ok := t.find(id); ok {
		return t.At(i), true
	}
	return Member{}, false
}

// LiveAt returns where a member stands, if it is live in the life that is meant.
func (t *Table) LiveAt(id ID, instance uint32) (i int, ok bool) {
	i, ok = t.find(id)
	return i, ok && i < t.live && t.entries[i].instance == instance
}

// Merge takes in a fact if it prevails over what the table holds, and says what the table held
// before and whether it changed anything. It refuses a name whose ID another name has, and a new
// name over MaxMembers.
func (t *Table) Merge(now mono.Time, f Fact) (before Member, known, changed bool, err error) {
	r := f.Record.Value()
	id := IDOf(r.Name)
	i, ok := t.find(id)
	if !ok {
		if len(t.entries) >= MaxMembers {
			return Member{}, false, false, fmt.Errorf("the table is full: %d members", MaxMembers)
		}
		e := entry{id: id, since: now, inc: f.Incarnation, state: f.State, cause: f.Cause}
		e.record(f.Record, &r)
		t.place(&e, &r)
		t.insert(e)
		return Member{}, false, true, nil
	}
	before = t.At(i)
	if before.Name() != r.Name {
		return before, true, false, fmt.Errorf("the names %q and %q have the same ID",
			before.Name(), r.Name)
	}
	if before.Compare(f) <= 0 {
		return before, true, false, nil
	}
	e := t.entries[i]
	e.inc, e.state, e.cause = f.Incarnation, f.State, f.Cause
	if before.Generation() < r.Generation {
		e.mark(again, true)
	}
	if e.rec != f.Record {
		e.record(f.Record, &r)
		t.place(&e, &r)
	}
	// a later life, or a later failure of this one, ended later
	if e.state != before.State || !e.state.Live() {
		e.since = now
	}
	t.replace(i, e)
	return before, true, true, nil
}

// Forget drops a member.
func (t *Table) Forget(id ID) {
	i, ok := t.find(id)
	if !ok {
		return
	}
	if i < t.live {
		t.fingerprint ^= t.entries[i].item()
		i = t.move(i, deadSide)
	}
	last := len(t.entries) - 1
	t.swap(i, last)
	t.unindex(id)
	delete(t.heard, id)
	t.entries[last] = entry{}
	t.entries = t.entries[:last]
	t.changed()
}

func (e *entry) item() uint64 { return item(e.id, e.inc, e.check) }

func (t *Table) insert(e entry) {
	if n := len(t.entries); n == cap(t.entries) && n >= 256 {
		// By an eighth: append grows by more than a quarter, which would take a member over its 64
		// bytes.
		t.entries = append(make([]entry, 0, n+n/8), t.entries...)
	}
	t.entries = append(t.entries, e)
	if 3*len(t.entries) > 2*len(t.index) {
		t.grow()
	} else {
		t.put(e.id, len(t.entries)-1)
	}
	t.settle(len(t.entries) - 1)
}

func (t *Table) replace(i int, e entry) {
	if i < t.live {
		t.fingerprint ^= t.entries[i].item()
	}
	t.entries[i] = e
	t.settle(i)
}

// settle moves a new or changed entry to the side where it belongs and adds it to the fingerprint.
func (t *Table) settle(i int) {
	side := deadSide
	if e := &t.entries[i]; e.state.Live() {
		t.fingerprint ^= e.item()
		if side = servedSide; e.other {
			side = otherSide
		}
	}
	t.move(i, side)
	t.changed()
}

// changed ends each change.
func (t *Table) changed() {
	t.changes++
	if invariants.On {
		invariants.Hold(t.Check())
	}
}

// The sides of a table, in their order.
const (
	servedSide = iota
	otherSide
	deadSide
)

// move moves an entry to a side, and returns where it is then.
func (t *Table) move(i, side int) int {
	at := deadSide
	switch {
	case i < t.served:
		at = servedSide
	case i < t.live:
		at = otherSide
	}
	for end := [...]*int{&t.served, &t.live}; at < side; at++ {
		last := end[at]
		*last--
		t.swap(i, *last)
		i = *last
	}
	for end := [...]*int{&t.served, &t.live}; at > side; at-- {
		first := end[at-1]
		t.swap(i, *first)
		i = *first
		*first++
	}
	return i
}
