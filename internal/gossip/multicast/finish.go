package multicast

import (
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// ends closes duties.
type ends struct {
	core
	lingering *lingering
}

// finish closes a job all of whose legs are done: an own one is told to the host, another to the
// parents.
func (e *ends) finish(now mono.Time, i int32) {
	j := &e.duties.jobs[i]
	if len(j.pool) > 0 {
		e.finishPool(now, i)
		return
	}
	if j.own.is {
		e.lingering.finishOwn(now, i)
		return
	}
	c := closed{parcel: parcel{j.instance, j.First}, span: j.Span, at: now}
	c.of, c.have, c.missing = j.sum()
	c.digest = j.digest(e.self())
	for _, p := range j.parents {
		if p.peer.ID != 0 {
			e.outbox.confirmClosed(now, p, &c)
		}
	}
	if !j.twin || !j.Given { // a twin did not ask whether its own programs were given the parcel
		e.duties.remember(c)
	}
	e.duties.release(i)
}

// finishPool closes a mixed parcel of this node's, and with it the duties that it was made of: each
// is for the same members but for its own origin.
func (e *ends) finishPool(now mono.Time, i int32) {
	m := &e.duties.jobs[i]
	of, have, missing := m.sum()
	digest := m.digest(e.self())
	list := slices.Clone(m.pool)
	e.duties.release(i)
	for _, x := range list {
		j := &e.duties.jobs[x.job]
		if !j.used || j.stamp != x.stamp {
			continue
		}
		l := leg{span: j.Span, state: done, of: of, have: have, digest: digest, due: mono.Never}
		l.missing = append(l.missing, missing...)
		if p, lives := e.placeOf(j.Origin); lives && j.Origin != e.host.Self() &&
			holds(j.Span, p.Key) {
			l.of--
			if k := slices.Index(l.missing, j.Origin); k >= 0 {
				l.missing = slices.Delete(l.missing, k, k+1)
			} else {
				l.have--
			}
			if l.digest != 0 {
				l.digest ^= uint16(j.Origin)
			}
		}
		if j.own.waited { // members that turned live meanwhile: all are asked in the end
			l.of = max(l.of, int32(e.count(&j.Branch, j.Span)+1))
		}
		j.legs, j.open, j.pooled = append(j.legs, l), 0, false
		j.owing = true // that leg counts this node
		e.finish(now, x.job)
	}
}
