package door

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/settings"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// maxUnlike bounds the settings of others that are remembered as unlike this node's; of more the
// first are.
const maxUnlike = 64

// Unlike is a setting that a member has otherwise than this node.
type Unlike struct {
	settings.Differ
	Member member.ID
	peer   plane.Peer
}

// Unlike goes through the settings in which live members differ from this node, of those that it
// let in or that let it in.
func (d *Door) Unlike() iter.Seq[Unlike] {
	return func(yield func(Unlike) bool) {
		for _, u := range d.unlike {
			if u.livesOn(d.roster.Table()) && !yield(u) {
				return
			}
		}
	}
}

// livesOn says whether the member that differs is live still, in the same life.
func (u *Unlike) livesOn(t *member.Table) bool {
	return plane.IsLive(t, u.peer)
}

// compareSettings tells of settings that another node has differently, and remembers them.
func (d *Door) compareSettings(peer plane.Peer, name string, theirs wire.Hashes) {
	d.unlike = slices.DeleteFunc(d.unlike, func(u Unlike) bool {
		return u.Member == peer.ID || !u.livesOn(d.roster.Table())
	})
	var names, values []string
	for _, u := range d.cfg.Settings.Differ(theirs) {
		names, values = append(names, u.Another()), append(values, u.String())
		if len(d.unlike) < maxUnlike {
			d.unlike = append(d.unlike, Unlike{Differ: u, Member: peer.ID, peer: peer})
		}
	}
	if len(names) > 0 {
		d.tell(SettingsDiffer, fmt.Errorf(
			"%s has %s than this node; all members need the same (%s)", name,
			strings.Join(names, " and "), strings.Join(values, "; ")))
	}
}
