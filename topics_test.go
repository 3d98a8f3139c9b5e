package starling_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/store"
)

func TestPublishWait(t *testing.T) {
	nodes := cluster(t, 8, starling.Config{})
	for _, need := range []starling.Need{starling.All, starling.AtLeast(3), starling.Percent(50)} {
		r, err := nodes[0].PublishWait(within(t), "news", []byte("hello"), need)
		if err != nil || !r.Reached || r.Of != 8 || r.Seq == 0 {
			t.Errorf("%+v: %+v, %v", need, r, err)
		}
		if need == starling.All && r.Have != 8 {
			t.Errorf("all of 8: %+v", r)
		}
	}
	if r, err := nodes[0].PublishWait(within(t), "news", nil,
		starling.AtLeast(9)); !errors.Is(err, starling.ErrNeed) || r.Reached || r.Seq != 0 {
		t.Errorf("more than there are: %+v, %v", r, err)
	}
	alone := start(t, starling.Config{Name: "alone"})
	if r, err := alone.PublishWait(within(t), "news", nil, starling.All); err != nil ||
		!r.Reached || r.Have != 1 || r.Of != 1 {
		t.Errorf("alone: %+v, %v", r, err)
	}
}

func TestParseNeed(t *testing.T) {
	for text, want := range map[string]starling.Need{"all": starling.All,
		"3": starling.AtLeast(3), "50%": starling.Percent(50)} {
		if got, err := starling.ParseNeed(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "some", "0", "-1", "101%", "0%", "5 %", "1.5"} {
		if _, err := starling.ParseNeed(text); err == nil {
			t.Errorf("%q is a number of members", text)
		}
	}
}

// Under a budget between zones messages wait at their publisher. A PublishWait is told that the
// other node has to get its message yet. A Publish that finds no room in time is told that there
// was none.
func TestPublishUnderABudget(t *testing.T) {
	budget := starling.Tuning{ZoneRate: gossip.MinPairBudget}
	a := start(t, starling.Config{Name: "a", Zone: "eu", Tuning: budget})
	b := start(t, starling.Config{Name: "b", Zone: "us/nyc", Tuning: budget,
		Seeds: []string{addr(a)}})
	until(t, a, "two are alive", func() bool { return a.Info().Members[starling.Alive] == 2 })
	payload := make([]byte, starling.MaxMessage) // takes a minute
	short := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	r, err := a.PublishWait(short(), "t", payload, starling.All)
	if !errors.Is(err, context.DeadlineExceeded) || r.Reached || r.Have != 1 || r.Of != 2 {
		t.Errorf("a message that waits: %+v, %v", r, err)
	}
	for err = nil; err == nil; {
		_, err = a.TryPublish(within(t), "t", payload)
	}
	if _, err := a.Publish(short(), "t", payload); !errors.Is(err, starling.ErrBackpressure) ||
		!errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without room: %v", err)
	}
	info := a.Info()
	i := slices.IndexFunc(info.Zones, func(z starling.ZoneTraffic) bool { return z.Zone == "us" })
	if i < 0 || info.Zones[i].Budget != gossip.MinPairBudget || info.Protocol.PairWaits == 0 {
		t.Errorf("%+v, and %d waits", info.Zones, info.Protocol.PairWaits)
	}
	if got := b.Info().Zones; len(got) == 0 || got[0].Budget != gossip.MinPairBudget {
		t.Errorf("b tells %+v", got)
	}
}

