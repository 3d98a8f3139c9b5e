package wire_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

func streamVectors() []vector {
	heads := []wire.Head{
		// it holds none any more
		{Origin: idOf(lark), Generation: lark.Generation, Low: 8, High: 7},
		{Origin: idOf(wren), Generation: wren.Generation, Low: 200, High: 300},
	}
	add := func(b []byte) []byte {
		for i := range heads {
			b = wire.AppendHead(b, &heads[i])
		}
		return b
	}
	pull := wire.BeginPull(nil, &wire.Pull{Ticket: 0x01020304, Origin: idOf(wren),
		Generation: wren.Generation, Limit: 32768})
	pull = wire.AppendRun(wire.AppendRun(pull, 0, wire.Run{From: 250, To: 250}), 250,
		wire.Run{From: 260, To: 263})
	supply := wire.AppendSupplied(wire.BeginSupply(nil), 0, 250, []byte("hello"))
	supply = wire.AppendSupplied(supply, 250, 261, []byte("world"))
	return []vector{
		{name: "heads", bytes: wire.EndHeads(add(wire.BeginHeads(nil, 0x0123456789abcdef)), 0)},
		{name: "ask", bytes: wire.AppendAsk(nil, wire.Ask{From: idOf(lark), All: true,
			Back: 1600 * time.Millisecond})},
		{name: "page", bytes: wire.EndPage(add(wire.BeginPage(nil)), 0,
			&wire.Page{From: idOf(lark), To: ^member.ID(0), All: true, Settled: true})},
		{name: "pull", bytes: wire.EndPull(pull, 0)},
		{name: "supply", bytes: wire.EndSupply(supply, 0, &wire.Supply{
			Ticket: 0x01020304, Done: true, Range: wire.Run{From: 250, To: 263},
			Head: wire.Head{Origin: idOf(wren), Generation: wren.Generation, Low: 200, High: 300},
		})},
		{name: "supply-busy", bytes: wire.EndSupply(wire.BeginSupply(nil), 0, &wire.Supply{
			Ticket: 0x01020304, Done: true, Busy: true, Range: wire.Run{From: 250, To: 263},
			Head: wire.Head{Origin: idOf(wren), Generation: wren.Generation, Low: 1},
		})},
	}
}

func readStreamHeads(r wire.HeadReader) (list []wire.Head, ok bool) {
	for h, ok := r.Next(); ok; h, ok = r.Next() {
		list = append(list, h)
	}
	return list, !r.Malformed()
}

func describeHeads(list []wire.Head) string {
	var b strings.Builder
	for _, h := range list {
		fmt.Fprintf(&b, " head(origin=%016x generation=%d low=%d high=%d)", uint64(h.Origin),
			h.Generation, h.Low, h.High)
	}
	return b.String()
}

func readRuns(r wire.RunReader) (list []wire.Run, ok bool) {
	for run, ok := r.Next(); ok; run, ok = r.Next() {
		list = append(list, run)
	}
	return list, !r.Malformed()
}

func describeStream(t wire.Type, body []byte) (text string, ok bool) {
	switch t {
	case wire.TypeHeads:
		hash, r, ok := wire.ReadHeads(body)
		list, whole := readStreamHeads(r)
		return fmt.Sprintf("Heads hash=%016x%s", hash, describeHeads(list)), ok && whole
	case wire.TypeAsk:
		m, ok := wire.ReadAsk(body)
		return fmt.Sprintf("Ask from=%016x all=%t", uint64(m.From), m.All), ok
	case wire.TypePage:
		m, r, ok := wire.ReadPage(body)
		list, whole := readStreamHeads(r)
		return fmt.Sprintf("Page from=%016x to=%016x all=%t settled=%t%s",
			uint64(m.From), uint64(m.To), m.All, m.Settled, describeHeads(list)), ok && whole
	case wire.TypePull:
		m, r, ok := wire.ReadPull(body)
		runs, whole := readRuns(r)
		return fmt.Sprintf("Pull ticket=%08x origin=%016x generation=%d limit=%d runs=%d",
			m.Ticket, uint64(m.Origin), m.Generation, m.Limit, runs), ok && whole
	case wire.TypeSupply:
		m, r, ok := wire.ReadSupply(body)
		text := fmt.Sprintf("Supply ticket=%08x done=%t busy=%t%s range=%d",
			m.Ticket, m.Done, m.Busy, describeHeads([]wire.Head{m.Head}), m.Range)
		for seq, body, more := r.Next(); more; seq, body, more = r.Next() {
			text += fmt.Sprintf(" %d=%q", seq, body)
		}
		return text, ok && !r.Malformed()
	}
	panic("not a message of streams")
}

