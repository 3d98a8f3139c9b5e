// Package settings is what must be alike at all nodes of a cluster besides its name and the
// detector. Nobody is refused for it: both sides of a Join say so.
package settings

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// names are the settings in the order of their hashes in Join and Welcome, which never changes.
var names = [...]string{"profile", "retention", "zone budgets", "MTU", "zone grace",
	"TCP probing"}

// Count is how many settings are compared.
const Count = len(names)

// None is a setting that is switched off, or that the detector does not have.
const None = "none"

// NoBudgets is the text of zone budgets where there are none.
var NoBudgets = fmt.Sprint(0, []string{})

// Set is a node's settings.
type Set struct {
	Texts    [Count]string // as they are compared
	Budgets  string        // the zone budgets as people write them
	Profiles []string      // the names of the usual ones
}

// Hashes are those of the settings.
func (s *Set) Hashes() (all wire.Hashes) {
	for _, v := range s.Texts {
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
func (s *Set) usual(setting int) (all []string) {
	switch names[setting] {
	case "profile":
		return s.Profiles
	case "retention":
		for _, minutes := range []int{1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 480, 720} {
			all = append(all, (time.Duration(minutes) * time.Minute).String())
		}
		for days := range 31 {
			all = append(all, (time.Duration(days+1) * 24 * time.Hour).String())
		}
	case "zone budgets":
		return []string{NoBudgets}
	case "zone grace":
		for _, minutes := range []int{1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 180, 360, 720, 1440} {
			all = append(all, (time.Duration(minutes) * time.Minute).String())
		}
		return append(all, None, "5s", "10s", "15s", "20s", "30s")
	case "TCP probing":
		return []string{"on", "off", None}
	case "MTU":
		for _, mtu := range []int{1200, 1220, 1232, 1252, 1280, 1300, 1350, 1372, 1380, 1392,
			1400, 1420, 1422, 1432, 1440, 1450, 1452, 1460,
			1472, 1492, 1500, 4000, 8000, 8900, 8952, 8972, 9000} {
			all = append(all, fmt.Sprint(mtu))
		}
	}
	return all
}

// Differ is a setting that another node has otherwise than this one. There is empty if its value
// is none in common use.
type Differ struct{ Setting, Here, There string }

// Differ returns the settings in which another node, with such hashes, differs from this one.
func (s *Set) Differ(theirs wire.Hashes) (all []Differ) {
	own := s.Hashes()
	for i := range min(theirs.Len(), own.Len()) {
		if theirs.At(i) == own.At(i) {
			continue
		}
		d := Differ{Setting: names[i], Here: s.words(i, s.Texts[i])}
		if names[i] == "zone budgets" {
			d.Here = s.Budgets
		}
		for _, v := range s.usual(i) {
			if hashOf(v) == theirs.At(i) {
				d.There = s.words(i, v)
			}
		}
		all = append(all, d)
	}
	return all
}

// String says it in a few words.
func (d *Differ) String() string {
	if d.There == "" && d.Setting == "zone budgets" {
		return fmt.Sprintf("%s %s here, others there", d.Setting, d.Here)
	}
	if d.There == "" {
		return fmt.Sprintf("%s %s here, another there", d.Setting, d.Here)
	}
	return fmt.Sprintf("%s %s here, %s there", d.Setting, d.Here, d.There)
}

// Another names the setting, of a node that has another one.
func (d *Differ) Another() string {
	if d.Setting == "zone budgets" {
		return "other " + d.Setting
	}
	return "another " + d.Setting
}

// words are the text of a setting as people write it.
func (s *Set) words(setting int, text string) string {
	switch {
	case text == NoBudgets:
		return "none"
	case names[setting] == "profile" && !slices.Contains(s.Profiles, text):
		return "with times of its own"
	}
	for _, zero := range [...]string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}
