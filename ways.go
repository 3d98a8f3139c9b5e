package starling

// This file tells in the log which ways are broken, and where TCP is filtered, and that they are so
// no more. Nothing happens as these begin and end, so a node looks now and then.

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// waysEvery is how long after a look at the ways the next one is, at least.
const waysEvery = 5 * time.Second

// ways are what the log has told of ways.
type ways struct {
	next                  gossip.Time // look
	broken, filtered, own noted
}

// noted are the names of members about which the log has said something, in order. The log says it
// of new ones at most once a minute, for all together. It says that it is over at most once a
// minute, too.
type noted struct {
	names       []string
	begun, over gossip.Time // when that was said next after; 0: not yet
}

// news takes in the names for which something is so now (are), and those for which it may be so
// still. It returns the names for which the log is to say that it began, and that it is over.
func (t *noted) news(now gossip.Time, are, still []string) (begun, over []string) {
	for _, name := range are {
		if _, known := slices.BinarySearch(t.names, name); !known && t.begun <= now {
			begun = append(begun, name)
		}
	}
	for _, name := range t.names {
		if !slices.Contains(still, name) && t.over <= now {
			over = append(over, name)
		}
	}
	t.names = slices.DeleteFunc(t.names, func(name string) bool {
		return slices.Contains(over, name)
	})
	t.names = append(t.names, begun...)
	slices.Sort(t.names)
	if begun != nil {
		t.begun = now.Add(logPause)
	}
	if over != nil {
		t.over = now.Add(logPause)
	}
	return begun, over
}

// lookAtWays tells of the ways, if it is time. A node that is cut off, or cannot judge the silent,
// says that instead, and nothing of the ways until it is over.
func (n *Node) lookAtWays() {
	now := n.now()
	if n.log.to == nil || now < n.ways.next {
		return
	}
	n.ways.next = now.Add(waysEvery)
	if n.core.Isolated() || n.core.Undecided() > 0 {
		return
	}
	var broken, filtered, still, own []string
	for _, p := range n.core.Paths(now) {
		name := p.Member.Name()
		if p.Broken {
			broken = append(broken, name)
		}
		if p.Port != detect.PortFiltered {
			continue
		}
		still = append(still, name)
		if !p.Broken && !p.Silent && !p.Mute && !n.core.IsUnreachable(p.Member.ID) {
			filtered = append(filtered, name)
		}
	}
	if n.core.OwnFiltered(now) {
		own = append(own, n.name)
	}
	n.tellWays(now, broken, filtered, still, own)
}

// tellWays says which ways are broken and at which members TCP is filtered, as far as it has not
// said so, and for which that is over. For a member that lives no more nothing is said to be over.
func (n *Node) tellWays(now gossip.Time, broken, filtered, still, own []string) {
	tell := func(t *noted, are, still []string, begins, ends string) {
		begun, over := t.news(now, are, still)
		over = slices.DeleteFunc(over, func(name string) bool {
			m, ok := n.core.Table().Get(member.IDOf(name))
			return !ok || !m.State.Live()
		})
		if len(begun) > 0 {
			n.log.warn(now, begins, begins, "who", few(begun))
		}
		if len(over) > 0 {
			n.log.info(now, ends, ends, "who", few(over))
		}
	}
	w := &n.ways
	tell(&w.broken, broken, broken, "members do not answer this node, and others reach them: the "+
		"way between is broken (starling paths)", "members answer this node that others alone "+
		"reached for a while")
	tell(&w.filtered, filtered, still, "the TCP port of members does not answer this node: it is "+
		"filtered, and a process that is killed there is known as late as a dead host "+
		"(starling paths)", "the TCP port of members answers this node again")
	tell(&w.own, own, own, "nobody comes to this node's own TCP port, though others were asked to "+
		"try it: it is closed or filtered from outside", "others come to this node's own TCP "+
		"port again")
}

// someUnreachable names some of the members that this node cannot reach.
func (n *Node) someUnreachable() string {
	var names []string
	for id := range n.core.Unreachable() {
		names = append(names, n.nameOf(id))
	}
	slices.Sort(names)
	return few(names)
}

// few names the first few.
func few(names []string) string {
	const most = 5
	text := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
