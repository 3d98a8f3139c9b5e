package inquest

import (
	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// moved has a member looked for at its new address, by all that holds the old one. Promises of its
// are answered to where they come from.
func (d *Detector) moved(m *member.Member) {
	is := detect.PeerOf(m)
	d.watch.moved(is)
	if i := d.alarmOf(is.ID); i >= 0 {
		d.alarms[i].peer = is
	}
	if i := d.caseOf(is.ID); i >= 0 {
		d.cases[i].peer = is
		if m.OutOfFamily {
			d.dropCase(i)
		}
	}
}
