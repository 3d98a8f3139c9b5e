package wire_test

import (
	"fmt"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/wire"
)

func keyVectors() []vector {
	part := wire.View{Range: wire.Range{Bits: 4, Prefix: 0xb}, Salt: 0x01020304, Count: 2}
	digest := wire.BeginKeyDigest(nil, wire.KeyDigest{Reply: true})
	digest = wire.AppendKeyMark(digest, &wire.KeyMark{Owner: idOf(robin),
		Instance: instanceOf(robin), Version: 300, Floor: 2})
	digest = wire.AppendKeyMark(digest, &wire.KeyMark{Owner: idOf(lark),
		Instance: instanceOf(lark), Version: 4, Part: 6, Offset: 1300})
	deltas := wire.AppendDelta(wire.BeginDeltas(nil, 0x00008127e06afc71),
		&wire.Delta{Owner: idOf(robin), Instance: instanceOf(robin), Floor: 2, From: 300,
			To: 303, Count: 2})
	deltas = wire.AppendKeyEntry(deltas, 300, &wire.KeyEntry{Version: 302, TTL: 10_000},
		"load", "0.7")
	deltas = wire.AppendKeyEntry(deltas, 302, &wire.KeyEntry{Version: 303, Deleted: true},
		"drain", "")
	large := wire.AppendDelta(wire.BeginDeltas(nil, 0),
		&wire.Delta{Owner: idOf(lark), Instance: instanceOf(lark), From: 4, To: 5, Count: 1,
			More: true})
	large = wire.AppendKeyEntry(large, 4, &wire.KeyEntry{Version: 6, Part: true, Total: 4000,
		Offset: 1300}, "conf", "a=b")
	return []vector{
		{name: "fingerprint-keys", bytes: wire.AppendFingerprint(nil,
			wire.Fingerprint{Hash: 0x0123456789abcdef, Live: 3, Keys: 0xfedcba9876543210})},
		{name: "key-sketch", bytes: wire.AppendKeySketch(nil, &part,
			[]uint64{0x1111111111111111, 2, 3, 0x4444444444444444})},
		{name: "key-digest", bytes: wire.EndKeyDigest(digest, 0)},
		{name: "deltas", bytes: wire.EndDeltas(deltas, 0)},
		{name: "deltas-part", bytes: wire.EndDeltas(large, 0)},
	}
}

func describeKeys(t wire.Type, body []byte) (text string, ok bool) {
	switch t {
	case wire.TypeKeySketch:
		v, cells, ok := wire.ReadKeySketch(body)
		text := fmt.Sprintf("KeySketch range=%d/%x salt=%08x count=%d", v.Bits, v.Prefix,
			v.Salt, v.Count)
		for i := range cells.Len() {
			text += fmt.Sprintf(" %016x", cells.At(i))
		}
		return text, ok
	case wire.TypeKeyDigest:
		m, r, ok := wire.ReadKeyDigest(body)
		text := fmt.Sprintf("KeyDigest reply=%t end=%016x", m.Reply, m.End)
		for k, more := r.Next(); more; k, more = r.Next() {
			text += fmt.Sprintf(" (owner=%016x instance=%08x version=%d floor=%d part=%d "+
				"offset=%d)",
				uint64(k.Owner), k.Instance, k.Version, k.Floor, k.Part, k.Offset)
		}
		return text, ok && !r.Malformed()
	}
	end, r, ok := wire.ReadDeltas(body)
	text = fmt.Sprintf("Deltas end=%016x", end)
	for d, more := r.Next(); more; d, more = r.Next() {
		text += fmt.Sprintf(" (owner=%016x instance=%08x floor=%d from=%d to=%d more=%t",
			uint64(d.Owner), d.Instance, d.Floor, d.From, d.To, d.More)
		for e, more := r.Entry(); more; e, more = r.Entry() {
			text += fmt.Sprintf(" %d:%q=%q deleted=%t ttl=%d part=%t/%d/%d", e.Version, e.Key,
				e.Value, e.Deleted, e.TTL, e.Part, e.Total, e.Offset)
		}
		text += ")"
	}
	return text, ok && !r.Malformed()
}

