package inquest

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

const heardSlots = 64

// heardOne is the last member heard of those that share a slot.
type heardOne struct {
	id member.ID
	at mono.Time
}

// lately are members that were heard lately. Where most members are dead, jurors are found among
// them.
type lately [heardSlots]heardOne

// note remembers that a member was heard.
func (l *lately) note(now mono.Time, id member.ID) {
	l[uint64(id)%heardSlots] = heardOne{id, now}
}

// within says whether a member is known to have been heard of late; another one may have taken its
// slot.
func (l *lately) within(now mono.Time, id member.ID, span time.Duration) bool {
	h := &l[uint64(id)%heardSlots]
	return h.id == id && now.Sub(h.at) < span
}
