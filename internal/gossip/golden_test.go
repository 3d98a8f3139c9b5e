package gossip

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Interaction scripts: a few nodes in virtual time, told what to do, and all that they send and
// tell as readable text. They are testdata/golden/*; `go test ./gossip -run TestGolden -rewrite`
// writes their outputs anew. Each script begins with a comment on what it shows.
// golden_decode_test.go makes text of datagrams.

func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		s := &script{world: newWorld(t), start: 0, cuts: map[[2]netip.AddrPort]bool{},
			addrs: map[string]int{}}
		s.names = map[member.ID]string{}
		s.world.cut = func(from,
			to netip.AddrPort) bool {
			return s.cuts[[2]netip.AddrPort{from, to}]
		}
		s.world.onSend, s.world.onEvent = s.sent, s.told
		s.start = s.Now
		datadriven.RunTest(t, path, s.command)
	})
}

// script is one file's world, and the names that its text gives to things.
type script struct {
	*world
	start Time
	cfg   Config
	out   strings.Builder
	shown map[string]bool // by this command
	quiet int             // datagrams not shown since the like was
	cuts  map[[2]netip.AddrPort]bool
	addrs map[string]int // of nodes, by name: which address
	names map[member.ID]string
	seqs  []uint32 // in order of their appearance, so that a small number can stand for each
	views []uint64 // fingerprints, likewise

	clusters []uint64 // their IDs, likewise
}

// command carries out one directive and returns what happened meanwhile.
func (s *script) command(t *testing.T, d *datadriven.TestData) string {
	s.world.t = t
	s.out.Reset()
	s.quiet, s.shown = 0, map[string]bool{}
	arg := func(i int) string {
		if i >= len(d.CmdArgs) {
			d.Fatalf(t, "%s: too few arguments", d.Cmd)
		}
		return d.CmdArgs[i].Key
	}
	switch d.Cmd {
	case "detector": // NAME, of the nodes that start from here on
		d, err := ParseDetector(arg(0))
		if err != nil {
			t.Fatal(err)
		}
		s.cfg.Detector = d
	case "start": // NAME [at=ADDRESS-OF] [gen=N] [seeds=(A,…)]
		s.startNode(t, d)
	case "run": // TIME
		s.run(parseDuration(t, arg(0)))
	case "until": // NAME STATE: all others hold it so, or stopped
		s.untilHeld(arg(0), arg(1))
	case "drop": // A B…: nothing passes between A and the others
		s.link(arg(0), d.CmdArgs[1:], true)
	case "heal":
		clear(s.cuts)
	case "crash":
		s.node(arg(0)).down = true
	case "pause":
		s.node(arg(0)).paused = true
	case "resume":
		s.resume(s.node(arg(0)))
	case "leave":
		s.doing(arg(0), Leave{})
	case "tags": // NAME KEY VALUE
		s.doing(arg(0), SetTags{mustTags(t, map[string]string{arg(1): arg(2)})})
	case "publish": // NAME TOPIC TEXT
		s.doing(arg(0), Publish{Topic: arg(1), Payload: []byte(arg(2))})
	case "table":
		s.tables()
	default:
		d.Fatalf(t, "no such command: %s", d.Cmd)
	}
	if s.quiet > 0 {
		fmt.Fprintf(&s.out, "(%d more of the same)\n", s.quiet)
	}
	return s.out.String()
}

func (s *script) startNode(t *testing.T, d *datadriven.TestData) {
	name, at, generation := d.CmdArgs[0].Key, "", uint64(1)
	d.MaybeScanArgs(t, "at", &at)
	d.MaybeScanArgs(t, "gen", &generation)
	if at == "" {
		at = name
	}
	if _, ok := s.addrs[at]; !ok {
		s.addrs[at] = len(s.addrs) + 1
	}
	var seeds []int
	for _, a := range d.CmdArgs {
		if a.Key == "seeds" {
			for _, v := range a.Vals {
				seeds = append(seeds, s.addrs[v])
			}
		}
	}
	s.names[member.IDOf(name)] = name
	s.world.start(name, s.addrs[at], generation, &s.cfg, seeds...)
}

// node returns the latest node of a name.
func (s *script) node(name string) *peer {
	for _, p := range slices.Backward(s.nodes) {
		if p.roster.Record().Name == name {
			return p
		}
	}
	s.world.t.Fatalf("no node %s", name)
	return nil
}

func (s *script) doing(name string, c Command) {
	if err := s.do(s.node(name), c); err != nil {
		fmt.Fprintln(&s.out, "error:", err)
	}
}

func (s *script) link(a string, others []datadriven.CmdArg, cut bool) {
	for _, b := range others {
		x, y := s.node(a).addr, s.node(b.Key).addr
		s.cuts[[2]netip.AddrPort{x, y}], s.cuts[[2]netip.AddrPort{y, x}] = cut, cut
	}
}

func (s *script) untilHeld(name, state string) {
	s.until(time.Minute, name+" is "+state, func() bool {
		if state == "stopped" {
			return s.node(name).Stopped()
		}
		for _, st := range member.States {
			if st.String() == state {
				return s.allHold(name, st)
			}
		}
		return false
	})
}

