package wire_test

// What is written is what is read, for every type of message.

import (
	"bytes"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

func genID() *rapid.Generator[member.ID] {
	return rapid.Custom(func(t *rapid.T) member.ID {
		return member.ID(rapid.Uint64Min(1).Draw(t, "id"))
	})
}

func genClaim() *rapid.Generator[wire.Claim] {
	return rapid.Custom(func(t *rapid.T) wire.Claim {
		c := wire.Claim{
			Generation:  rapid.Uint64Max(member.MaxGeneration).Draw(t, "generation"),
			Incarnation: rapid.Uint32().Draw(t, "incarnation"),
			State:       rapid.SampledFrom(member.States[:]).Draw(t, "state"),
		}
		switch c.State {
		case member.Suspect:
			c.Accuser = genID().Draw(t, "accuser")
		case member.Failed:
			c.Age = rapid.Uint32().Draw(t, "age")
			c.Cause = wire.Cause(rapid.Uint8Max(uint8(wire.CauseForgotten)).Draw(t, "cause"))
		case member.Left:
			c.Age = rapid.Uint32().Draw(t, "age")
		}
		return c
	})
}

func genAddr() *rapid.Generator[netip.AddrPort] {
	return rapid.Custom(func(t *rapid.T) netip.AddrPort {
		size := rapid.SampledFrom([]int{4, 16}).Draw(t, "size")
		ip, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "ip"))
		return netip.AddrPortFrom(ip.Unmap(), rapid.Uint16().Draw(t, "port"))
	})
}

func genRecord() *rapid.Generator[member.Record] {
	return rapid.Custom(func(t *rapid.T) member.Record {
		text := rapid.StringOfN(rapid.Rune(), -1, -1, member.MaxName)
		r := member.Record{
			Name:       text.Draw(t, "name"),
			Generation: rapid.Uint64Max(member.MaxGeneration).Draw(t, "generation"),
			Addr:       genAddr().Draw(t, "addr"),
			Outside:    rapid.OneOf(rapid.Just(netip.AddrPort{}), genAddr()).Draw(t, "outside"),
			Zone:       text.Draw(t, "zone"),
			Protocol:   rapid.Uint8().Draw(t, "protocol"),
		}
		pairs := rapid.MapOfN(rapid.StringMatching(`[a-z]{1,8}`), rapid.StringN(-1, -1, 100), 0,
			4).Draw(t, "tags")
		r.Tags, _ = member.NewTags(pairs)
		return r
	})
}

// sameRecord says whether a record and a claim were read as they were written.
func sameRecord(got *wire.Record, r *member.Record, c wire.Claim) bool {
	c.Generation = r.Generation
	return recordOf(got) == *r && got.Claim == c
}

func TestRoundTripHeader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := wire.Header{
			Cluster: rapid.Uint32().Draw(t, "cluster"), From: genID().Draw(t, "from"),
			Generation: rapid.Uint32().Draw(t, "generation"), To: rapid.Uint32().Draw(t, "to"),
		}
		b := wire.AppendHeader(nil, h)
		got, r, err := wire.Open(b)
		if err != nil || got != h || len(b) != wire.HeaderSize {
			t.Fatalf("%+v, %v; want %+v", got, err, h)
		}
		if _, _, ok := r.Next(); ok || r.Malformed() {
			t.Fatal("a message in a datagram without any")
		}
	})
}

func TestRoundTripNews(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := wire.Update{ID: genID().Draw(t, "id"), Check: rapid.Uint32().Draw(t, "check"),
			Claim: genClaim().Draw(t, "claim")}
		if got, ok := wire.ReadUpdate(body(t, wire.TypeUpdate,
			wire.AppendUpdate(nil, &u))); !ok || got != u {
			t.Fatalf("%+v, %t; want %+v", got, ok, u)
		}
		r, c := genRecord().Draw(t, "record"), genClaim().Draw(t, "claim")
		if got, ok := wire.ReadRecord(body(t, wire.TypeRecord,
			wire.AppendRecord(nil, &r, &c))); !ok || !sameRecord(&got, &r, c) {
			t.Fatalf("%+v, %t; want %+v %+v", got, ok, r, c)
		}
		ids := rapid.SliceOfN(genID(), 0, wire.MaxRequest).Draw(t, "ids")
		if got := readRequest(body(t, wire.TypeRequest,
			wire.AppendRequest(nil, ids))); !slices.Equal(got, ids) {
			t.Fatalf("%v; want %v", got, ids)
		}
	})
}

