package gossip

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/inquest"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// What must be alike at all nodes of a cluster besides its name and the detector: nobody is refused
// for it, and both sides of a Join say so.

// settingNames are the settings in the order of their hashes in Join and Welcome, which never
// changes.
var settingNames = [...]string{"profile", "retention", "zone budgets", "MTU", "zone grace",
	"TCP probing"}

// maxUnlike bounds the settings of others that are remembered as unlike this node's; of more the
// first are.
const maxUnlike = 64

// texts are the settings of a configuration, as they are compared.
func (c *Config) texts() [len(settingNames)]string {
	pairs := make([]string, len(c.PairBudgets))
	for i, p := range c.PairBudgets {
		pairs[i] = fmt.Sprintf("%+v", p)
	}
	slices.Sort(pairs)
	return [...]string{c.pace(), c.Retention.String(), fmt.Sprint(c.ZoneBudget, pairs),
		fmt.Sprint(c.MTU),
		c.zoneGrace(), c.tcpProbing()}
}

// none is a setting that is switched off, or that the detector does not have.
const none = "none"

// zoneGrace is for how long INQUEST holds the members of a silent zone.
func (c *Config) zoneGrace() string {
	switch grace := c.Inquest.ZoneGrace; {
	case c.Detector != INQUEST || grace < 0:
		return none
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
		return none
	case c.Inquest.NoKernel:
		return "off"
	}
	return "on"
}

// hashes are those of this configuration's settings.
func (c *Config) hashes() (all wire.Hashes) {
	for _, v := range c.texts() {
		all = wire.AppendHash(all, hashOf(v))
	}
	return all
}

func hashOf(text string) uint16 {
	h := fnv.New64a()
	h.Write([]byte(text))
	return uint16(h.Sum64())
}

// usual are values that people give a setting. Only a hash of a value travels, so that a difference
// costs nothing; that of a usual one says which it is, but for one in some hundreds of unusual
// ones, which looks like it.
func usual(setting int) (all []string) {
	switch settingNames[setting] {
	case "profile":
		return ProfileNames
	case "retention":
		for _, minutes := range []int{1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 480, 720} {
			all = append(all, (time.Duration(minutes) * time.Minute).String())
		}
		for days := range 31 {
			all = append(all, (time.Duration(days+1) * 24 * time.Hour).String())
		}
	case "zone budgets":
		return []string{fmt.Sprint(0, []string{})}
	case "zone grace":
		for _, minutes := range []int{1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 180, 360, 720, 1440} {
			all = append(all, (time.Duration(minutes) * time.Minute).String())
		}
		return append(all, none, "5s", "10s", "15s", "20s", "30s")
	case "TCP probing":
		return []string{"on", "off", none}
	case "MTU":
		for _, mtu := range []int{1200, 1220, 1232, 1252, 1280, 1300, 1350, 1372, 1380, 1392,
			1400, 1420, 1422, 1432, 1440, 1450, 1452, 1460,
			1472, 1492, 1500, 4000, 8000, 8900, 8952, 8972, 9000} {
			all = append(all, fmt.Sprint(mtu))
		}
	}
	return all
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

// Unlike is a setting that another member has otherwise than this node. There is empty if its value
// is none in common use.
type Unlike struct {
	Member      member.ID
	Setting     string
	Here, There string
	peer        plane.Peer
}

// String says it in a few words.
func (u *Unlike) String() string {
	if u.There == "" && u.Setting == "zone budgets" {
		return fmt.Sprintf("%s %s here, others there", u.Setting, u.Here)
	}
	if u.There == "" {
		return fmt.Sprintf("%s %s here, another there", u.Setting, u.Here)
	}
	return fmt.Sprintf("%s %s here, %s there", u.Setting, u.Here, u.There)
}

// Unlike goes through the settings in which live members differ from this node, of those that it
// let in or that let it in.
func (v View) Unlike() iter.Seq[Unlike] {
	return func(yield func(Unlike) bool) {
		for _, u := range v.n.unlike {
			if v.n.livesOn(u.peer) && !yield(u) {
				return
			}
		}
	}
}

// livesOn says whether somebody is a live member still, in the same life.
func (n *Node) livesOn(peer plane.Peer) bool {
	_, ok := plane.LiveMember(n.roster.Table(), peer)
	return ok
}

// compareSettings tells of settings that another node has differently, and remembers them.
func (n *Node) compareSettings(peer plane.Peer, name string, theirs wire.Hashes) {
	n.unlike = slices.DeleteFunc(n.unlike, func(u Unlike) bool {
		return u.Member == peer.ID ||
			!n.livesOn(u.peer)
	})
	var names, values []string
	for i := range min(theirs.Len(), n.settings.Len()) {
		if theirs.At(i) == n.settings.At(i) {
			continue
		}
		u := Unlike{Member: peer.ID, Setting: settingNames[i], Here: n.cfg.words(i), peer: peer}
		for _, v := range usual(i) {
			if hashOf(v) == theirs.At(i) {
				u.There = words(i, v)
			}
		}
		names, values = append(names, another(u.Setting)), append(values, u.String())
		if len(n.unlike) < maxUnlike {
			n.unlike = append(n.unlike, u)
		}
	}
	if len(names) > 0 {
		n.out.Events = append(n.out.Events, Event{Kind: SettingsDiffer, Err: fmt.Errorf(
			"%s has %s than this node; all members need the same "+
				"(%s)", name, strings.Join(names, " and "), strings.Join(values, "; "))})
	}
}

// another names a setting that differs.
func another(setting string) string {
	if setting == "zone budgets" {
		return "other " + setting
	}
	return "another " + setting
}

// words are a setting of a configuration as people write it.
func (c *Config) words(setting int) string {
	if settingNames[setting] != "zone budgets" {
		return words(setting, c.texts()[setting])
	}
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

// words are the text of a setting as people write it.
func words(setting int, text string) string {
	switch {
	case text == fmt.Sprint(0, []string{}):
		return "none"
	case settingNames[setting] == "profile" && !slices.Contains(ProfileNames, text):
		return "with times of its own"
	}
	for _, zero := range [...]string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}
