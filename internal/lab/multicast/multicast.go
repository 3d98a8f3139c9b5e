// Package multicast is the experiment of how a message best reaches a group: the same losses,
// latencies and crashes for protocols that have stood for forty years of the question, over the
// simulator's links. Each is a real implementation in a file of its own, which says whose it is and
// by which rules it goes.
//
// A run is one message of the origin, member 0, to all the others, which all know each other and
// hold the crashed for live. A node works on each datagram for Options.Cost, in order, and its
// socket holds as much as Linux's does. So an implosion at one node is seen.
package multicast

import (
	"fmt"
	"strings"
)

// Protocols are all that can be compared.
var Protocols = []Protocol{
	{Name: "unicast", About: "the origin sends to each until acknowledged", make: newUnicast},
	{Name: "tree", About: "a spanning tree, acknowledged hop by hop, with repair of the tree",
		inner: treeInner, make: newTree},
	{Name: "srm", About: "multicast by the network; NACKs and repairs to all, with random " +
		"timers and suppression",
		Source: "Floyd, Jacobson, Liu, McCanne, Zhang 1997", network: true, make: newSRM},
	{Name: "rmtp", About: "multicast by the network; bitmaps to designated receivers, who " +
		"repair locally",
		Source: "Lin, Paul 1996", network: true, inner: rmtpInner, make: newRMTP},
	{Name: "flood", About: "offers by message id to the neighbours in a random graph, as Usenet " +
		"does", Source: "RFC 3977, RFC 4644", make: newFlood},
	gossiping("gossip", defaultPolicy),
	{Name: "delegation", About: "a tree that needs no set-up, parts confirmed upward, over " +
		"anti-entropy", make: newDelegate},
}

// defaultPolicy is the gossip that is compared with the others, if no policy is named.
const defaultPolicy = "push:eager:blind:fanout=8:rounds=1"

// gossiping makes a protocol of a policy that is known to be right.
func gossiping(name, text string) Protocol {
	p, err := parsePolicy(text)
	if err != nil {
		panic(err)
	}
	return Protocol{Name: name, About: "gossip to members at random by a policy, over " +
		"anti-entropy", Source: "Demers et al. 1987",
		make: func(m *member) node { return &gossiper{member: m, p: p} }}
}

// Parse finds a protocol by its name; a gossip policy's name is "gossip:" and the policy, such as
// "gossip:push:eager:blind:fanout=8:rounds=1".
func Parse(name string) (*Protocol, error) {
	if text, ok := strings.CutPrefix(name, "gossip:"); ok {
		if _, err := parsePolicy(text); err != nil {
			return nil, fmt.Errorf("protocol %q: %w", name, err)
		}
		p := gossiping(name, text)
		return &p, nil
	}
	var names []string
	for i := range Protocols {
		if Protocols[i].Name == name {
			return &Protocols[i], nil
		}
		names = append(names, Protocols[i].Name)
	}
	return nil, fmt.Errorf("there is no protocol %q: there are %s, and gossip:POLICY", name,
		strings.Join(names, ", "))
}

// treeInner are the nodes with children, from the top.
func treeInner(w *world) (all []int) {
	for i := 1; i*w.o.Arity+1 < w.o.Nodes; i++ {
		all = append(all, i)
	}
	return all
}

// rmtpInner are the designated receivers, from the top. They do not take their routers down with
// them.
func rmtpInner(w *world) (all []int) {
	for i := 1; i < w.o.Nodes; i++ {
		if w.tree.designated(i) {
			all = append(all, i)
		}
	}
	return all
}