func TestRoundTripProbe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seq := rapid.Uint32().Draw(t, "seq")
		for _, mt := range []wire.Type{wire.TypePing, wire.TypeAck, wire.TypeNack} {
			if got, ok := wire.ReadSeq(body(t, mt, appendSeq(nil, mt, seq))); !ok || got != seq {
				t.Fatalf("%d, %t; want %d", got, ok, seq)
			}
		}
		p := wire.PingReq{Seq: seq, Target: genID().Draw(t, "target"),
			Instance: rapid.Uint32().Draw(t, "instance")}
		if got, ok := wire.ReadPingReq(body(t, wire.TypePingReq,
			wire.AppendPingReq(nil, p))); !ok || got != p {
			t.Fatalf("%+v, %t; want %+v", got, ok, p)
		}
		f := wire.Fingerprint{Hash: rapid.Uint64().Draw(t, "hash"),
			Live: rapid.Uint32Max(1<<24-1).Draw(t, "live")}
		if got, ok := wire.ReadFingerprint(body(t, wire.TypeFingerprint,
			wire.AppendFingerprint(nil, f))); !ok || got != f {
			t.Fatalf("%+v, %t; want %+v", got, ok, f)
		}
	})
}

func TestRoundTripEntry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, n := genRecord().Draw(t, "record"), rapid.Uint64().Draw(t, "number")
		inc, text := rapid.Uint32().Draw(t, "incarnation"), rapid.StringN(-1, -1, 255).Draw(t,
			"text")
		detector := rapid.Uint8().Draw(t, "detector")
		alive := wire.Claim{Incarnation: inc}
		var hashes wire.Hashes
		for range rapid.IntRange(0, wire.MaxSettings).Draw(t, "settings") {
			hashes = wire.AppendHash(hashes, uint16(n))
		}
		in := wire.Join{
			Detector: detector, Cluster: []byte(text), Number: inc, Merge: n%2 == 0,
			Alone: n%3 == 0, HasCookie: n%5 == 0, ClusterID: n,
			Settings: hashes,
		}
		if in.HasCookie {
			in.Cookie = n + 1
		}
		j, ok := wire.ReadJoin(body(t, wire.TypeJoin, wire.AppendJoin(nil, &in, &r, inc)))
		if !ok || !sameRecord(&j.Record, &r, alive) ||
			!reflect.DeepEqual(withoutRecord(j), withoutRecord(in)) {
			t.Fatalf("%+v, %t; want %+v of %+v %d", j, ok, in, r, inc)
		}
		ask := wire.Challenge{Number: inc, Cookie: n, ClusterID: n + 1, Live: inc % (1 << 24),
			Seen: r.Addr}
		ask.Seen = netip.AddrPortFrom(r.Addr.Addr().Unmap(), r.Addr.Port())
		if got, ok := wire.ReadChallenge(body(t, wire.TypeChallenge,
			wire.AppendChallenge(nil, &ask))); !ok || got != ask {
			t.Fatalf("%+v, %t; want %+v", got, ok, ask)
		}
		both := wire.Merged{New: n, Old: n + 1}
		if got, ok := wire.ReadMerged(body(t, wire.TypeMerged,
			wire.AppendMerged(nil, both))); ok != (n != 0 && n+1 != 0) || ok && got != both {
			t.Fatalf("%+v, %t; want %+v", got, ok, both)
		}
		c, ok := wire.ReadConflict(body(t, wire.TypeConflict,
			wire.AppendConflict(nil, &wire.Conflict{Number: inc, Uptime: n, Stop: inc%2 == 0,
				Asks: inc%3 == 0}, &r, inc)))
		if !ok || c.Number != inc || c.Uptime != n || c.Stop != (inc%2 == 0) ||
			c.Asks != (inc%3 == 0) || !sameRecord(&c.Record, &r, alive) {
			t.Fatalf("%+v, %t; want %d %+v %d", c, ok, n, r, inc)
		}
		reason := wire.Reason(detector)
		f, ok := wire.ReadRefuse(body(t, wire.TypeRefuse, wire.AppendRefuse(nil, &wire.Refuse{
			Number: inc, Reason: reason, Generation: n, Text: []byte(text), Seen: ask.Seen,
		})))
		if !ok || f.Number != inc || f.Seen != ask.Seen || f.Reason != reason ||
			f.Generation != n || string(f.Text) != text {
			t.Fatalf("%+v, %t; want %d %d %q", f, ok, reason, n, text)
		}
		hello := wire.Welcome{Number: inc, Live: inc + 1, ClusterID: n, Seen: ask.Seen,
			Settings: hashes}
		if got, ok := wire.ReadWelcome(body(t, wire.TypeWelcome,
			wire.AppendWelcome(nil, &hello))); !ok || !bytes.Equal(got.Settings, hashes) ||
			got.Number != inc || got.Live != inc+1 || got.ClusterID != n || got.Seen != ask.Seen {
			t.Fatalf("%+v, %t; want %+v", got, ok, hello)
		}
		if got, ok := wire.ReadMistaken(body(t, wire.TypeMistaken,
			wire.AppendMistaken(nil, wire.Mistaken{Instance: inc, ClusterID: 5}))); !ok ||
			got != (wire.Mistaken{Instance: inc, ClusterID: 5}) {
			t.Fatalf("%v, %t; want %d", got, ok, inc)
		}
	})
}

