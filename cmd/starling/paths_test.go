package main

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/api"
)

// A line of info says what is wrong with ways, and to which members.
func TestInfoNamesBadWays(t *testing.T) {
	then := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	before := then.Add(-4 * time.Second)
	for _, c := range []struct{ got, want string }{
		{sizesText(&api.Info{Longest: 1200}), "not checked yet"},
		{sizesText(&api.Info{Longest: 1200, SizesChecked: 3}),
			"datagrams of 1200 bytes, the longest that this node sends, pass on all ways that " +
				"were checked (3)"},
		{sizesText(&api.Info{Longest: 1200, SmallPaths: []api.SmallPath{{Name: "n5"}}}),
			"n5: datagrams of 1200 bytes do not pass between it and this node, short ones do " +
				"(what passes is looked for). " +
				"What needs longer datagrams does not arrive: keys, perhaps messages, and what " +
				"the same node publishes after them. A tunnel, a VPN or a firewall on the " +
				"way takes less than it should"},
		{sizesText(&api.Info{Longest: 9000, SmallPaths: []api.SmallPath{{Name: "n5",
			Passed: 1460}, {Name: "n6", Passed: 1390}}}),
			"n5, n6: datagrams of 9000 bytes do not pass between them and this node, short ones " +
				"do (1390 bytes pass). " +
				"What needs longer datagrams does not arrive: keys, perhaps messages, and what " +
				"the same node publishes after them. A tunnel, a VPN or a firewall on the " +
				"way takes less than it should, or --mtu is more than the network carries"},
		{tcpText(api.Info{FilteredPort: 7747, Filtered: 3, Watched: 8, Detection: 1.85}),
			"7747 filtered at 3 of 8 watched members: a killed process is known there as late " +
				"as a dead host, in about 1.85 s instead of 0.5 s"},
		{agreementText(&api.Info{Agreement: api.Agreement{Same: 2, Heard: 3},
			Members: map[string]int{"alive": 4}}),
			"2 of the 3 members heard lately hold the same view"},
		{agreementText(&api.Info{Agreement: api.Agreement{Same: 3, Heard: 3}, Isolated: true}),
			"nobody is there to agree with: no other member is heard"},
		{agreementText(&api.Info{Agreement: api.Agreement{Heard: 1, Same: 1}, Undecided: 1,
			Members: map[string]int{"alive": 1, "suspect": 1}}),
			"nobody is there to agree with: no other member is heard"},
		{agreementText(&api.Info{Agreement: api.Agreement{Same: 1, Heard: 3}, Isolated: true,
			Unheard: true}),
			"1 of the 3 members heard lately hold the same view"},
		{agreementText(&api.Info{}), "no peer heard lately"},
		{healthText(&api.Info{}), "good"},
		{healthText(&api.Info{Health: 2}), "2 (this node misses answers and is slower to accuse " +
			"others; 0 is good)"},
		{healthText(&api.Info{Isolated: true}), "not known: nobody answers this node"},
		{healthText(&api.Info{Isolated: true, Unheard: true}),
			"not known: nobody answers this node"},
		{tcpText(api.Info{Watched: 4}), "answers at all 4 watched members, or is not tried yet"},
		{tcpText(api.Info{Watched: 4, Isolated: true}), "not known: nobody answers this node"},
		{otherKeysText(&api.Info{}), "none seen"},
		{otherKeysText(&api.Info{OtherKeys: []string{"what comes from 10.0.0.9:7747 is sealed " +
			"with another key"}}),
			"what comes from 10.0.0.9:7747 is sealed with another key (--key-file)"},
		{otherKeysText(&api.Info{Traffic: api.Traffic{Dropped: map[string]uint64{"unopened": 12}}}),
			"none seen in the last 3 minutes; 12 datagrams were not opened since the start"},
		{reachedText(&api.Info{Members: map[string]int{"alive": 3}, Unreached: true,
			Refused: "10.0.0.5:7747: what the seed sends does not arrive here",
			Member:  api.Member{Addr: "172.17.0.1:7747"}}),
			"no: others hear this node, and nothing that they send to 172.17.0.1:7747 comes " +
				"here: a firewall, or another " +
				"address than this one; a seed refuses it for that: 10.0.0.5:7747: what the " +
				"seed sends does not arrive here"},
		{troubles(&api.Path{Unreachable: true, Mute: true}),
			"not reached from here, and too few can be asked about it"},
		{troubles(&api.Path{Broken: true, Mute: true}),
			"others reach it, this node does not, though it hears it"},
		{reachedText(&api.Info{Members: map[string]int{"alive": 3}}), "yes"},
		{reachedText(&api.Info{Members: map[string]int{"alive": 3}, Isolated: true}),
			"no, as far as it can tell: next to nobody is heard here"},
		{reachedText(&api.Info{Members: map[string]int{"alive": 1}}), "nobody else is there"},
		{reachedText(&api.Info{Members: map[string]int{"alive": 1}, Deserted: true}),
			"not known: nobody is left who could reach it. " +
				"It had all others forgotten while it heard none of them (starling join)"},
		{notInText(&api.Info{}), "not yet: no seed has let this node in, or answered"},
		{notInText(&api.Info{Refused: "10.0.0.9:7747: another detector"}),
			"not yet: 10.0.0.9:7747: another detector"},
		{undecidedText(api.Info{Undecided: 2, Members: map[string]int{"alive": 5}}),
			"2 of 5 members are silent, and too few others answer to judge " +
				"them: dead or cut off, this node cannot tell. If they are gone: starling forget " +
				"--unreachable"},
		{unlikeText(nil), "as others have them, as far as this node knows"},
		{unlikeText([]api.Unlike{{Name: "n5", Setting: "profile", Here: "lan", There: "wan"},
			{Name: "n5", Setting: "retention", Here: "24h"}}),
			"n5: profile lan here, wan there; n5: retention 24h here, another there. All " +
				"members need the same"},
		{causesText(map[string]int{"silent": 3, "deaf": 0}), ""},
		{causesText(map[string]int{"silent": 3, "deaf": 1, "refused": 2}),
			" (1 deaf, 2 refused, 3 silent)"},
		{causesText(map[string]int{"stalled": 1}), " (1 stalled)"},
		{doubtText(&api.Member{}, then), ""},
		{doubtText(&api.Member{Doubt: "silent", Heard: &before}, then), " (silent for 4s)"},
		{doubtText(&api.Member{Doubt: "mute", Heard: &before}, then), " (sends, answers nothing)"},
		{doubtText(&api.Member{Doubt: "broken", Heard: &before}, then),
			" (others reach it, not this node)"},
		{doubtText(&api.Member{Doubt: "unreachable"}, then), " (unreachable)"},
		{tcpText(api.Info{Filtered: 4, Watched: 8, Detection: 1.85,
			FilteredAt: []string{"a", "b", "c", "d"}}),
			"filtered at 4 of 8 watched members (a, b, c and 1 more): a killed process is known " +
				"there as late as a dead host, in about 1.85 s instead of 0.5 s"},
		{inboundText(&api.Info{Member: api.Member{Addr: "10.0.0.1:7747"}}), ""},
		{inboundText(&api.Info{Member: api.Member{Addr: "10.0.0.1:7747"}, OwnFiltered: true}),
			"; nobody comes to this node's own TCP port 7747, though others were asked to try " +
				"it: it is closed or filtered from outside"},
		{brokenText(nil, nil), "none"},
		{brokenText([]string{"n5"}, nil), "n5: others reach it, this node does not (nothing of " +
			"it comes here)"},
		{brokenText([]string{"n5", "n6", "n7"}, []string{"n5", "n9"}),
			"n6, n7: others reach them, this node does not (nothing of them comes here); " +
				"n5: others reach it, this node does not (this node hears it, and what it sends " +
				"does not come to it); " +
				"n9: this node hears it, and what it sends does not come to it"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
