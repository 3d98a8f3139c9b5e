package wire_test

// The promises of the format: sizes, what a reader skips, what it refuses, and that none of it
// allocates.

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

func TestSizes(t *testing.T) {
	golden := make(map[string]int)
	for _, v := range goldenVectors(t) {
		golden[v.title()] = len(v.bytes)
	}
	for title, most := range map[string]int{
		"datagram ping": 50, // with a fingerprint and no news
		"datagram ack":  50,
	} {
		if n := golden[title]; n == 0 || n > most {
			t.Errorf("%s has %d bytes, at most %d are allowed", title, n, most)
		}
	}
	if n := golden["datagram ping-two-updates"] + golden["datagram ack"]; n > 160 {
		t.Errorf("a ping with two updates and its ack have %d bytes, at most 160 are allowed", n)
	}
}

// The largest of each kind of message that a node sends, with what stands beside it in any case,
// fits the datagram that every node can send. Of those that are lists, filled as far as there is
// room, that is what one entry takes.
func TestLargestFitsSmallestDatagram(t *testing.T) {
	name, zone := strings.Repeat("n", member.MaxName), strings.Repeat("z", member.MaxZone)
	const most32, most64 = 1<<32 - 1, 1<<64 - 1
	outside := netip.MustParseAddrPort("[2001:db8::ffff]:65535")
	// a tag of one letter has 4 bytes beside its value
	value := member.MaxRecord - 84 - len(name) - len(zone) - 4
	r := member.Record{
		Name: name, Zone: zone, Tags: tags("k", strings.Repeat("v",
			value)), Generation: member.MaxGeneration,
		Addr: lark.Addr, Outside: outside, Protocol: 255,
	}
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	claim := wire.Claim{State: member.Suspect, Generation: most64, Incarnation: most32,
		Accuser: most64}
	record := wire.AppendRecord(nil, &r, &claim)
	update := wire.AppendUpdate(nil, &wire.Update{ID: most64, Check: most32, Claim: claim})
	print := wire.AppendFingerprint(nil, wire.Fingerprint{Hash: most64, Live: most32, Keys: most64})
	far := wire.Coordinate{Height: wire.MaxAxis}
	located := wire.AppendLocated(nil, &wire.Located{Inside: far, Outside: far})
	// What a probe has beside the detector's messages: a question and an answer where one stands,
	// and a doubt about the receiver.
	probe := slices.Concat(wire.AppendLocate(nil, 1), located, update, print)
	cells := make([]uint64, wire.MaxCells)
	evidence := wire.Evidence{
		Incarnation: most32, Pings: most32, Span: time.Hour, Seats: 255, Count: wire.MaxVotes,
	}
	for i := range evidence.Votes {
		evidence.Votes[i] = wire.Vote{Pings: most32, Span: time.Hour}
	}
	branch := wire.Branch{Origin: 1, Generation: most64, First: most64, Count: 1}
	branch.Bits, branch.Prefix = 64, most64
	body := make([]byte, wire.MaxPiece)
	entry := wire.KeyEntry{Version: most64, TTL: 1 << 40, Part: true, Total: 64 << 10,
		Offset: 64 << 10}
	largest := map[wire.Type][][]byte{
		wire.TypePing:    {probe, wire.AppendPing(nil, most32)},
		wire.TypeAck:     {probe, wire.AppendAck(nil, most32)},
		wire.TypePingReq: {probe, wire.AppendPingReq(nil, wire.PingReq{})},
		wire.TypeNack:    {probe, wire.AppendNack(nil, most32)},
		wire.TypeLease:   {probe, wire.AppendLease(nil, wire.Lease{})},
		wire.TypeInquiry: {probe, wire.AppendInquiry(nil, wire.Inquiry{Age: 1<<32 - 1})},
		wire.TypeFinding: {probe, wire.AppendFinding(nil,
			wire.Finding{Pings: most32, Span: time.Hour})},
		wire.TypeCounters: {probe, wire.BeginCounters(nil, most32),
			make([]byte, wire.MaxCounter)},
		wire.TypeFingerprint: {print, record}, // a note of what is held of the receiver
		wire.TypeUpdate:      {update, print},
		wire.TypeRecord:      {record, print},
		wire.TypeEvidence:    {update, wire.AppendEvidence(nil, &evidence)},
		wire.TypeRequest:     {wire.AppendRequest(nil, make([]member.ID, wire.MaxRequest))},
		wire.TypeJoin: {wire.AppendJoin(nil, &wire.Join{
			Cluster: bytes.Repeat([]byte("c"),
				wire.MaxCluster), HasCookie: true, Settings: make(wire.Hashes, 2*wire.MaxSettings),
		}, &r, most32)},
		wire.TypeWelcome: {wire.AppendWelcome(nil,
			&wire.Welcome{Seen: lark.Addr, Settings: make(wire.Hashes,
				2*wire.MaxSettings)}), record, print},
		wire.TypeChallenge: {wire.AppendChallenge(nil, &wire.Challenge{Seen: lark.Addr})},
		wire.TypeMerged:    {wire.AppendMerged(nil, wire.Merged{})},
		wire.TypeRefuse: {wire.AppendRefuse(nil,
			&wire.Refuse{Generation: most64, Text: make([]byte, 60), Seen: lark.Addr})},
		wire.TypeConflict: {wire.AppendConflict(nil, &wire.Conflict{Uptime: most64}, &r, most32)},
		wire.TypeMistaken: {wire.AppendMistaken(nil,
			wire.Mistaken{Instance: most32, ClusterID: most64}), record},
		wire.TypeUnopened: {wire.AppendUnopened(nil)},
		wire.TypeSketch: {wire.AppendSketch(nil, &wire.View{}, cells,
			make([]uint32, wire.EstimateWords))},
		wire.TypeList:    {wire.AppendList(nil, &wire.View{}, cells)},
		wire.TypeWant:    {wire.AppendWant(nil, 0, make([]uint32, wire.MaxWant))},
		wire.TypePush:    {wire.BeginPush(nil, true), record, wire.AppendDone(nil, wire.Range{})},
		wire.TypeDone:    {wire.AppendDone(nil, wire.Range{})},
		wire.TypeBusy:    {wire.AppendBusy(nil, wire.Range{}, 1<<16-1)},
		wire.TypeBorrow:  {wire.AppendLoan(nil, wire.TypeBorrow, wire.Loan{})},
		wire.TypeLend:    {wire.AppendLoan(nil, wire.TypeLend, wire.Loan{})},
		wire.TypeSilence: {wire.AppendSilence(nil, wire.Silence{})},
		wire.TypeAlarm:   {wire.AppendAlarm(nil, wire.Alarm{})},
		wire.TypePad: {wire.AppendPad(nil, &wire.Pad{Number: most32, Over: 1<<16 - 1},
			wire.MinRoom-wire.HeaderSize)},
		wire.TypeSeen: {wire.AppendSeen(nil, &wire.Seen{From: lark.Addr},
			wire.MinRoom-wire.HeaderSize)},
		wire.TypeAcross: {wire.AppendAcross(nil, 6)},
		wire.TypeBridge: {wire.AppendBridge(nil, &wire.Bridge{Family: 6,
			Lacks: make([]byte, 8*wire.MaxLacks)})},
		wire.TypeLocate:  {probe},
		wire.TypeLocated: {probe},
		wire.TypeCarry:   {wire.AppendBody(wire.BeginCarry(nil, &branch), body)},
		wire.TypeOffer:   {wire.AppendOffer(nil, &branch)},
		wire.TypeConfirm: {make([]byte, wire.ConfirmSize+wire.MaxConfirmed)},
		wire.TypeHeads:   {probe, make([]byte, wire.HeadsSize+wire.HeadSize)},
		wire.TypeAsk:     {wire.AppendAsk(nil, wire.Ask{})},
		wire.TypePage:    {make([]byte, wire.PageSize+8*wire.HeadSize)}, // all lives of an origin
		wire.TypePull: {wire.AppendRun(
			wire.BeginPull(nil, &wire.Pull{Generation: most64,
				Limit: most32}), 0, wire.Run{From: most64, To: most64})},
		wire.TypeSupply:    {wire.AppendSupplied(wire.BeginSupply(nil), 0, most64, body)},
		wire.TypeKeySketch: {wire.AppendKeySketch(nil, &wire.View{}, cells)},
		wire.TypeKeyDigest: {make([]byte, wire.KeyDigestSize+wire.MaxKeyMark)},
		wire.TypeDeltas: {wire.AppendKeyEntry(wire.AppendDelta(wire.BeginDeltas(nil, most64),
			&wire.Delta{
				Floor: most64, To: most64, Count: 1}), 0, &entry, strings.Repeat("k", 128),
			strings.Repeat("v", 256))},
	}
	for mt, parts := range largest {
		n := wire.HeaderSize
		for _, p := range parts {
			n += len(p)
		}
		if n > wire.MinRoom || wire.OnWire(n, true) > wire.MinMTU {
			t.Errorf("the largest datagram with a message of type %#02x has %d bytes, %d are "+
				"allowed", uint8(mt), n, wire.MinRoom)
		}
	}
	for _, v := range goldenVectors(t) {
		if mt := wire.Type(v.bytes[0]); !v.datagram && largest[mt] == nil {
			t.Errorf("nobody says how large a message of type %#02x can be", uint8(mt))
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	whole := headerFrom(wren, robin)
	for n := range wire.HeaderSize {
		if _, _, err := wire.Open(whole[:n]); !errors.Is(err, wire.ErrShort) {
			t.Errorf("a datagram of %d bytes: %v, want %v", n, err, wire.ErrShort)
		}
	}
	for _, first := range []byte{0, 0xA0, 0xA1, 0xA2, 0xA4, 0xff} {
		other := slices.Clone(whole)
		other[0] = first
		if _, _, err := wire.Open(other); !errors.Is(err, wire.ErrMagic) {
			t.Errorf("a datagram that begins with %#02x: %v, want %v", first, err, wire.ErrMagic)
		}
	}
}

// A reader steps over a type of a later version to the message behind it.
func TestUnknownTypeIsSkipped(t *testing.T) {
	for _, v := range goldenVectors(t) {
		if v.datagram {
			continue
		}
		b := appendRaw(headerFrom(wren, robin), 0xfe, bytes.Repeat([]byte{1}, 300))
		want := "unknown fe\n" + v.describe()
		if _, got, _ := strings.Cut(describeDatagram(append(b, v.bytes...)), "\n"); got != want {
			t.Errorf("%s behind an unknown type is read as\n%swant\n%s", v.name, got, want)
		}
	}
}

// openEnded are the types whose body ends in a list that goes to the body's end: what is cut off it
// is missing, and what is added to it belongs to it.
var openEnded = []wire.Type{
	wire.TypeRequest, wire.TypeWant, wire.TypeList, wire.TypePush, wire.TypeHeads, wire.TypePage,
	wire.TypePull, wire.TypeSupply,
	wire.TypeKeySketch, wire.TypeKeyDigest, wire.TypeDeltas, wire.TypeBridge,
}

// wholeEntries are those of them that say so when the last entry of the list is cut short.
var wholeEntries = []wire.Type{wire.TypePush, wire.TypeHeads, wire.TypePage, wire.TypePull,
	wire.TypeSupply, wire.TypeKeyDigest, wire.TypeDeltas}

func TestLongerBodyIsAccepted(t *testing.T) {
	for _, v := range goldenVectors(t) {
		if v.datagram {
			continue
		}
		mt, body := wire.Type(v.bytes[0]), wire.Body(v.bytes)
		most := 40 // an estimate may follow a sketch, and is longer
		switch {
		case slices.Contains(wholeEntries, mt):
			continue
		case slices.Contains(openEnded, mt):
			most = 3 // too short for one more
		case mt == wire.TypeFingerprint && len(body) < 12:
			most = 7 // that of keys may follow
		case mt == wire.TypeLocated && len(body) < 28:
			most = 12 // where it stands outside may follow
		}
		want, _ := describe(mt, body)
		for extra := 1; extra <= most; extra++ {
			got, ok := describe(mt, append(slices.Clone(body),
				bytes.Repeat([]byte{0xaa}, extra)...))
			if !ok || got != want {
				t.Errorf("%s with %d more bytes is read as %q, %t; want %q", v.name, extra,
					got, ok, want)
			}
		}
	}
}

func TestTruncatedBodyIsRefused(t *testing.T) {
	for _, v := range goldenVectors(t) {
		mt, body := wire.Type(v.bytes[0]), wire.Body(v.bytes)
		if v.datagram || slices.Contains(openEnded, mt) {
			continue
		}
		whole, _ := describe(mt, body)
		withoutEstimate, _, _ := strings.Cut(whole, " estimate=")
		withoutKeys, _, _ := strings.Cut(whole, " keys=")
		withoutOutside, _, _ := strings.Cut(whole, " outside=")
		withoutTry, _ := strings.CutSuffix(whole, " try")
		for n := range body {
			got, ok := describe(mt, body[:n])
			if ok && mt == wire.TypeSketch && got == withoutEstimate+" estimate=[]" {
				continue // the estimate may be missing
			}
			if ok && got == withoutKeys && got != whole {
				continue // the same with the fingerprint of keys
			}
			if ok && got == withoutOutside && got != whole {
				continue // the same with where it stands outside
			}
			if ok && mt == wire.TypeAck && got == withoutTry && got != whole {
				continue // the flags may be missing
			}
			if ok {
				t.Errorf("%s cut to %d of %d bytes is read as %q", v.name, n, len(body), got)
			}
		}
	}
}

// What a shortened list reads is the beginning of the whole.
func TestTruncatedListReadsItsBeginning(t *testing.T) {
	ids := []member.ID{1, 2, 3}
	request := wire.Body(wire.AppendRequest(nil, ids))
	want := wire.Body(wire.AppendWant(nil, 9, []uint32{1, 2, 3}))
	list := wire.Body(wire.AppendList(nil, &wire.View{Count: 3}, []uint64{1, 2, 3}))
	for n := range request {
		if got := readRequest(request[:n]); !slices.Equal(got, ids[:n/8]) {
			t.Errorf("%d bytes of a request are read as %v", n, got)
		}
	}
	for n := range want {
		_, got, ok := wire.ReadWant(want[:n], nil)
		if ok != (n >= 4) || ok && !slices.Equal(got, []uint32{1, 2, 3}[:(n-4)/4]) {
			t.Errorf("%d bytes of a want are read as %v, %t", n, got, ok)
		}
	}
	for n := range list {
		if _, got, ok := wire.ReadList(list[:n]); ok {
			t.Errorf("%d bytes of a list are read as %v, against its count", n, words(got))
		}
	}
}

// A datagram cut anywhere yields whole messages alone, the first ones of it, and says that it was
// cut short.
func TestTruncatedDatagram(t *testing.T) {
	for _, v := range goldenVectors(t) {
		whole := v.inDatagram()
		lines := strings.SplitAfter(describeDatagram(whole), "\n")
		boundaries := map[int]int{wire.HeaderSize: 1} // of messages; how many lines stand before
		for at, n := wire.HeaderSize, 1; at < len(whole); n++ {
			at += wire.SizeOf(len(wire.Body(whole[at:])))
			boundaries[at] = n + 1
		}
		kept := 1
		for n := wire.HeaderSize; n < len(whole); n++ {
			cut := "cut short\n"
			if k, ok := boundaries[n]; ok {
				kept, cut = k, ""
			}
			if got, want := describeDatagram(whole[:n]), strings.Join(lines[:kept],
				"")+cut; got != want {
				t.Fatalf("%s cut to %d bytes is read as\n%swant\n%s", v.title(), n, got, want)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	update := func(state byte, rest ...byte) []byte {
		return append([]byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, state}, rest...)
	}
	overlong := bytes.Repeat([]byte{0xff}, 10)
	tests := []struct {
		name string
		t    wire.Type
		body []byte
	}{
		{"a state of a later version", wire.TypeUpdate, update(4, 0, 0)},
		{"an incarnation over 32 bits", wire.TypeUpdate,
			update(0, 0, 0x80, 0x80, 0x80, 0x80, 0x10)},
		{"an age over 32 bits", wire.TypeUpdate, update(2, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x10)},
		{"a number over 64 bits", wire.TypeUpdate, update(0, append(overlong, 0, 0)...)},
		{"a generation that nobody believes", wire.TypeUpdate,
			update(0, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40, 0)},
		{"nobody", wire.TypeUpdate, append(make([]byte, 12), 0, 0, 0)},
		{"an address of 5 bytes", wire.TypeRecord,
			[]byte{0, 0, 0, 1, 'a', 5, 1, 2, 3, 4, 5, 0, 1, 0, 0, 1}},
		{"a name longer than the body", wire.TypeRecord,
			[]byte{0, 0, 0, 200, 'a', 4, 1, 2, 3, 4, 0, 1, 0, 0, 1}},
		{"a length over 63 bits", wire.TypeRecord,
			append([]byte{0, 0, 0}, append(overlong[:9:9], 1)...)},
		{"a range of 17 bits", wire.TypeDone, []byte{17, 0, 0}},
		{"a prefix longer than its range", wire.TypeDone, []byte{3, 0, 8}},
		{"a sketch of too many cells", wire.TypeSketch,
			append([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, wire.MaxCells + 1},
				make([]byte, 8*wire.MaxCells+8)...)},
		{"a list of too many items", wire.TypeList,
			append([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, wire.MaxCells + 1},
				make([]byte, 8*wire.MaxCells+8)...)},
		{"a list against its count", wire.TypeList,
			append([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 2}, make([]byte, 8)...)},
	}
	for _, tt := range tests {
		if text, ok := describe(tt.t, tt.body); ok {
			t.Errorf("%s is read as %q", tt.name, text)
		}
	}
}

// Forged numbers do not make a reader do more than the bound.
func TestReadersAreBounded(t *testing.T) {
	if n := len(readRequest(make([]byte, 8*(wire.MaxRequest+5)))); n != wire.MaxRequest {
		t.Errorf("a request asks for %d records, at most %d are allowed", n, wire.MaxRequest)
	}
	if _, got, _ := wire.ReadWant(make([]byte, 4+4*(wire.MaxWant+5)),
		nil); len(got) != wire.MaxWant {
		t.Errorf("a want asks for %d records, at most %d are allowed", len(got), wire.MaxWant)
	}
	if n := len(wire.AppendRequest(nil, make([]member.ID,
		wire.MaxRequest+5))); n != wire.MessageSize+8*wire.MaxRequest {
		t.Errorf("a request of more than the bound has %d bytes", n)
	}
	if n := len(wire.AppendWant(nil, 0, make([]uint32,
		wire.MaxWant+5))); n != wire.MessageSize+4+4*wire.MaxWant {
		t.Errorf("a want of more than the bound has %d bytes", n)
	}
}

func TestRecordFact(t *testing.T) {
	read := func(r member.Record, c wire.Claim) wire.Record {
		m, ok := wire.ReadRecord(wire.Body(wire.AppendRecord(nil, &r, &c)))
		if !ok {
			t.Fatalf("%v is not read", r)
		}
		return m
	}
	m := read(robin, wire.Claim{State: member.Left, Incarnation: 9})
	fact, err := m.Fact()
	if want := (member.Fact{Record: member.Share(robin), Incarnation: 9,
		State: member.Left}); err != nil || fact != want {
		t.Errorf("%v, %v; want %v", fact, err, want)
	}
	for _, bad := range []func(r *member.Record){
		func(r *member.Record) { r.Name = "" },
		func(r *member.Record) { r.Name = strings.Repeat("n", member.MaxName+1) },
		func(r *member.Record) { r.Tags = "\x01" },
		func(r *member.Record) { r.Addr = netip.MustParseAddrPort("0.0.0.0:7747") },
	} {
		r := robin
		bad(&r)
		m := read(r, wire.Claim{})
		if fact, err := m.Fact(); !errors.Is(err, member.ErrRecord) {
			t.Errorf("a fact of %v: %v, %v", r, fact, err)
		}
	}
}

// An IPv4 address that came mapped into IPv6 is written as IPv4, and one with a zone without it.
func TestAddressesAreWrittenOneWay(t *testing.T) {
	written := func(addr netip.AddrPort) string {
		r := robin
		r.Addr = addr
		return string(wire.AppendRecord(nil, &r, &wire.Claim{}))
	}
	for _, tt := range []struct{ addr, same string }{
		{"[::ffff:10.0.0.2]:7747", "10.0.0.2:7747"},
		{"[fe80::1%eth0]:7747", "[fe80::1]:7747"},
	} {
		if written(netip.MustParseAddrPort(tt.addr)) != written(netip.MustParseAddrPort(tt.same)) {
			t.Errorf("%s is not written as %s", tt.addr, tt.same)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	buf := make([]byte, 0, wire.DefaultMTU)
	alive, suspect := updateOf(robin, wire.Claim{Incarnation: 2}), updateOf(lark,
		wire.Claim{State: member.Suspect, Accuser: 1})
	claim := wire.Claim{Incarnation: 2}
	branch := wire.Branch{Origin: 1, Generation: 2, First: 3, Count: 1}
	for name, encode := range map[string]func(b []byte) []byte{
		"ping": func(b []byte) []byte { return wire.AppendPing(b, 7) },
		"ack":  func(b []byte) []byte { return wire.AppendAck(b, 7) },
		"fingerprint": func(b []byte) []byte {
			return wire.AppendFingerprint(b,
				wire.Fingerprint{Hash: 1, Live: 2})
		},
		"update": func(b []byte) []byte {
			return wire.AppendUpdate(wire.AppendUpdate(b,
				alive), suspect)
		},
		"record": func(b []byte) []byte { return wire.AppendRecord(b, &robin, &claim) },
		"carry": func(b []byte) []byte {
			return wire.EndCarry(wire.AppendBody(wire.BeginCarry(b, &branch), b[:5]), len(b))
		},
	} {
		if n := testing.AllocsPerRun(100, func() {
			encode(wire.AppendHeader(buf,
				wire.Header{}))
		}); n != 0 {
			t.Errorf("encoding a %s: %v allocations", name, n)
		}
	}
	for _, v := range goldenVectors(t) {
		datagram := v.inDatagram()
		for n := range len(datagram) + 1 {
			if allocs := testing.AllocsPerRun(1, func() { readAll(datagram[:n]) }); allocs != 0 {
				t.Errorf("decoding %s, %d of %d bytes: %v allocations", v.title(), n,
					len(datagram), allocs)
			}
		}
	}
}
