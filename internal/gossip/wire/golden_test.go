package wire_test

// Golden vectors: testdata/vectors.golden holds a name, what it says and its bytes for every type
// of message and for some whole datagrams. Other implementations can test themselves with it. go
// test -update writes it anew.

import (
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

var update = flag.Bool("update", false, "write the golden vectors anew")

const goldenFile = "testdata/vectors.golden"

const goldenHead = `# Golden vectors of Starling's wire protocol, version 2 (docs/protocol.md).
# Of each: [message NAME] or [datagram NAME], what it says, its bytes in hexadecimal.
# Written by: go test ./internal/gossip/wire -run Golden -update
`

// The cast: three members of the cluster "starling".
var (
	wren = member.Record{Name: "wren", Generation: 1767225600000,
		Addr: netip.MustParseAddrPort("10.0.0.1:7747"), Protocol: 2}
	wrenOutside = member.Record{
		Name: "wren", Generation: 1767225600000, Addr: netip.MustParseAddrPort("10.0.0.1:7747"),
		Outside: netip.MustParseAddrPort("192.0.2.1:17747"), Zone: "us", Protocol: 2,
	}
	robin = member.Record{
		Name: "robin", Generation: 1767225661000, Addr: netip.MustParseAddrPort("10.0.0.2:7747"),
		Zone: "eu/west", Tags: tags("role", "db"), Protocol: 2,
	}
	lark = member.Record{Name: "lark", Generation: 1767225722000,
		Addr: netip.MustParseAddrPort("[2001:db8::3]:7747"), Protocol: 2}
)

func tags(k, v string) member.Tags {
	t, err := member.NewTags(map[string]string{k: v})
	if err != nil {
		panic(err)
	}
	return t
}

func idOf(r member.Record) member.ID { return member.IDOf(r.Name) }

func instanceOf(r member.Record) uint32 { return member.Instance(idOf(r), uint32(r.Generation)) }

func updateOf(r member.Record, c wire.Claim) *wire.Update {
	c.Generation = r.Generation
	return &wire.Update{ID: idOf(r), Check: r.Check(), Claim: c}
}

// headerFrom is that of a datagram from one member to another.
func headerFrom(from, to member.Record) []byte {
	return wire.AppendHeader(nil, wire.Header{
		Cluster: wire.ClusterHash("starling"), From: idOf(from),
		Generation: uint32(from.Generation), To: instanceOf(to),
	})
}

// vector is one golden vector.
type vector struct {
	name     string
	datagram bool // else a message
	bytes    []byte
}

// vectors makes all of them.
func vectors() []vector {
	message := func(name string, b []byte) vector { return vector{name: name, bytes: b} }
	fp := wire.Fingerprint{Hash: 0x0123456789abcdef, Live: 3}
	list := []vector{
		message("ping", wire.AppendPing(nil, 7)),
		message("ack", wire.AppendAck(nil, 7)),
		message("ack-try", wire.AppendAckTry(nil, 7)),
		message("ping-req", wire.AppendPingReq(nil,
			wire.PingReq{Seq: 7, Target: idOf(lark), Instance: instanceOf(lark)})),
		message("nack", wire.AppendNack(nil, 7)),
		message("fingerprint", wire.AppendFingerprint(nil, fp)),
		message("update-alive", wire.AppendUpdate(nil,
			updateOf(robin, wire.Claim{Incarnation: 2}))),
		message("update-suspect", wire.AppendUpdate(nil,
			updateOf(lark, wire.Claim{State: member.Suspect, Accuser: idOf(wren)}))),
		message("update-failed", wire.AppendUpdate(nil,
			updateOf(lark, wire.Claim{State: member.Failed, Age: 300, Cause: wire.CauseDeaf}))),
		message("update-left", wire.AppendUpdate(nil,
			updateOf(lark, wire.Claim{State: member.Left, Incarnation: 1, Age: 5}))),
		message("record-ipv4", wire.AppendRecord(nil, &robin, &wire.Claim{Incarnation: 2})),
		message("record-ipv6", wire.AppendRecord(nil, &lark,
			&wire.Claim{State: member.Suspect, Accuser: idOf(wren)})),
		message("record-outside", wire.AppendRecord(nil, &wrenOutside, &wire.Claim{})),
		message("request", wire.AppendRequest(nil, []member.ID{idOf(robin), idOf(lark)})),
		message("join", wire.AppendJoin(nil, join(false), &wren, 0)),
		message("join-cookie", wire.AppendJoin(nil, join(true), &wren, 0)),
		message("challenge", wire.AppendChallenge(nil, &wire.Challenge{
			Number: 0x0badcafe, Cookie: 0x1122334455667788, ClusterID: 0x99aabbccddeeff01, Live: 3,
			Seen: wren.Addr,
		})),
		message("welcome", wire.AppendWelcome(nil, welcomeOf(3))),
		message("merged", wire.AppendMerged(nil, wire.Merged{New: 0x1111111111111111,
			Old: 0x99aabbccddeeff01})),
		message("refuse-cluster", wire.AppendRefuse(nil, refuseOf(wire.WrongCluster, 0, "murmur"))),
		message("refuse-generation", wire.AppendRefuse(nil,
			refuseOf(wire.OldGeneration, wren.Generation, ""))),
		message("conflict", wire.AppendConflict(nil,
			&wire.Conflict{Number: 0x0badcafe, Uptime: 61000, Stop: true}, &wren, 4)),
		message("mistaken", wire.AppendMistaken(nil,
			wire.Mistaken{Instance: instanceOf(lark), ClusterID: 0x1122334455667788,
				Founded: true})),
		message("unopened", wire.AppendUnopened(nil)),
		message("evidence", wire.AppendEvidence(nil, evidence())),
	}
	list = append(append(list, repairVectors()...), inquestVectors()...)
	loan := wire.Loan{Zone: 0x2222, Bytes: 12345}
	list = append(list,
		message("borrow", wire.AppendLoan(nil, wire.TypeBorrow, loan)), message("lend",
			wire.AppendLoan(nil, wire.TypeLend, loan)),
		message("pad", wire.AppendPad(nil, &wire.Pad{Number: 0x0badcafe, Over: 1165}, 0)),
		message("seen", wire.AppendSeen(nil, &wire.Seen{Number: 0x0badcafe, From: wren.Addr}, 0)),
		message("across", wire.AppendAcross(nil, 6)),
		message("bridge", wire.AppendBridge(nil, &wire.Bridge{Family: 6, By: idOf(robin),
			Lacks: binary.BigEndian.AppendUint64(nil, uint64(idOf(lark)))})),
		message("locate", wire.AppendLocate(nil, 258)),
		message("located", wire.AppendLocated(nil,
			&wire.Located{Seq: 258, Inside: wire.Coordinate{Point: [3]int32{200, -1, 0},
				Height: 512, Error: 6}})),
		message("located-outside", wire.AppendLocated(nil, &wire.Located{
			Seq: 258, Inside: wire.Coordinate{Point: [3]int32{200, -1, 0}, Height: 512, Error: 6},
			Outside: wire.Coordinate{Point: [3]int32{20000, -30000, 0}, Height: 1500, Error: 64},
		})))
	list = append(list, treeVectors()...)
	list = append(list, counterVectors()...)
	list = append(list, streamVectors()...)
	list = append(list, keyVectors()...)
	return append(list, datagramVectors(fp)...)
}

// join is a Join of wren's, which has no cluster yet.
func join(cookie bool) *wire.Join {
	j := &wire.Join{
		Detector: 2, Cluster: []byte("starling"), Number: 0x0badcafe, Merge: true, Alone: true,
		Settings: wire.AppendHash(wire.AppendHash(nil, 0x1234), 0x5678), HasCookie: cookie,
	}
	if cookie {
		j.Cookie = 0x1122334455667788
	}
	return j
}

func welcomeOf(live uint32) *wire.Welcome {
	return &wire.Welcome{
		Number: 0x0badcafe, Live: live, ClusterID: 0x99aabbccddeeff01, Seen: wren.Addr,
		Settings: wire.AppendHash(wire.AppendHash(nil, 0x1234), 0x5678),
	}
}

func refuseOf(reason wire.Reason, generation uint64, text string) *wire.Refuse {
	return &wire.Refuse{Number: 0x0badcafe, Reason: reason, Generation: generation,
		Text: []byte(text), Seen: wren.Addr}
}

// evidence is that wren declared lark failed, with robin's vote.
func evidence() *wire.Evidence {
	e := &wire.Evidence{
		Target: idOf(lark), Instance: instanceOf(lark), Incarnation: 1, Accuser: idOf(wren),
		Cause: wire.CauseRefused,
		Pings: 3, Span: 450 * time.Millisecond, Seats: 7, Count: 1,
	}
	e.Votes[0] = wire.Vote{Juror: idOf(robin), Cause: wire.CauseRefused, Pings: 5,
		Span: 310 * time.Millisecond}
	return e
}

func inquestVectors() []vector {
	return []vector{
		{name: "lease", bytes: wire.AppendLease(nil,
			wire.Lease{Seq: 7, Next: 4800 * time.Millisecond})},
		{name: "inquiry", bytes: wire.AppendInquiry(nil, wire.Inquiry{
			Seq: 9, Target: idOf(lark), Instance: instanceOf(lark), Age: 150 * time.Millisecond,
		})},
		{name: "finding-open", bytes: wire.AppendFinding(nil,
			wire.Finding{Seq: 9, Word: wire.WordOpen})},
		{name: "finding-guilty", bytes: wire.AppendFinding(nil, wire.Finding{
			Seq: 9, Word: wire.WordGuilty, Cause: wire.CauseRefused, Pings: 5,
			Span: 310 * time.Millisecond,
		})},
		{name: "alarm", bytes: wire.AppendAlarm(nil, wire.Alarm{
			Accuser: idOf(wren), By: instanceOf(wren), Target: idOf(lark),
			Instance: instanceOf(lark), Seq: 3, On: true,
		})},
		{name: "silence", bytes: wire.AppendSilence(nil,
			wire.Silence{From: 0x1111, Zone: 0x2222, Count: 3, Age: 2500 * time.Millisecond})},
	}
}

func repairVectors() []vector {
	whole := wire.View{Salt: 0x01020304, Count: 3}
	part := wire.View{Range: wire.Range{Bits: 4, Prefix: 0xb}, Salt: 0x01020304, Count: 2,
		Report: true}
	estimate := []uint32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	push := wire.AppendRecord(wire.BeginPush(nil, true), &robin, &wire.Claim{Incarnation: 2})
	push = wire.AppendUpdate(push, updateOf(lark, wire.Claim{State: member.Failed, Age: 300}))
	return []vector{
		{name: "sketch", bytes: wire.AppendSketch(nil, &whole,
			[]uint64{0x1111111111111111, 0, 0x3333333333333333, 4}, nil)},
		{name: "sketch-estimate", bytes: wire.AppendSketch(nil, &part,
			[]uint64{1, 2, 3, 0x4444444444444444}, estimate)},
		{name: "list", bytes: wire.AppendList(nil, &part,
			[]uint64{0x1111111111111111, 0x2222222222222222})},
		{name: "want", bytes: wire.AppendWant(nil, 0x01020304, []uint32{0x11111111, 0x22222222})},
		{name: "push", bytes: wire.EndPush(push, 0)},
		{name: "done", bytes: wire.AppendDone(nil, wire.Range{Bits: 4, Prefix: 0xb})},
		{name: "busy", bytes: wire.AppendBusy(nil, wire.Range{Bits: 4, Prefix: 0xb}, 250)},
	}
}

func datagramVectors(fp wire.Fingerprint) []vector {
	ping := wire.AppendPing(headerFrom(wren, robin), 7)
	news := wire.AppendUpdate(ping[:len(ping):len(ping)],
		updateOf(robin, wire.Claim{Incarnation: 2}))
	news = wire.AppendUpdate(news, updateOf(lark, wire.Claim{State: member.Suspect,
		Accuser: idOf(wren)}))
	anybody := wire.AppendHeader(nil, wire.Header{
		Cluster: wire.ClusterHash("starling"), From: idOf(wren),
		Generation: uint32(wren.Generation),
	})
	welcome := wire.AppendWelcome(headerFrom(robin, wren), welcomeOf(2))
	welcome = wire.AppendRecord(welcome, &robin, &wire.Claim{Incarnation: 2})
	return []vector{
		{"header", true, headerFrom(wren, robin)},
		{"ping", true, wire.AppendFingerprint(ping, fp)},
		{"ping-two-updates", true, wire.AppendFingerprint(news, fp)},
		{"lease", true, wire.AppendFingerprint(wire.AppendLease(headerFrom(wren, robin),
			wire.Lease{Seq: 7, Next: 4800 * time.Millisecond}), fp)},
		{"ack", true, wire.AppendFingerprint(wire.AppendAck(headerFrom(robin, wren), 7), fp)},
		{"join", true, wire.AppendJoin(anybody, join(false), &wren, 0)},
		{"welcome", true, wire.AppendFingerprint(welcome,
			wire.Fingerprint{Hash: 0x0123456789abcdef, Live: 2})},
		{"unknown-type", true, wire.AppendPing(append(headerFrom(wren, robin), 0xf0, 2, 0xca,
			0xfe), 7)},
	}
}

func (v vector) title() string {
	if v.datagram {
		return "datagram " + v.name
	}
	return "message " + v.name
}

// inDatagram returns the vector's bytes as a datagram.
func (v vector) inDatagram() []byte {
	if v.datagram {
		return v.bytes
	}
	return append(headerFrom(wren, robin), v.bytes...)
}

// describe says what the bytes of a vector mean.
func (v vector) describe() string {
	text := describeDatagram(v.inDatagram())
	if !v.datagram {
		_, text, _ = strings.Cut(text, "\n")
	}
	return text
}

func (v vector) format() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n[%s]\n%s", v.title(), v.describe())
	for rest := v.bytes; len(rest) > 0; {
		n := min(len(rest), 32)
		fmt.Fprintf(&b, "hex %x\n", rest[:n])
		rest = rest[n:]
	}
	return b.String()
}

