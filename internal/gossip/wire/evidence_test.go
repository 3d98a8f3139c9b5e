package wire_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/starling-gossip/starling/internal/gossip/wire"
)

func genVote() *rapid.Generator[wire.Vote] {
	return rapid.Custom(func(t *rapid.T) wire.Vote {
		return wire.Vote{
			Juror: genID().Draw(t, "juror"), Cause: wire.Cause(rapid.Uint8Max(2).Draw(t, "cause")),
			Pings: rapid.Uint32().Draw(t, "pings"), Span: time.Duration(rapid.Uint32().Draw(t,
				"span")) * time.Millisecond,
		}
	})
}

func TestEvidenceRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		own := genVote().Draw(t, "own")
		m := wire.Evidence{
			Target: genID().Draw(t, "target"), Instance: rapid.Uint32().Draw(t, "instance"),
			Incarnation: rapid.Uint32().Draw(t, "incarnation"),
			Accuser:     own.Juror, Cause: own.Cause, Pings: own.Pings, Span: own.Span,
			Seats: rapid.IntRange(0, 255).Draw(t, "seats"),
		}
		m.Count = copy(m.Votes[:], rapid.SliceOfN(genVote(), 0, wire.MaxVotes).Draw(t, "votes"))
		b := wire.AppendEvidence(nil, &m)
		if got, ok := wire.ReadEvidence(wire.Body(b)); !ok || got != m ||
			len(b) > wire.MaxEvidence {
			t.Fatalf("%+v (%t) in %d bytes, want %+v", got, ok, len(b), m)
		}
	})
}

func TestEvidenceRefusesWhatIsBroken(t *testing.T) {
	m := wire.Evidence{Target: 1, Accuser: 2, Pings: math.MaxUint32, Span: time.Second, Count: 2}
	body := wire.Body(wire.AppendEvidence(nil, &m))
	for n := range body {
		if _, ok := wire.ReadEvidence(body[:n]); ok {
			t.Errorf("an Evidence of %d bytes is taken", n)
		}
	}
	for about, at := range map[string]int{"causes": 21, "votes": 30} {
		bad := append([]byte(nil), body...)
		bad[at] = 16
		if _, ok := wire.ReadEvidence(append(bad, make([]byte, 500)...)); ok {
			t.Errorf("%s that cannot be are taken", about)
		}
	}
	if _, ok := wire.ReadEvidence(make([]byte, 100)); ok {
		t.Error("evidence about nobody is taken")
	}
}
