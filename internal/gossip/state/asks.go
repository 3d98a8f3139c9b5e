package state

import (
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// ask is an owner of which a peer is known to hold more.
type ask struct {
	owner, peer member.ID
	end         uint64
	due         mono.Time
	tries       int
}

// asks are the owners that are asked for.
type asks struct{ list []ask }

// ask notes that a peer has more of an owner, to be asked for soon; on says that the peer has just
// sent some.
func (q *asks) ask(now mono.Time, o *owner, peer member.ID, end uint64, on bool) {
	if !on {
		q.add(now.Add(askSoon), ask{owner: o.id, peer: peer, end: end})
		return
	}
	due := now.Add(askOn)
	if a := q.of(o.id); a != nil {
		*a = ask{owner: o.id, peer: peer, end: a.end, due: due}
		return
	}
	q.add(due, ask{owner: o.id, peer: peer, end: end})
}

// add has an owner asked for at some time, unless it is asked for already.
func (q *asks) add(due mono.Time, a ask) {
	if len(q.list) < maxAsks && q.of(a.owner) == nil {
		a.due = due
		q.list = append(q.list, a)
	}
}

// of returns what is asked for of an owner, nil if nothing.
func (q *asks) of(owner member.ID) *ask {
	if i := q.index(owner); i >= 0 {
		return &q.list[i]
	}
	return nil
}

func (q *asks) index(owner member.ID) int {
	return slices.IndexFunc(q.list, func(a ask) bool { return a.owner == owner })
}

// asked says whether an owner is asked for, and ends that if it is over.
func (q *asks) asked(o *owner, over bool) bool {
	i := q.index(o.id)
	if i >= 0 && over {
		q.list = slices.Delete(q.list, i, i+1)
	}
	return i >= 0
}

func (q *asks) due() mono.Time {
	due := mono.Never
	for i := range q.list {
		due = min(due, q.list[i].due)
	}
	return due
}

// digests tell others how far this node holds owners' keys.
type digests struct {
	*env
	known  *catalog
	opened wire.KeyDigest // that is being written
	out    []byte         // for reuse
}

func (d *digests) begin(end uint64, reply bool) []byte {
	d.opened = wire.KeyDigest{End: end, Reply: reply}
	return wire.BeginKeyDigest(d.out[:0], d.opened)
}

// mark adds how far a member's keys are held here; a digest that is full is sent.
func (d *digests) mark(now mono.Time, to member.Member, b []byte, m *member.Member) []byte {
	if len(b)+wire.MaxKeyMark > d.host.Room() {
		d.end(now, to, b)
		b = d.begin(d.opened.End, d.opened.Reply)
	}
	k := wire.KeyMark{Owner: m.ID, Instance: m.Instance()}
	if o := d.known.owner(m.ID); o != nil {
		d.known.giveUp(now, o)
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

// end sends a digest, unless it names nothing.
func (d *digests) end(now mono.Time, to member.Member, b []byte) {
	d.out = b
	if len(b) > wire.KeyDigestSize {
		d.send(now, to, wire.EndKeyDigest(b, 0))
	}
}
