package gossip

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/coords"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
)

// Location is where a member stands.
type Location = coords.Location

// Errors of a Locate. ErrNoAnswer comes with its MemberLocated.
var (
	ErrNoMember = plane.ErrNoMember
	ErrLookups  = coords.ErrLookups
	ErrNoAnswer = coords.ErrNoAnswer
)

// Location returns where this node stands.
func (v View) Location() Location { return v.n.coords.Location() }

// Measured returns the round trip to a member as it was measured of late, 0 if it was not.
func (v View) Measured(id member.ID) time.Duration { return v.n.coords.Measured(id) }

// coordsHost is the node as coordinates see it.
type coordsHost struct{ env }

func (h coordsHost) Located(id member.ID, at Location, err error) {
	m, ok := h.n.roster.Table().Get(id)
	if !ok {
		m = member.Member{ID: id}
	}
	e := Event{Kind: MemberLocated, Member: m, Location: at, Err: err}
	h.n.out.Events = append(h.n.out.Events, e)
}
