package starling

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// take returns what was written since the last call, once the logger has nothing more to write.
func (l *lines) take(from *logger) string {
	for writing := true; writing; runtime.Gosched() {
		from.mu.Lock()
		writing = from.writing
		from.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.text.String()
	l.text.Reset()
	return text
}

// The log says once that a way is broken, that TCP is filtered, or that no connection comes to the
// own port, and once that it is over. It says each at most once in a minute, for all members
// together. What changed meanwhile is said if it is still so then. That a member answers again is
// not said of one that is dead.
func TestWaysAreLogged(t *testing.T) {
	var out lines
	n, err := Start(Config{Name: "a", Bind: "127.0.0.1:0",
		Logger: slog.New(slog.NewTextHandler(&out, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	out.take(&n.log)
	names := func(list ...string) []string { return list }
	none := names()
	for i, x := range []struct {
		at                           time.Duration
		broken, filtered, still, own []string
		want                         []string // of each line a word or more, in order
	}{
		{0, none, none, none, none, nil},
		{5, names("a", "b"), none, none, none,
			names(`WARN msg="members do not answer this node, and others reach them.*who="a, b"`)},
		{10, names("a", "b"), names("a"), names("a"), none,
			names(`WARN msg="the TCP port of members does not answer.*who=a`)},
		{15, names("a", "b", "c"), none, names("a"), names("a"),
			names(`WARN msg="nobody comes to this node's own TCP port.*who=a`)},
		{64, names("b", "c"), names("a"), names("a"), names("a"),
			names(`INFO msg="members answer this node that others alone.*who=a`)},
		{65, names("b", "c"), none, names("a"), names("a"),
			names(`WARN msg="members do not answer this node.*who=c`)},
		{70, none, none, none, none, names(`INFO msg="the TCP port of members answers.*who=a`,
			`INFO msg="others come to this node's own.*who=a`)},
		{80, names("a"), none, none, none, nil},
		{125, names("a"), none, none, none, names(`WARN msg="members do not answer this ` +
			`node.*who=a`)},
		{300, none, none, none, none, names(`INFO msg="members answer this node that others ` +
			`alone.*who=a`)},
	} {
		err := n.call(t.Context(), func(gossip.Time, *gossip.Outbox) {
			n.tellWays(gossip.Time(time.Hour+x.at*time.Second), x.broken, x.filtered, x.still,
				x.own)
		})
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Split(strings.TrimSuffix(out.take(&n.log), "\n"), "\n")
		if got[0] == "" {
			got = nil
		}
		if len(got) != len(x.want) {
			t.Errorf("%d: %q, want %q", i, got, x.want)
			continue
		}
		for k, want := range x.want {
			begins, ends, _ := strings.Cut(want, ".*")
			if !strings.Contains(got[k], begins) || !strings.HasSuffix(got[k], ends) {
				t.Errorf("%d: %q, want %q", i, got[k], want)
			}
		}
	}
	// The node itself looks, and finds that nothing is broken.
	if err := n.call(t.Context(), func(gossip.Time, *gossip.Outbox) {
		n.ways = ways{broken: noted{names: names("a")}}
		clear(n.log.last)
	}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second) // of a node that never looks
	defer stop()
	for looked := false; !looked && ctx.Err() == nil; {
		n.read(func() { looked = n.ways.next != 0 })
	}
	if got := out.take(&n.log); strings.Count(got, "members answer this node") != 1 {
		t.Errorf("%q", got)
	}
	if got := few(strings.Split("a b c d e f g", " ")); got != "a, b, c, d, e and 2 more" {
		t.Errorf("of seven: %q", got)
	}
}

// Of datagrams that do not open each source has a line a minute and a sentence in Info, eight of
// them; of more one line says it. They say nothing of why no seed lets the node in.
func TestUnopenedIsToldBySource(t *testing.T) {
	var out lines
	n, err := Start(Config{Name: "a", Bind: "127.0.0.1:0",
		Logger: slog.New(slog.NewTextHandler(&out, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	out.take(&n.log)
	comes := func(sources int) string {
		for range 3 {
			for i := range sources {
				err := n.call(t.Context(), func(gossip.Time, *gossip.Outbox) {
					n.unopened(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0,
						byte(i + 1)}), 7747),
						100, errSealed)
				})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		return out.take(&n.log)
	}
	got := comes(2)
	for _, from := range []string{"from=10.0.0.1:7747", "from=10.0.0.2:7747"} {
		if strings.Count(got, from) != 1 {
			t.Errorf("%s: %q", from, got)
		}
	}
	i := n.Info()
	want := "what comes from 10.0.0.1:7747 is sealed with a key, and this node has none"
	if len(i.OtherKeys) != 2 || i.OtherKeys[0] != want {
		t.Errorf("info has %q", i.OtherKeys)
	}
	if _, reason := n.joining.why(nil); reason != "" {
		t.Errorf("it is refused for %q", reason)
	}
	got = comes(100)
	if k := strings.Count(got, "dropping datagrams"); k != maxStrangers-2+1 {
		t.Errorf("of a hundred sources: %d lines", k)
	}
	if i := n.Info(); len(i.OtherKeys) != maxStrangers || i.Unopened != 306 {
		t.Errorf("of a hundred sources: %d, and %q", i.Unopened, i.OtherKeys)
	}
}

// A seed says why it does not let a node in. That stands in Info though another seed has let the
// node in, as long as the node is not reached: it is the reason.
func TestRefusalsStand(t *testing.T) {
	j := &joining{first: make(chan struct{})}
	refusal := fmt.Errorf("10.0.0.5:7747: %w: it answers to 172.17.0.1:7747", gossip.ErrNotReached)
	j.welcomed()
	if text, reason := j.why(nil); reason != "" ||
		!strings.Contains(text, "does not know all members") {
		t.Errorf("after a welcome: %q, %q", text, reason)
	}
	j.refuse(refusal)
	text, reason := j.why(nil)
	if reason != "address" || !strings.Contains(text, refusal.Error()) ||
		!strings.Contains(text, "does not know all members") {
		t.Errorf("refused after a welcome: %q, %q", text, reason)
	}
	if text, reason := j.unreached(); text != refusal.Error() || reason != "address" {
		t.Errorf("while it is not reached: %q, %q", text, reason)
	}
	j.refuse(gossip.ErrWrongDetector)
	if text, reason := j.unreached(); text != "" || reason != "" {
		t.Errorf("of another refusal: %q, %q", text, reason)
	}
	j.refuse(refusal)
	if j.welcomed(); j.refusal() != nil {
		t.Error("it is welcome, and refused")
	}
}
