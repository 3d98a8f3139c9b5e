package starling

import (
	"strings"
	"testing"
	"time"
)

// What a node says that it does about a verdict is what it does. A node that waits to be called has
// told no other yet. The word of a node that no other hears arrives nowhere.
func TestContradiction(t *testing.T) {
	for _, x := range []struct {
		unheard, waits bool
		has, lacks     string
	}{
		{false, false, "is back once they hear that", "asked"},
		{false, true, "asked them to call it", "is back"},
		{true, false, "cannot tell", "it tells"},
		{true, true, "cannot tell", "it tells"},
	} {
		s := contradiction(x.unheard, x.waits)
		if !strings.Contains(s, x.has) || strings.Contains(s, x.lacks) {
			t.Errorf("unheard: %t, waits: %t: %q", x.unheard, x.waits, s)
		}
	}
}

// The clock of the wall runs ahead of that by which a node lives where the host slept; small steps
// of it are none.
func TestSleepIsSeenOnTheClocks(t *testing.T) {
	var c clocks
	for _, x := range []struct{ wall, awake, want time.Duration }{
		{5 * time.Second, 5 * time.Second, 0},
		{10*time.Second + 100*time.Millisecond, 10 * time.Second, 0},
		{615 * time.Second, 15 * time.Second, 600*time.Second - 100*time.Millisecond},
		{620 * time.Second, 20 * time.Second, 0},
		{25 * time.Second, 25 * time.Second, 0}, // set back
		{30 * time.Second, 30 * time.Second, 0},
	} {
		if d := c.slept(x.wall, x.awake); d != x.want {
			t.Errorf("after %s awake, %s on the wall: %s, want %s", x.awake, x.wall, d, x.want)
		}
	}
}
