package gossip

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/starling-gossip/starling/internal/gossip/inquest"
	"github.com/starling-gossip/starling/internal/gossip/settings"
)

// What must be alike at all nodes of a cluster (package settings).

// settings are those of a configuration.
func (c *Config) settings() settings.Set {
	pairs := make([]string, len(c.PairBudgets))
	for i, p := range c.PairBudgets {
		pairs[i] = fmt.Sprintf("%+v", p)
	}
	slices.Sort(pairs)
	return settings.Set{
		Texts: [...]string{c.pace(), c.Retention.String(), fmt.Sprint(c.ZoneBudget, pairs),
			fmt.Sprint(c.MTU), c.zoneGrace(), c.tcpProbing()},
		Budgets: c.budgetWords(), Profiles: ProfileNames,
	}
}

// zoneGrace is for how long INQUEST holds the members of a silent zone.
func (c *Config) zoneGrace() string {
	switch grace := c.Inquest.ZoneGrace; {
	case c.Detector != INQUEST || grace < 0:
		return settings.None
	case grace > 0:
		return grace.String()
	}
	return inquest.DefaultZoneGrace.String()
}

// tcpProbing is whether INQUEST has a TCP port beside the UDP port, and tries those of others. A
// node that has none looks like a dead process to those that try it.
func (c *Config) tcpProbing() string {
	switch {
	case c.Detector != INQUEST:
		return settings.None
	case c.Inquest.NoKernel:
		return "off"
	}
	return "on"
}

// pace is the name of the profile whose times a configuration has, or these times.
func (c *Config) pace() string {
	times := func(c *Config) string {
		return fmt.Sprint(c.Inquest.Period, c.Inquest.Grace, c.Inquest.MinRTO,
			c.Inquest.MaxRTO, c.SWIM.Period,
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

// budgetWords are the zone budgets as people write them.
func (c *Config) budgetWords() string {
	var all []string
	if c.ZoneBudget > 0 {
		all = append(all, fmt.Sprintf("of %d B/s", c.ZoneBudget))
	}
	for _, p := range c.PairBudgets {
		all = append(all, fmt.Sprintf("of %d B/s between %s and %s", p.Rate,
			cmp.Or(p.Zones[0], "no zone"), cmp.Or(p.Zones[1], "no zone")))
	}
	slices.Sort(all)
	return cmp.Or(strings.Join(all, " and "), "none")
}
