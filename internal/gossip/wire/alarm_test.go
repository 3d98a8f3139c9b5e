package wire_test

import (
	"testing"
	"testing/quick"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// What is written is read again, and what is cut short or neither on nor off is not taken.
func TestAlarm(t *testing.T) {
	check := func(accuser, target uint64, by, instance, seq uint32, on bool) bool {
		m := wire.Alarm{Accuser: member.ID(accuser), By: by, Target: member.ID(target),
			Instance: instance, Seq: seq, On: on}
		b := wire.AppendAlarm(nil, m)
		got, ok := wire.ReadAlarm(wire.Body(b))
		return ok && got == m && len(b) <= wire.AlarmSize
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
	body := wire.Body(wire.AppendAlarm(nil, wire.Alarm{Accuser: 1, Target: 2}))
	for n := range body {
		if _, ok := wire.ReadAlarm(body[:n]); ok {
			t.Errorf("an Alarm of %d bytes is taken", n)
		}
	}
	body[len(body)-1] = 2
	if _, ok := wire.ReadAlarm(body); ok {
		t.Error("an alarm that is neither on nor off is taken")
	}
}
