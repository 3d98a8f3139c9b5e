package wire_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/wire"
)

func counterVectors() []vector {
	return []vector{{name: "counters", bytes: appendCounters(nil, 300, []wire.Counter{
		{ID: idOf(lark), Instance: instanceOf(lark), Count: 7}, {ID: idOf(robin),
			Instance: instanceOf(robin), Count: 300},
	})}}
}

func appendCounters(b []byte, own uint32, list []wire.Counter) []byte {
	start := len(b)
	b = wire.BeginCounters(b, own)
	for _, c := range list {
		b = wire.AppendCounter(b, c)
	}
	return wire.EndCounters(b, start, len(list))
}

func readCounters(body []byte) (own uint32, list []wire.Counter, ok bool) {
	own, ok = wire.ReadCounters(body, func(c wire.Counter) { list = append(list, c) })
	return own, list, ok
}

func describeCounters(body []byte) (text string, ok bool) {
	own, list, ok := readCounters(body)
	text = fmt.Sprintf("Counters own=%d", own)
	for _, c := range list {
		text += fmt.Sprintf(" (id=%016x instance=%08x count=%d)", uint64(c.ID), c.Instance, c.Count)
	}
	return text, ok
}

func rewriteCounters(b, body []byte) []byte {
	own, list, _ := readCounters(body)
	return appendCounters(b, own, list)
}

// What is written is read again, and a body that is cut short is refused.
func TestCounters(t *testing.T) {
	list := []wire.Counter{{ID: 1, Instance: 2, Count: 3},
		{ID: 4, Instance: 5, Count: 1<<32 - 1}, {ID: 6}}
	b := appendCounters(nil, 70000, list)
	body := wire.Body(b)
	if own, got, ok := readCounters(body); !ok || own != 70000 || !slices.Equal(got, list) {
		t.Errorf("read %d, %v, %t", own, got, ok)
	}
	for n := range body {
		if _, got, ok := readCounters(body[:n]); ok {
			t.Errorf("of %d bytes %v is read", n, got)
		}
	}
	if wire.MaxCounter != 17 {
		t.Errorf("a counter takes up to 17 bytes, and MaxCounter is %d", wire.MaxCounter)
	}
}