func rewriteStream(b []byte, t wire.Type, body []byte) []byte {
	start := len(b)
	heads := func(b []byte, r wire.HeadReader) []byte {
		list, _ := readStreamHeads(r)
		for i := range list {
			b = wire.AppendHead(b, &list[i])
		}
		return b
	}
	switch t {
	case wire.TypeHeads:
		hash, r, _ := wire.ReadHeads(body)
		return wire.EndHeads(heads(wire.BeginHeads(b, hash), r), start)
	case wire.TypeAsk:
		m, _ := wire.ReadAsk(body)
		return wire.AppendAsk(b, m)
	case wire.TypePage:
		m, r, _ := wire.ReadPage(body)
		return wire.EndPage(heads(wire.BeginPage(b), r), start, &m)
	case wire.TypePull:
		m, r, _ := wire.ReadPull(body)
		b = wire.BeginPull(b, &m)
		after := uint64(0)
		for run, ok := r.Next(); ok; run, ok = r.Next() {
			b = wire.AppendRun(b, after, run)
			after = run.To
		}
		return wire.EndPull(b, start)
	}
	m, r, _ := wire.ReadSupply(body)
	b = wire.BeginSupply(b)
	after := uint64(0)
	for seq, body, ok := r.Next(); ok; seq, body, ok = r.Next() {
		b = wire.AppendSupplied(b, after, seq, body)
		after = seq
	}
	return wire.EndSupply(b, start, &m)
}

// touchStream reads all of a message without making text of it.
func touchStream(t wire.Type, body []byte) (n uint64) {
	var heads wire.HeadReader
	switch t {
	case wire.TypeHeads:
		_, heads, _ = wire.ReadHeads(body)
	case wire.TypePage:
		_, heads, _ = wire.ReadPage(body)
	case wire.TypeAsk:
		m, _ := wire.ReadAsk(body)
		return uint64(m.From)
	case wire.TypePull:
		_, runs, _ := wire.ReadPull(body)
		for run, ok := runs.Next(); ok; run, ok = runs.Next() {
			n += run.From
		}
	case wire.TypeSupply:
		_, pieces, _ := wire.ReadSupply(body)
		for seq, _, ok := pieces.Next(); ok; seq, _, ok = pieces.Next() {
			n += seq
		}
	}
	for h, ok := heads.Next(); ok; h, ok = heads.Next() {
		n += h.High
	}
	return n
}

func TestStreamRoundTrip(t *testing.T) {
	check := func(origin, generation, low, count, ticket uint64, all bool) bool {
		h := wire.Head{Origin: member.ID(origin | 1), Generation: generation, Low: low>>1 | 1,
			High: low>>1 | 1 + count>>2}
		_, r, ok := wire.ReadHeads(wire.Body(wire.EndHeads(wire.AppendHead(wire.BeginHeads(nil,
			ticket), &h), 0)))
		got, whole := readStreamHeads(r)
		s := wire.Supply{Ticket: uint32(ticket), Busy: all, Done: !all, Head: h,
			Range: wire.Run{From: low, To: max(low, count)}}
		gs, _, oks := wire.ReadSupply(wire.Body(wire.EndSupply(wire.BeginSupply(nil), 0, &s)))
		a := wire.Ask{From: h.Origin, All: all, Back: time.Duration(h.Low%1000) * time.Millisecond}
		ga, oka := wire.ReadAsk(wire.Body(wire.AppendAsk(nil, a)))
		run := wire.Run{From: low>>1 | 1, To: low>>1 | 1 + count>>2}
		_, rr, okp := wire.ReadPull(wire.Body(wire.EndPull(wire.AppendRun(wire.BeginPull(nil,
			&wire.Pull{Origin: 1}), 0, run), 0)))
		runs, wholeRuns := readRuns(rr)
		return ok && whole && len(got) == 1 && got[0] == h && oks && gs == s && oka && ga == a &&
			okp && wholeRuns && len(runs) == 1 && runs[0] == run
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}

// What is cut short is refused, or read up to the last whole entry of its list.
func TestStreamRefusesWhatIsBroken(t *testing.T) {
	least := map[string]int{"heads": 8, "ask": 9, "page": 17, "pull": 21, "supply": 53,
		"supply-busy": 53}
	for _, v := range streamVectors() {
		body := wire.Body(v.bytes)
		for n := range body {
			if _, ok := describe(wire.Type(v.bytes[0]), body[:n]); ok && n < least[v.name] {
				t.Errorf("%s with %d of %d bytes is taken", v.name, n, len(body))
			}
		}
	}
	huge := wire.Head{Origin: 1, Low: 1 << 63, High: 1<<64 - 1}
	_, r, _ := wire.ReadHeads(wire.Body(wire.EndHeads(wire.AppendHead(wire.BeginHeads(nil, 0),
		&huge), 0)))
	if _, ok := r.Next(); ok {
		t.Error("a stream that ends beyond all numbers is taken")
	}
	b := wire.AppendRun(wire.BeginPull(nil, &wire.Pull{Origin: 1}), 0, wire.Run{From: 5, To: 6})
	_, runs, _ := wire.ReadPull(wire.Body(wire.EndPull(wire.AppendRun(b, 6,
		wire.Run{From: 6, To: 7}), 0)))
	if list, ok := readRuns(runs); ok || len(list) != 1 {
		t.Errorf("runs %v that overlap are taken", list)
	}
}
