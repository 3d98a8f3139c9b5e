package wire_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/starling-gossip/starling/internal/gossip/wire"
)

func genCoordinate() *rapid.Generator[wire.Coordinate] {
	return rapid.Custom(func(t *rapid.T) (c wire.Coordinate) {
		for i := range c.Point {
			c.Point[i] = rapid.Int32Range(-wire.MaxAxis, wire.MaxAxis).Draw(t, "axis")
		}
		c.Height = rapid.Uint32Range(1, wire.MaxAxis).Draw(t, "height")
		c.Error = rapid.Uint8().Draw(t, "error")
		return c
	})
}

// What is written is read again; what is cut short or out of bounds is not taken.
func TestLocate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := wire.Located{Seq: rapid.Uint16().Draw(t, "seq"),
			Inside: genCoordinate().Draw(t, "inside")}
		alone := wire.AppendLocated(nil, &m)
		m.Outside = rapid.OneOf(rapid.Just(wire.Coordinate{}), genCoordinate()).Draw(t, "outside")
		b := wire.AppendLocated(nil, &m)
		if got, ok := wire.ReadLocated(wire.Body(b)); !ok || got != m || len(b) > wire.LocatedSize {
			t.Fatalf("%+v, %v; want %+v", got, ok, m)
		}
		for n := range wire.Body(alone) {
			if _, ok := wire.ReadLocated(wire.Body(alone)[:n]); ok {
				t.Fatalf("a Located of %d bytes is taken", n)
			}
		}
		ask := wire.AppendLocate(nil, m.Seq)
		if seq, ok := wire.ReadLocate(wire.Body(ask)); !ok || seq != m.Seq ||
			len(ask) > wire.LocateSize {
			t.Fatalf("%d, %v; want %d", seq, ok, m.Seq)
		}
	})
	well := wire.Coordinate{Height: 1}
	for _, bad := range []wire.Coordinate{{Height: wire.MaxAxis + 1},
		{Height: 1, Point: [3]int32{0, -wire.MaxAxis - 1}}} {
		if _, ok := wire.ReadLocated(wire.Body(wire.AppendLocated(nil,
			&wire.Located{Inside: bad}))); ok {
			t.Errorf("the coordinate %+v is taken", bad)
		}
		if _, ok := wire.ReadLocated(wire.Body(wire.AppendLocated(nil,
			&wire.Located{Inside: well, Outside: bad}))); ok {
			t.Errorf("the coordinate %+v outside is taken", bad)
		}
	}
	if _, ok := wire.ReadLocated(wire.Body(wire.AppendLocated(nil, &wire.Located{}))); ok {
		t.Error("a coordinate without a height is taken")
	}
}