// readGolden reads the golden file: of each title, its text and its bytes.
func readGolden(tb testing.TB) (titles []string, text map[string]string, data map[string][]byte) {
	tb.Helper()
	file, err := os.ReadFile(goldenFile)
	if err != nil {
		tb.Fatal(err)
	}
	text, data = make(map[string]string), make(map[string][]byte)
	title := ""
	for line := range strings.Lines(string(file)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			title = strings.Trim(line, "[]")
			titles = append(titles, title)
		case strings.HasPrefix(line, "hex "):
			b, err := hex.DecodeString(line[4:])
			if err != nil {
				tb.Fatalf("%s: %v", title, err)
			}
			data[title] = append(data[title], b...)
		default:
			text[title] += line + "\n"
		}
	}
	return titles, text, data
}

// goldenVectors returns what stands in the golden file.
func goldenVectors(tb testing.TB) (list []vector) {
	tb.Helper()
	titles, _, data := readGolden(tb)
	for _, t := range titles {
		kind, name, _ := strings.Cut(t, " ")
		list = append(list, vector{name: name, datagram: kind == "datagram", bytes: data[t]})
	}
	return list
}

func TestGolden(t *testing.T) {
	all := vectors()
	if *update {
		out := goldenHead
		for _, v := range all {
			out += v.format()
		}
		if err := os.WriteFile(goldenFile, []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	titles, text, data := readGolden(t)
	if len(titles) != len(all) {
		t.Errorf("the golden file has %d vectors and the test makes %d", len(titles), len(all))
	}
	for _, v := range all {
		if got, want := hex.EncodeToString(v.bytes),
			hex.EncodeToString(data[v.title()]); got != want {
			t.Errorf("%s is written as\n%s, golden is\n%s", v.title(), got, want)
		}
		v.bytes = data[v.title()]
		if got, want := v.describe(), text[v.title()]; got != want {
			t.Errorf("%s is read as\n%sgolden is\n%s", v.title(), got, want)
		}
	}
}

// A type without a vector is one that nobody has checked.
func TestGoldenHasEveryType(t *testing.T) {
	seen := make(map[wire.Type]bool)
	for _, v := range goldenVectors(t) {
		_, r, _ := wire.Open(v.inDatagram())
		for mt, _, ok := r.Next(); ok; mt, _, ok = r.Next() {
			seen[mt] = true
		}
	}
	for name, value := range typeConstants() {
		if !seen[value] {
			t.Errorf("no golden vector has a %s (%#02x)", name, uint8(value))
		}
	}
}

// typeConstants reads the package's source for its types of messages, so that a new one cannot be
// overlooked.
var typeConstants = sync.OnceValue(func() map[string]wire.Type {
	files, err := filepath.Glob("*.go")
	if err != nil {
		panic(err)
	}
	types := make(map[string]wire.Type)
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			panic(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok {
				addTypeConstant(types, spec)
			}
			return true
		})
	}
	return types
})

func addTypeConstant(types map[string]wire.Type, spec *ast.ValueSpec) {
	id, ok := spec.Type.(*ast.Ident)
	if !ok || id.Name != "Type" || len(spec.Values) != 1 {
		return
	}
	value, err := strconv.ParseUint(spec.Values[0].(*ast.BasicLit).Value, 0, 8)
	if err != nil {
		panic(err)
	}
	types[strings.TrimPrefix(spec.Names[0].Name, "Type")] = wire.Type(value)
}