func (s *script) tables() {
	for _, p := range s.up() {
		var line []string
		for m := range p.Table().All() {
			text := m.Name() + " " + m.State.String()
			if m.Generation() != 1 || m.Incarnation != 0 {
				text += fmt.Sprintf(" %d.%d", m.Generation(), m.Incarnation)
			}
			line = append(line, text)
		}
		slices.Sort(line)
		fmt.Fprintf(&s.out, "%s: %s; view %s\n", p.roster.Record().Name, strings.Join(line, ", "),
			s.view(p.Table().Fingerprint()))
	}
}

func (s *script) line(format string, args ...any) {
	at := s.Now.Sub(s.start)
	fmt.Fprintf(&s.out, "%9.1fms  ", float64(at)/float64(time.Millisecond))
	fmt.Fprintf(&s.out, format+"\n", args...)
}

// at returns the node that has an address.
func (s *script) at(a netip.AddrPort) *peer {
	for _, p := range slices.Backward(s.nodes) {
		if p.addr == a {
			return p
		}
	}
	return nil
}

// sent writes a datagram down, once in a command if the same is sent again. Of pings and acks
// between nodes that agree and hear each other, only the first is shown.
func (s *script) sent(from *peer, to netip.AddrPort, data []byte) {
	h, r, err := wire.Open(data)
	if err != nil {
		s.world.t.Fatal(err)
	}
	dest, text := to.String(), s.messages(r)
	p, fate := s.at(to), ""
	switch {
	case p == nil || p.down || p.Stopped():
		fate = "  (nobody there)"
	case s.cut(from.addr, to):
		fate = "  (lost)"
	}
	if p != nil {
		dest = p.roster.Record().Name
		switch h.To {
		case p.roster.Instance():
		case 0:
			dest += " (whoever)"
		default:
			dest += " (another)"
		}
	}
	if all, _ := kindsOf(data); len(all) == 0 {
		return
	}
	text = fmt.Sprintf("%s → %s: %s%s", from.roster.Record().Name, dest, text, fate)
	key := text
	if kind, again := again(data); again { // the same question, with another number
		key = fmt.Sprint(kind, from.addr, to, fate)
	}
	if kind, quiet := quietProbe(data); quiet && fate == "" &&
		p.Table().Fingerprint() == from.Table().Fingerprint() {
		key = kind
	}
	if s.shown[key] {
		s.quiet++
		return
	}
	s.shown[key] = true
	s.line("%s", text)
}

// steersNothing are the types of questions and answers about locations, which ride on nearly all
// that goes to and fro at the start, and about the size of datagrams.
func steersNothing(t wire.Type) bool {
	return t == wire.TypeLocate || t == wire.TypeLocated || t == wire.TypePad || t == wire.TypeSeen
}

// kindsOf returns the types of a datagram's messages that steer something, and the body of the
// first.
func kindsOf(data []byte) (all []wire.Type, first []byte) {
	_, r, _ := wire.Open(data)
	for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
		if steersNothing(t) {
			continue
		}
		if len(all) == 0 {
			first = body
		}
		all = append(all, t)
	}
	return all, first
}

// again says whether a datagram is a ping without news, an inquiry, or a juror's word that it has
// not decided yet: during an inquest there are many of each.
func again(data []byte) (kind string, again bool) {
	all, body := kindsOf(data)
	if len(all) < 2 || all[1] != wire.TypeFingerprint {
		return "", false
	}
	t := all[0]
	f, _ := wire.ReadFinding(body)
	return fmt.Sprint(t), t == wire.TypePing || t == wire.TypeLease || t == wire.TypeInquiry ||
		t == wire.TypeFinding && f.Word == wire.WordOpen
}

// quietProbe says whether a datagram is a ping or an ack without news.
func quietProbe(data []byte) (kind string, quiet bool) {
	all, _ := kindsOf(data)
	if len(all) != 2 || all[1] != wire.TypeFingerprint {
		return "", false
	}
	t := all[0]
	return fmt.Sprint(t), t == wire.TypePing || t == wire.TypeLease || t == wire.TypeAck
}

var eventNames = map[EventKind]string{
	MemberJoined: "joined", MemberUpdated: "updated", MemberSuspected: "suspected",
	MemberRecovered: "recovered",
	MemberFailed:    "failed", MemberLeft: "left", MessageDelivered: "message",
	SeedsWanted:       "seeds wanted",
	MemberUnreachable: "unreachable", MemberReachable: "reachable", Isolated: "isolated",
	Reunited:     "reunited",
	MessagesLost: "messages lost", MessageSpread: "spread", Writable: "writable",
	Welcomed: "welcomed", Refused: "refused", Conflicted: "conflicted", LeaveDone: "leave done",
	NameClaimed: "name claimed", ClustersMerged: "clusters merged",
	SettingsDiffer: "settings differ", AddressTaken: "address taken",
	KeyUnknown: "key unknown", StoodStill: "stood still", HeldFailed: "held failed",
	Outlived: "outlived",
	SeedMet:  "seed met",
}

func (s *script) told(p *peer, e Event) {
	text := eventNames[e.Kind]
	switch {
	case e.Member.ID != 0:
		text += " " + e.Member.Name()
	case e.Kind == MessageDelivered:
		text += fmt.Sprintf(" %s.%d %s %q", e.Message.OriginName, e.Message.Seq,
			e.Message.Topic, e.Message.Payload)
	case e.Err != nil:
		text += ": " + e.Err.Error()
	}
	s.line("%s ! %s", p.roster.Record().Name, text)
}

func parseDuration(t *testing.T, text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
