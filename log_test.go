package starling

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// Of one thing there is one line a minute, good news at the level info.
func TestOneLineAMinute(t *testing.T) {
	var out lines
	l := &logger{to: slog.New(slog.NewTextHandler(&out, nil))}
	at := gossip.Time(time.Hour)
	for i := range 121 {
		l.warn(at.Add(time.Duration(i)*time.Second), "bad", "it is bad")
		l.info(at.Add(time.Duration(i)*time.Second), "good", "it is good")
	}
	got := out.take(l)
	for _, line := range []string{`level=WARN msg="it is bad"`, `level=INFO msg="it is good"`} {
		if n := strings.Count(got, line); n != 3 {
			t.Errorf("%d lines of %s: %s", n, line, got)
		}
	}
}

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
