package gossip

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/starling-gossip/starling/gossip/wire"
)

// What must be alike at all nodes of a cluster besides its name and the detector: nobody is refused for it, and both sides
// of a Join say so.

// settingNames are the settings in the order of their hashes in Join and Welcome, which never changes.
var settingNames = [...]string{"profile", "retention", "zone budgets", "MTU"}

// hashes are those of this configuration's settings.
func (c *Config) hashes() (all wire.Hashes) {
	pairs := make([]string, len(c.PairBudgets))
	for i, p := range c.PairBudgets {
		pairs[i] = fmt.Sprintf("%+v", p)
	}
	slices.Sort(pairs)
	for _, v := range [len(settingNames)]string{
		c.pace(), c.Retention.String(), fmt.Sprint(c.ZoneBudget, pairs), fmt.Sprint(c.MTU),
	} {
		h := fnv.New64a()
		h.Write([]byte(v))
		all = wire.AppendHash(all, uint16(h.Sum64()))
	}
	return all
}

// pace is the name of the profile whose times a configuration has, or these times.
func (c *Config) pace() string {
	times := func(c *Config) string {
		return fmt.Sprint(c.Inquest.Period, c.Inquest.Grace, c.Inquest.MinRTO, c.Inquest.MaxRTO, c.SWIM.Period,
			c.Heartbeat.Period, c.Accrual.Period, c.Accrual.Pause)
	}
	own := times(c)
	for _, name := range ProfileNames {
		p, err := Profile(name)
		if err != nil {
			continue
		}
		if p, err = p.withDefaults(); err == nil && times(&p) == own {
			return name
		}
	}
	return own
}

// compareSettings tells of settings that another node has differently.
func (n *Node) compareSettings(name string, theirs wire.Hashes) {
	var unlike []string
	for i := range min(theirs.Len(), n.settings.Len()) {
		if theirs.At(i) != n.settings.At(i) {
			unlike = append(unlike, settingNames[i])
		}
	}
	if len(unlike) > 0 {
		n.out.Events = append(n.out.Events, Event{Kind: SettingsDiffer, Err: fmt.Errorf(
			"%s has another %s than this node; all members need the same", name, strings.Join(unlike, " and another "))})
	}
}
