package wire_test

import (
	"bytes"
	"fmt"
	"testing"
	"testing/quick"

	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/wire"
)

func pieceVectors() []vector {
	p := wire.Piece{Origin: idOf(wren), Generation: wren.Generation, Seq: 300, Body: []byte("hello")}
	return []vector{{name: "piece", bytes: wire.AppendPiece(nil, &p)}}
}

func describePiece(body []byte) (text string, ok bool) {
	m, ok := wire.ReadPiece(body)
	return fmt.Sprintf("Piece origin=%016x generation=%d seq=%d body=%q", uint64(m.Origin), m.Generation, m.Seq, m.Body), ok
}

func TestPieceRoundTrip(t *testing.T) {
	check := func(origin, generation, seq uint64, body []byte) bool {
		in := wire.Piece{Origin: member.ID(origin | 1), Generation: generation, Seq: seq | 1, Body: body}
		b := wire.AppendPiece(nil, &in)
		out, ok := wire.ReadPiece(b[wire.MessageSize:])
		return ok && len(b) <= wire.PieceOverhead+len(body) && bytes.Equal(in.Body, out.Body) &&
			in.Origin == out.Origin && in.Generation == out.Generation && in.Seq == out.Seq
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}

func TestPieceRefusesWhatIsBroken(t *testing.T) {
	whole := wire.AppendPiece(nil, &wire.Piece{Origin: 1, Generation: 300, Seq: 300})[wire.MessageSize:]
	for n := range whole {
		if _, ok := wire.ReadPiece(whole[:n]); ok {
			t.Errorf("a Piece of %d bytes is taken", n)
		}
	}
	for _, p := range []wire.Piece{{Seq: 1}, {Origin: 1}} {
		if _, ok := wire.ReadPiece(wire.AppendPiece(nil, &p)[wire.MessageSize:]); ok {
			t.Errorf("a Piece %+v is taken", p)
		}
	}
}
