package wire_test

import (
	"testing"
	"testing/quick"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// What is written is read again; times in whole milliseconds.
func TestInquestRoundTrip(t *testing.T) {
	body := func(b []byte) []byte { return wire.Body(b) }
	check := func(seq uint32, target uint64, instance, ms, pings uint32, word, cause uint8) bool {
		age := time.Duration(ms) * time.Millisecond
		i := wire.Inquiry{Seq: seq, Target: member.ID(target), Instance: instance, Age: age}
		f := wire.Finding{Seq: seq, Word: wire.Word(word % 5), Cause: wire.Cause(cause % 3),
			Pings: pings, Span: age}
		l := wire.Lease{Seq: seq, Next: time.Duration(uint16(ms)) * time.Millisecond}
		ri, ok1 := wire.ReadInquiry(body(wire.AppendInquiry(nil, i)))
		rf, ok2 := wire.ReadFinding(body(wire.AppendFinding(nil, f)))
		rl, ok3 := wire.ReadLease(body(wire.AppendLease(nil, l)))
		return ok1 && ok2 && ok3 && ri == i && rf == f && rl == l
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}

func TestInquestRefusesWhatIsBroken(t *testing.T) {
	inquiry := wire.Body(wire.AppendInquiry(nil, wire.Inquiry{Seq: 1, Target: 2, Instance: 3,
		Age: time.Second}))
	finding := wire.Body(wire.AppendFinding(nil, wire.Finding{Seq: 1, Word: wire.WordGuilty,
		Pings: 300, Span: time.Second}))
	lease := wire.Body(wire.AppendLease(nil, wire.Lease{Seq: 1, Next: time.Second}))
	for n := range inquiry {
		if _, ok := wire.ReadInquiry(inquiry[:n]); ok {
			t.Errorf("an Inquiry of %d bytes is taken", n)
		}
	}
	for n := range finding {
		if _, ok := wire.ReadFinding(finding[:n]); ok {
			t.Errorf("a Finding of %d bytes is taken", n)
		}
	}
	for n := range lease {
		if _, ok := wire.ReadLease(lease[:n]); ok {
			t.Errorf("a Lease of %d bytes is taken", n)
		}
	}
	finding[4] = 6
	if _, ok := wire.ReadFinding(finding); ok {
		t.Error("a word that there is not is taken")
	}
	finding[4], finding[5] = 1, 4
	if _, ok := wire.ReadFinding(finding); ok {
		t.Error("a cause that there is not is taken")
	}
}

// A promise that does not fit is cut, so that the receiver worries early and not never.
func TestLeaseIsCut(t *testing.T) {
	for in, want := range map[time.Duration]time.Duration{
		time.Hour: wire.MaxLease, -time.Second: 0, 1500 * time.Microsecond: time.Millisecond,
	} {
		m, ok := wire.ReadLease(wire.Body(wire.AppendLease(nil, wire.Lease{Next: in})))
		if !ok || m.Next != want {
			t.Errorf("%s is read as %s, want %s", in, m.Next, want)
		}
	}
}
