package gossip

import (
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// What a live member sends of a known type and cannot be read counts once as malformed; what is of
// a type that is not known counts as that.
func TestUnreadCountsOnce(t *testing.T) {
	for _, d := range allDetectors() {
		w := newWorld(t)
		a := w.cluster(2, &Config{Detector: d})[0]
		m, _ := a.Table().Get(member.IDOf("n1"))
		for i := range 256 {
			mt := wire.Type(i)
			message := []byte{byte(mt), 1, 0xff}
			if mt == wire.TypePush { // one byte of flags is an empty one
				message = []byte{byte(mt), 0}
			}
			before := a.Stats()
			w.inject(a, forge("n1", uint32(m.Generation()), message))
			after := a.Stats()
			malformed := after.Malformed - before.Malformed
			unknown := after.UnknownType - before.UnknownType
			known := wire.Specs[mt].Plane != wire.Unknown
			if known && (malformed != 1 || unknown != 0) || !known &&
				(malformed != 0 || unknown != 1) {
				t.Errorf("%s: %s cut short: %d malformed, %d of unknown types", d, mt,
					malformed, unknown)
			}
		}
	}
}