// A large message comes whole, and a publisher that is too fast is made to wait or refused: nothing
// is lost.
func TestLargeMessagesAndBackpressure(t *testing.T) {
	nodes := cluster(t, 3, starling.Config{})
	ctx := within(t)
	const count = 24
	inbox := nodes[2].Subscribe(ctx, "large")
	payload := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, starling.MaxMessage) }
	refused := 0
	go func() {
		for i := range count {
			if _, err := nodes[0].TryPublish(ctx, "large", payload(i)); errors.Is(err,
				starling.ErrBackpressure) {
				refused++
				_, err = nodes[0].Publish(ctx, "large", payload(i))
				if err != nil {
					return
				}
			}
		}
	}()
	i := 0
	for m := range inbox {
		if m.Missed+m.Lost > 0 || !bytes.Equal(m.Payload, payload(i)) {
			t.Fatalf("message %d: %d bytes, %d missed, %d lost", i, len(m.Payload), m.Missed,
				m.Lost)
		}
		if i++; i == count {
			break
		}
	}
	if i < count {
		t.Fatalf("%d of %d messages came: %v", i, count, context.Cause(ctx))
	}
	if refused == 0 {
		t.Error("24 MiB at once were never too much")
	}
}

// A cluster that stops as a whole goes on: what was published is still there, nothing is delivered
// twice, and Replay shows it to a program that starts late.
func TestTopicsSurviveARestart(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	open := func(i int, seeds ...string) *starling.Node {
		return start(t, starling.Config{Name: fmt.Sprintf("n%d", i), Seeds: seeds,
			Retain: starling.Retain{Dir: dirs[i]}})
	}
	a := open(0)
	b := open(1, a.Self().Addr.String())
	if err := b.Welcomed(within(t)); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := a.PublishWait(within(t), "news", fmt.Appendf(nil, "%d", i),
			starling.All); err != nil {
			t.Fatal(err)
		}
	}
	a.Close()
	b.Close()

	b = open(1)
	want := []string{"0", "1", "2"}
	if got := replayed(within(t), b, 3); !slices.Equal(got, want) {
		t.Errorf("after the restart it holds %q", got)
	}
	c := start(t, starling.Config{Name: "n0", Seeds: []string{b.Self().Addr.String()},
		Retain: starling.Retain{Dir: dirs[0]}})
	if err := c.Welcomed(within(t)); err != nil {
		t.Fatal(err)
	}
	inbox := b.Subscribe(within(t), "news")
	if _, err := c.PublishWait(within(t), "news", []byte("3"), starling.All); err != nil {
		t.Fatal(err)
	}
	for m := range inbox {
		if string(m.Payload) != "3" {
			t.Errorf("delivered again: %q", m.Payload)
		}
		break
	}
	if got := replayed(within(t), c, 4); !slices.Equal(got, append(want, "3")) {
		t.Errorf("the publisher holds %q", got)
	}
	x := start(t, starling.Config{Name: "x", Retain: starling.Retain{Dir: dirs[0]}})
	if err := x.Info().Store.Err; !errors.Is(err, store.ErrInUse) {
		t.Errorf("two nodes keep their topics in one directory: %v", err)
	}
}

// TestOriginsSurviveARestart: what is held of a member that is not known any more has its name.
func TestOriginsSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	a := start(t, starling.Config{Name: "a"})
	open := func(seeds ...string) *starling.Node {
		return start(t, starling.Config{Name: "b", Seeds: seeds, Retain: starling.Retain{Dir: dir}})
	}
	b := open(addr(a))
	if err := b.Welcomed(within(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.PublishWait(within(t), "news", nil, starling.All); err != nil {
		t.Fatal(err)
	}
	a.Close()
	b.Close()
	for range 2 {
		b = open()
		for m := range b.Replay(within(t), "news") {
			if m.Origin != "a" {
				t.Errorf("the origin is %q", m.Origin)
			}
			break
		}
		b.Close()
	}
}

// TestTheStoreIsOptional: a file that is damaged or cannot be opened costs what would be in it; the
// node is a member, holds messages in memory, and says once what is wrong.
func TestTheStoreIsOptional(t *testing.T) {
	a := start(t, starling.Config{Name: "a"})
	for name, spoil := range map[string]func(path string) error{
		"damaged": func(path string) error {
			return os.WriteFile(path,
				bytes.Repeat([]byte("no store"), 4096), 0o600)
		},
		"cut short": func(path string) error {
			return os.WriteFile(path, make([]byte, 100),
				0o600)
		},
		"unusable": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		dir := t.TempDir()
		if err := spoil(filepath.Join(dir, "topics.db")); err != nil {
			t.Fatal(err)
		}
		lines := &lines{more: make(chan struct{}, 1)}
		n, err := starling.Join(within(t), starling.Config{Name: name, Bind: "127.0.0.1:0",
			Seeds:  []string{addr(a)},
			Retain: starling.Retain{Dir: dir}, Logger: slog.New(slog.NewTextHandler(lines, nil))})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := a.PublishWait(within(t), name, []byte("x"), starling.All); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		st := n.Info().Store
		if st.Path == "" || (st.Err != nil) != (name == "unusable") ||
			(st.Damaged > 0) != (name != "unusable") {
			t.Errorf("%s: %+v", name, st)
		}
		n.Close()
		// the log has a goroutine of its own
		for ctx := within(t); lines.warnings(st.Path) == 0 && ctx.Err() == nil; {
			select {
			case <-lines.more:
			case <-ctx.Done():
			}
		}
		// that the end is not on disk is an error, and said by Close
		if lines.warnings(st.Path) != 1 {
			t.Errorf("%s: the log says %q", name, lines.all)
		}
	}
}

// lines is what a log says.
type lines struct {
	mu   sync.Mutex
	all  []string
	more chan struct{} // has room for one; nil: nobody waits for more
}

func (l *lines) Write(b []byte) (int, error) {
	defer func() {
		select {
		case l.more <- struct{}{}:
		default:
		}
	}()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(b))
	return len(b), nil
}