func rewriteKeys(b []byte, t wire.Type, body []byte) []byte {
	start := len(b)
	switch t {
	case wire.TypeKeySketch:
		v, cells, _ := wire.ReadKeySketch(body)
		v.Report = false
		var list []uint64
		for i := range cells.Len() {
			list = append(list, cells.At(i))
		}
		return wire.AppendKeySketch(b, &v, list)
	case wire.TypeKeyDigest:
		m, r, _ := wire.ReadKeyDigest(body)
		b = wire.BeginKeyDigest(b, m)
		for k, ok := r.Next(); ok; k, ok = r.Next() {
			b = wire.AppendKeyMark(b, &k)
		}
		return wire.EndKeyDigest(b, start)
	}
	end, r, _ := wire.ReadDeltas(body)
	b = wire.BeginDeltas(b, end)
	for d, ok := r.Next(); ok; d, ok = r.Next() {
		var list []wire.KeyEntry
		for e, ok := r.Entry(); ok; e, ok = r.Entry() {
			list = append(list, e)
		}
		d.Count = len(list)
		b = wire.AppendDelta(b, &d)
		after := d.From
		for i := range list {
			b = wire.AppendKeyEntry(b, after, &list[i], string(list[i].Key), string(list[i].Value))
			after = list[i].Version
		}
	}
	return wire.EndDeltas(b, start)
}

// touchKeys reads all of a message without making text of it.
func touchKeys(t wire.Type, body []byte) (n uint64) {
	switch t {
	case wire.TypeKeySketch:
		_, cells, _ := wire.ReadKeySketch(body)
		for i := range cells.Len() {
			n += cells.At(i)
		}
	case wire.TypeKeyDigest:
		_, r, _ := wire.ReadKeyDigest(body)
		for k, ok := r.Next(); ok; k, ok = r.Next() {
			n += k.Version
		}
	case wire.TypeDeltas:
		_, r, _ := wire.ReadDeltas(body)
		for d, ok := r.Next(); ok; d, ok = r.Next() {
			for e, ok := r.Entry(); ok; e, ok = r.Entry() {
				n += e.Version + d.To
			}
		}
	}
	return n
}

// A delta that breaks the rules of docs/protocol.md is refused.
func TestDeltasRefused(t *testing.T) {
	for name, e := range map[string]wire.KeyEntry{
		"beyond its end":         {Version: 9, Key: []byte("k")},
		"without a key":          {Version: 2},
		"with too long a key":    {Version: 2, Key: make([]byte, 129)},
		"with too large a value": {Version: 2, Key: []byte("k"), Value: make([]byte, 64<<10+1)},
		"with too long a life":   {Version: 2, Key: []byte("k"), TTL: 1<<40 + 1},
		"a part before its end": {Version: 2, Key: []byte("k"), Value: []byte("v"),
			Part: true, Total: 5},
		"a part over the value": {Version: 6, Key: []byte("k"), Value: []byte("v"),
			Part: true, Total: 5, Offset: 5},
		"a part of a huge value": {Version: 6, Key: []byte("k"), Value: []byte("v"),
			Part: true, Total: 1 << 20},
		"a part that has no bytes": {Version: 6, Key: []byte("k"), Part: true, Total: 5},
	} {
		b := wire.AppendDelta(wire.BeginDeltas(nil, 0),
			&wire.Delta{Owner: 1, From: 1, To: 5, Count: 1})
		b = wire.EndDeltas(wire.AppendKeyEntry(b, 1, &e, string(e.Key), string(e.Value)), 0)
		if _, ok := describeKeys(wire.TypeDeltas, wire.Body(b)); ok {
			t.Errorf("an entry %s is taken", name)
		}
	}
}
