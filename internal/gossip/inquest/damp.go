package inquest

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// flap is a member that was failed and came back in the same life: the member did not die, the way
// to it did.
type flap struct {
	id    member.ID
	count int
	last  mono.Time
}

// flapMemory is how long it takes for half of a member's returns to be forgiven.
const flapMemory = time.Minute

// returns counts how often a member came back lately.
func (f *flap) returns(now mono.Time) int {
	return f.count >> min(now.Sub(f.last)/flapMemory, 62)
}

// flaps are the members that came back lately, the oldest first. It grants those that come and go
// a longer silence.
type flaps struct {
	usual time.Duration // Config.Grace
	list  []flap
}

func (f *flaps) of(id member.ID) int {
	return slices.IndexFunc(f.list, func(f flap) bool { return f.id == id })
}

// note takes in that a member came back.
func (f *flaps) note(now mono.Time, id member.ID) {
	f.list = slices.DeleteFunc(f.list, func(f flap) bool { return f.returns(now) == 0 })
	i := f.of(id)
	if i < 0 {
		if len(f.list) >= maxFlaps {
			f.list = slices.Delete(f.list, 0, 1)
		}
		i = len(f.list)
		f.list = append(f.list, flap{id: id})
	}
	x := &f.list[i]
	x.count, x.last = x.returns(now)+1, now
}

// returns is how many returns of a member are not forgiven.
func (f *flaps) returns(now mono.Time, id member.ID) int {
	if i := f.of(id); i >= 0 {
		return f.list[i].returns(now)
	}
	return 0
}

// grace returns how long a member may be silent: a member that comes and goes is granted twice as
// much from its second return on, and up to eight times, so that a link that flaps does not make
// the cluster flap.
func (f *flaps) grace(now mono.Time, id member.ID) time.Duration {
	return f.usual << min(max(f.returns(now, id)-1, 0), 3)
}