// withoutRecord is a Join but for its record, with no nil slices.
func withoutRecord(j wire.Join) wire.Join {
	j.Record = wire.Record{}
	j.Cluster, j.Settings = append([]byte{}, j.Cluster...), append(wire.Hashes{}, j.Settings...)
	return j
}

func TestRoundTripViews(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := wire.View{
			Range: genRange().Draw(t, "range"), Salt: rapid.Uint32().Draw(t, "salt"),
			Count: rapid.Uint32Max(1<<24-1).Draw(t, "count"), Report: rapid.Bool().Draw(t,
				"report"),
		}
		cells := rapid.SliceOfN(rapid.Uint64(), 0, wire.MaxCells).Draw(t, "cells")
		est := rapid.SliceOfN(rapid.Uint32(), wire.EstimateWords, wire.EstimateWords).Draw(t,
			"estimate")
		if rapid.Bool().Draw(t, "without") {
			est = nil
		}
		s, ok := wire.ReadSketch(body(t, wire.TypeSketch, wire.AppendSketch(nil, &v, cells, est)))
		if !ok || s.View != v || !slices.Equal(words(s.Cells), cells) ||
			!slices.Equal(estimate(&s), est) {
			t.Fatalf("%+v, %t; want %+v %v %v", s, ok, v, cells, est)
		}
		v.Count = uint32(len(cells))
		got, items, ok := wire.ReadList(body(t, wire.TypeList, wire.AppendList(nil, &v, cells)))
		if !ok || got != v || !slices.Equal(words(items), cells) {
			t.Fatalf("%+v %v, %t; want %+v %v", got, items, ok, v, cells)
		}
		tags := rapid.SliceOfN(rapid.Uint32(), 0, wire.MaxWant).Draw(t, "tags")
		salt, list, ok := wire.ReadWant(body(t, wire.TypeWant,
			wire.AppendWant(nil, v.Salt, tags)), nil)
		if !ok || salt != v.Salt || !slices.Equal(list, tags) {
			t.Fatalf("%d %v, %t; want %d %v", salt, list, ok, v.Salt, tags)
		}
	})
}

func TestRoundTripPush(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		answer, r := rapid.Bool().Draw(t, "answer"), genRecord().Draw(t, "record")
		claims := rapid.SliceOfN(genClaim(), 0, 5).Draw(t, "claims")
		b := wire.BeginPush(nil, answer)
		for i := range claims {
			b = wire.AppendRecord(b, &r, &claims[i])
		}
		got, records, ok := wire.ReadPush(body(t, wire.TypePush, wire.EndPush(b, 0)))
		if !ok || got != answer {
			t.Fatalf("%t, %t; want %t", got, ok, answer)
		}
		for i := range claims {
			mt, body, _ := records.Next()
			if m, ok := wire.ReadRecord(body); !ok || mt != wire.TypeRecord ||
				!sameRecord(&m, &r, claims[i]) {
				t.Fatalf("%+v, %t; want %+v %+v", m, ok, r, claims[i])
			}
		}
		if _, _, more := records.Next(); more || records.Malformed() {
			t.Fatal("more in a push than was put in")
		}
		g, retry := genRange().Draw(t, "range"), rapid.Uint16().Draw(t, "retry")
		if got, ok := wire.ReadDone(body(t, wire.TypeDone, wire.AppendDone(nil, g))); !ok ||
			got != g {
			t.Fatalf("%+v, %t; want %+v", got, ok, g)
		}
		if got, ms, ok := wire.ReadBusy(body(t, wire.TypeBusy,
			wire.AppendBusy(nil, g, retry))); !ok || got != g || ms != retry {
			t.Fatalf("%+v %d, %t; want %+v %d", got, ms, ok, g, retry)
		}
	})
}

func genRange() *rapid.Generator[wire.Range] {
	return rapid.Custom(func(t *rapid.T) wire.Range {
		bits := rapid.Uint8Max(wire.MaxRangeBits).Draw(t, "bits")
		return wire.Range{Bits: bits, Prefix: uint16(rapid.Uint32Max(1<<bits-1).Draw(t, "prefix"))}
	})
}

// body returns the body of a message, whose type and length must be right.
func body(t *rapid.T, want wire.Type, message []byte) []byte {
	_, r, err := wire.Open(append(headerFrom(wren, robin), message...))
	if err != nil {
		t.Fatal(err)
	}
	got, body, ok := r.Next()
	if !ok || got != want || wire.SizeOf(len(body)) != len(message) {
		t.Fatalf("type %#02x with %d of %d bytes, %t; want %#02x", got, len(body),
			len(message), ok, want)
	}
	return body
}