// warnings counts the lines that warn of something.
func (l *lines) warnings(of string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.all {
		if strings.Contains(s, "level=WARN") && strings.Contains(s, of) {
			n++
		}
	}
	return n
}

// replayed returns the first payloads that a Replay yields.
func replayed(ctx context.Context, n *starling.Node, count int) (got []string) {
	for m := range n.Replay(ctx, "news") {
		if got = append(got, string(m.Payload)); len(got) == count {
			break
		}
	}
	return got
}

func TestTopics(t *testing.T) {
	n := start(t, starling.Config{Name: "a"})
	for range 3 {
		if _, err := n.Publish(within(t), "news", []byte("hello")); err != nil {
			t.Fatal(err)
		}
	}
	list := n.Topics()
	if len(list) != 1 || list[0].Name != "news" || list[0].Messages != 3 ||
		list[0].Bytes != 15 || list[0].Held != 3 {
		t.Errorf("%+v", list)
	}
}

// A node whose store is damaged at the start, or empty, is a newcomer. Its log says what that
// costs: what was published while it was away does not come.
func TestDamagedStoreIsANewcomer(t *testing.T) {
	for about, damage := range map[string][]byte{"damaged": []byte(strings.Repeat("x", 1<<15)),
		"empty": {}} {
		t.Run(about, func(t *testing.T) {
			dir := t.TempDir()
			a := start(t, starling.Config{Name: "a"})
			cfg := starling.Config{Name: "b", Seeds: []string{addr(a)},
				Retain: starling.Retain{Dir: dir, Age: time.Hour}}
			b := start(t, cfg)
			if err := b.Welcomed(within(t)); err != nil {
				t.Fatal(err)
			}
			if _, err := a.PublishWait(within(t), "t", []byte("kept"), starling.All); err != nil {
				t.Fatal(err)
			}
			if err := b.Leave(within(t)); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Publish(within(t), "t", []byte("while it was away")); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "topics.db"), damage, 0o600); err != nil {
				t.Fatal(err)
			}
			log := &heard{slog.DiscardHandler, make(chan string, 100)}
			cfg.Logger = slog.New(log)
			b = start(t, cfg)
			ctx, cancel := context.WithCancel(within(t))
			defer cancel()
			got := b.Replay(ctx, "t")
			if err := b.Welcomed(within(t)); err != nil {
				t.Fatal(err)
			}
			log.wait(t, "goes on as a newcomer")
			if d := b.Info().Store.Damaged; d != 1 {
				t.Errorf("damaged %d times", d)
			}
			if _, err := a.PublishWait(within(t), "t", []byte("after"), starling.All); err != nil {
				t.Fatal(err)
			}
			for m := range got {
				if string(m.Payload) != "after" || m.Lost > 0 {
					t.Errorf("%q, %d lost", m.Payload, m.Lost)
				}
				cancel()
			}
		})
	}
}

