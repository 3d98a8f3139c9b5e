package wire_test

import (
	"bytes"
	"fmt"
	"testing"
	"testing/quick"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

func treeVectors() []vector {
	m := wire.Branch{
		Origin: idOf(wren), Generation: wren.Generation, First: 300, Span: wire.Span{Bits: 5,
			Prefix: 0xd8 << 56},
		Attempt: 1, Loss: 2, Count: 2,
	}
	carry := wire.AppendBody(wire.AppendBody(wire.BeginCarry(nil, &m), []byte("hello")),
		[]byte("world"))
	alone := m
	alone.Span, alone.Attempt, alone.Count = wire.Span{Bits: wire.SpanSelf}, 0, 1
	extra := alone
	extra.Bits = wire.SpanNone
	alone.MayDelayAck = true
	mixed := m
	mixed.First, mixed.Span, mixed.Mixed = 7, wire.Span{}, true
	mix := wire.BeginCarry(nil, &mixed)
	for seq, body := range []string{"hello", "world"} {
		mix = wire.AppendItem(mix, &wire.Piece{Origin: idOf(lark), Generation: lark.Generation,
			Seq: uint64(300 + seq), Body: []byte(body)})
	}
	confirm := wire.AppendConfirmed(wire.BeginConfirm(nil, instanceOf(wren)), 0,
		&wire.Confirmed{First: 300, Bits: wire.SpanSelf})
	confirm = wire.AppendConfirmed(confirm, 0, &wire.Confirmed{
		First: 301, Attempt: 1, Bits: 5, Of: 30, Have: 28, Digest: 0xcafe,
		Missing: []byte("\x64\x2f\xd9\xcc\x40\x62\x74\xb4"),
	})
	return []vector{
		{name: "carry", bytes: wire.EndCarry(carry, 0)},
		{name: "carry-self", bytes: wire.EndCarry(wire.AppendBody(wire.BeginCarry(nil, &alone),
			[]byte("hello")), 0)},
		{name: "carry-extra", bytes: wire.EndCarry(wire.AppendBody(wire.BeginCarry(nil,
			&extra), []byte("hello")), 0)},
		{name: "carry-mixed", bytes: wire.EndCarry(mix, 0)},
		{name: "offer", bytes: wire.AppendOffer(nil, &m)},
		{name: "confirm", bytes: confirm},
		{name: "confirm-taken", bytes: wire.AppendConfirmed(wire.BeginConfirm(nil,
			instanceOf(wren)), 0,
			&wire.Confirmed{First: 300, Bits: 5, Verdict: wire.DutyTaken})},
	}
}

func describeTree(t wire.Type, body []byte) (text string, ok bool) {
	switch t {
	case wire.TypeOffer:
		m, ok := wire.ReadOffer(body)
		return "Offer " + describeBranch(&m), ok
	case wire.TypeConfirm:
		m, ok := wire.ReadConfirm(body)
		text := fmt.Sprintf("Confirm instance=%08x", m.Instance)
		if ok {
			for c, more := m.Next(); more; c, more = m.Next() {
				text += fmt.Sprintf(" {first=%d attempt=%d verdict=%d bits=%d of=%d have=%d "+
					"digest=%04x missing=%x}",
					c.First, c.Attempt, c.Verdict, c.Bits, c.Of, c.Have, c.Digest, c.Missing)
			}
		}
		return text, ok
	}
	m, pieces, ok := wire.ReadCarry(body)
	text = "Carry " + describeBranch(&m)
	if ok {
		for range m.Count {
			p := pieces.Next()
			if m.Mixed {
				text += fmt.Sprintf(" %016x/%d/%d", uint64(p.Origin), p.Generation, p.Seq)
			}
			text += fmt.Sprintf(" %q", p.Body)
		}
	}
	return text, ok
}

func describeBranch(m *wire.Branch) string {
	text := fmt.Sprintf("origin=%016x generation=%d first=%d bits=%d prefix=%016x attempt=%d "+
		"loss=%d count=%d",
		uint64(m.Origin), m.Generation, m.First, m.Bits, m.Prefix, m.Attempt, m.Loss, m.Count)
	if m.MayDelayAck {
		text += " may-delay-ack"
	}
	if m.Mixed {
		text += " mixed"
	}
	return text
}

func rewriteTree(b []byte, t wire.Type, body []byte) []byte {
	start := len(b)
	switch t {
	case wire.TypeOffer:
		m, _ := wire.ReadOffer(body)
		return wire.AppendOffer(b, &m)
	case wire.TypeConfirm:
		m, _ := wire.ReadConfirm(body)
		b = wire.BeginConfirm(b, m.Instance)
		for c, more := m.Next(); more; c, more = m.Next() {
			b = wire.AppendConfirmed(b, start, &c)
		}
		return b
	}
	m, pieces, _ := wire.ReadCarry(body)
	b = wire.BeginCarry(b, &m)
	for range m.Count {
		if p := pieces.Next(); m.Mixed {
			b = wire.AppendItem(b, &p)
		} else {
			b = wire.AppendBody(b, p.Body)
		}
	}
	return wire.EndCarry(b, start)
}

func TestCarryRoundTrip(t *testing.T) {
	check := func(origin, generation uint64, first uint32, bits, attempt uint8, prefix uint64,
		bodies [3][]byte) bool {
		in := wire.Branch{
			Origin: member.ID(origin | 1), Generation: generation, First: uint64(first) +
				1, Attempt: attempt & 15, Loss: attempt & 3, MayDelayAck: attempt&4 != 0,
			Count: 3, Span: wire.Span{Bits: bits % 65}, Mixed: attempt&8 != 0,
		}
		in.Prefix = prefix &^ (1<<(64-in.Bits) - 1)
		size := wire.MaxBranch
		b := wire.BeginCarry(nil, &in)
		for i, body := range bodies {
			if in.Mixed {
				b = wire.AppendItem(b, &wire.Piece{Origin: in.Origin + member.ID(i),
					Generation: generation, Seq: uint64(first) + 1, Body: body})
				size += wire.MaxItem + len(body)
				continue
			}
			b = wire.AppendBody(b, body)
			size += wire.MaxBody + len(body)
		}
		b = wire.EndCarry(b, 0)
		out, got, ok := wire.ReadCarry(wire.Body(b))
		for i, body := range bodies {
			p, want := got.Next(), wire.Piece{Origin: in.Origin, Generation: generation,
				Seq: in.First + uint64(i)}
			if in.Mixed {
				want.Origin, want.Seq = in.Origin+member.ID(i), uint64(first)+1
			}
			ok = ok && bytes.Equal(p.Body, body) && p.Origin == want.Origin &&
				p.Generation == want.Generation && p.Seq == want.Seq
		}
		return ok && in == out && len(b) <= size
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}

func TestTreeRefusesWhatIsBroken(t *testing.T) {
	good := wire.Branch{Origin: 1, Generation: 2, First: 3,
		Span: wire.Span{Bits: 4, Prefix: 0xf << 60}, Count: 1}
	for what, spoil := range map[string]func(*wire.Branch){
		"no origin":            func(m *wire.Branch) { m.Origin = 0 },
		"no sequence":          func(m *wire.Branch) { m.First = 0 },
		"a sequence too high":  func(m *wire.Branch) { m.First = 1<<64 - 2 },
		"no piece":             func(m *wire.Branch) { m.Count = 0 },
		"too many pieces":      func(m *wire.Branch) { m.Count = wire.MaxParcel + 1 },
		"a prefix too long":    func(m *wire.Branch) { m.Prefix |= 1 << 59 },
		"a span that is none":  func(m *wire.Branch) { m.Bits = 65 },
		"an offer to nobody":   func(m *wire.Branch) { m.Bits = wire.SpanNone },
		"nothing wrong at all": func(*wire.Branch) {},
	} {
		m := good
		spoil(&m)
		if _, ok := wire.ReadOffer(wire.Body(wire.AppendOffer(nil, &m))); ok != (m == good) {
			t.Errorf("an Offer with %s: taken is %t", what, ok)
		}
	}
}
