package starling

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/starling-gossip/starling/gossip"
)

// Many lines of one kind take the place of no other kind, and topics lapse.
func TestWarningsOfOtherKinds(t *testing.T) {
	l := &logger{to: slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil))}
	at := gossip.Time(time.Hour)
	for i := range 100 {
		l.warn(at, fmt.Sprint("member ", i), "one kind")
	}
	for _, kind := range []string{"isolated", "reunited"} {
		if l.warn(at, kind, "text of "+kind); l.last["text of "+kind] != at {
			t.Errorf("the line of %q shares another's minute", kind)
		}
	}
	at = at.Add(time.Hour)
	if l.warn(at, "late", "one kind"); l.last["late"] != at || len(l.last) != 1 {
		t.Errorf("%d topics did not lapse", len(l.last)-1)
	}
}