// A store that is damaged or removed while its node runs is told once, and costs no restart. What
// was delivered before does not come again, also where its publisher publishes no more.
func TestNothingTwiceAfterALostStore(t *testing.T) {
	for about, x := range map[string]struct {
		spoil func(path string) error
		said  string
	}{
		"damaged": {func(path string) error { return os.Truncate(path, 8192) }, "is damaged"},
		"removed": {os.Remove, "was removed while this node had it open"},
	} {
		t.Run(about, func(t *testing.T) {
			dir := t.TempDir()
			log := &heard{slog.DiscardHandler, make(chan string, 100)}
			a := start(t, starling.Config{Name: "a"})
			other := start(t, starling.Config{Name: "other", Seeds: []string{addr(a)}})
			cfg := starling.Config{Name: "b", Seeds: []string{addr(a)}, Logger: slog.New(log),
				Retain: starling.Retain{Dir: dir}}
			b := start(t, cfg)
			for _, n := range []*starling.Node{b, other} {
				if err := n.Welcomed(within(t)); err != nil {
					t.Fatal(err)
				}
			}
			for i := range 100 { // the file has to be longer than what is left of it
				publish := a.Publish
				if i == 99 { // it is the last that is waited for: all before it is there by then
					publish = func(ctx context.Context, topic string, payload []byte,
						_ ...starling.PublishOption) (uint64, error) {
						r, err := a.PublishWait(ctx, topic, payload, starling.All)
						return r.Seq, err
					}
				}
				if _, err := publish(within(t), "t", make([]byte, 1000)); err != nil {
					t.Fatal(err)
				}
			}
			b.Close() // then all is on disk
			b = start(t, cfg)
			if err := b.Welcomed(within(t)); err != nil {
				t.Fatal(err)
			}
			if err := x.spoil(filepath.Join(dir, "topics.db")); err != nil {
				t.Fatal(err)
			}
			// this makes the store write; so the new file has a mark of this publisher
			for range 100 {
				if _, err := other.PublishWait(within(t), "t", make([]byte, 1000),
					starling.All); err != nil {
					t.Fatal(err)
				}
			}
			log.wait(t, x.said)
			b.Close()
			b = start(t, cfg)
			ctx, cancel := context.WithCancel(within(t))
			defer cancel()
			got := b.Subscribe(ctx, "t", "end")
			if err := b.Welcomed(within(t)); err != nil {
				t.Fatal(err)
			}
			if _, err := a.PublishWait(within(t), "end", nil, starling.All); err != nil {
				t.Fatal(err)
			}
			for m := range got {
				if m.Topic != "end" || m.Lost > 0 {
					t.Errorf("again: message %d of %s; %d lost", m.Seq, m.Origin, m.Lost)
				}
				if m.Topic == "end" {
					cancel()
				}
			}
		})
	}
}

// A node that starts with an empty store is a newcomer: nothing from before its welcome is
// delivered to it, or lost.
func TestEmptyStoreIsANewcomer(t *testing.T) {
	a := start(t, starling.Config{Name: "a"})
	for range 3 {
		if _, err := a.Publish(within(t), "t", []byte("before")); err != nil {
			t.Fatal(err)
		}
	}
	b := start(t, starling.Config{Name: "b", Seeds: []string{addr(a)},
		Retain: starling.Retain{Dir: t.TempDir(), Age: time.Hour}})
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	got := b.Subscribe(ctx, "t")
	if err := b.Welcomed(within(t)); err != nil {
		t.Fatal(err)
	}
	if r, err := a.PublishWait(within(t), "t", []byte("after"), starling.All); err != nil ||
		r.Of != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	for m := range got {
		if string(m.Payload) != "after" || m.Lost > 0 {
			t.Errorf("%q, %d lost", m.Payload, m.Lost)
		}
		cancel()
	}
}
