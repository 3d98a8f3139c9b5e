package agent

// This file is a node that does what a test says.

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/starling-gossip/starling"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var then = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

type fakeNode struct {
	mu       sync.Mutex
	members  []starling.Member
	tags     map[string]string
	events   chan starling.Event
	messages chan starling.Message
	joined   []string
	sent     []string
	err      error
	detector string
	leaveErr error         // of Leave
	setting  chan struct{} // SetTags waits for it, if it is not nil
	silent   bool          // the way to a is
	mute     bool
	done     chan struct{}
	change   func(*starling.Info) // of what Info returns, if not nil
	watching chan struct{}        // gets one for each stream that is open
}

func newFake() *fakeNode {
	tags, _ := starling.NewTags(map[string]string{"role": "db"})
	return &fakeNode{
		members: []starling.Member{
			{Name: "b", Addr: netip.MustParseAddrPort("10.0.0.2:7747"), State: starling.Failed,
				Zone: "eu", Since: then},
			{Name: "a", Addr: netip.MustParseAddrPort("10.0.0.1:7747"), Tags: tags,
				Generation: 7, Incarnation: 1, Since: then},
		},
		tags: map[string]string{"role": "db"}, detector: "swim", events: make(chan starling.Event),
		messages: make(chan starling.Message),
		done:     make(chan struct{}), watching: make(chan struct{}, 100),
	}
}

func (f *fakeNode) Self() starling.Member {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.members[1]
	m.Tags, _ = starling.NewTags(f.tags)
	return m
}

func (f *fakeNode) Members() iter.Seq[starling.Member] {
	return func(yield func(starling.Member) bool) {
		for _, m := range f.members {
			if !yield(m) {
				return
			}
		}
	}
}

func (f *fakeNode) Paths() []starling.Path {
	a, b := netip.MustParseAddrPort("10.0.0.1:7747"), netip.MustParseAddrPort("10.0.0.2:7747")
	return []starling.Path{
		{Name: "b", Addr: b, Heard: then, From: a, SeenAs: b, Probes: 4, Answers: 1, Loss: 0.5,
			RTT: time.Millisecond, Passed: 1067,
			TooLong: 1098, Checked: then, Port: "filtered", Broken: true},
		{Name: "c", Addr: b},
		{Name: "a", Addr: a, Heard: then, Silent: f.silent, Mute: f.mute},
	}
}

func (f *fakeNode) Info() starling.Info {
	i := starling.Info{Self: f.Self(), Cluster: "c", Started: then,
		Detector: starling.Detector(f.detector), Uptime: time.Minute, Welcomed: true,
		Members: map[starling.State]int{starling.Alive: 1,
			starling.Failed: 1}, Same: 1, Heard: 2, Agreed: 5, Reachable: 2,
		Zones: []starling.ZoneTraffic{{Zone: "eu", PacketsOut: 1, BytesOut: 2, PacketsIn: 3,
			BytesIn: 4, Budget: 20000}, {Unknown: true, PacketsIn: 5, BytesIn: 6}},
		Protocol: starling.ProtocolStats{PairWaits: 7},
		Store: starling.StoreStats{Path: "/d/topics.db", Held: 3, Bytes: 400, Dropped: 5, Failed: 6,
			Damaged: 1, Removed: 2, Err: errors.New("no room")},
		Silent: []starling.SilentZone{{Zone: starling.Zone{Name: "us", Members: 3},
			Since: then}}, Detection: 1600 * time.Millisecond, RTT: time.Millisecond,
		EstimateError: 8.0 / 64, FarEstimateError: -1}
	if f.change != nil {
		f.change(&i)
	}
	return i
}

func (f *fakeNode) Why(name string) []starling.Verdict {
	if name != "b" {
		return nil
	}
	return []starling.Verdict{
		{Time: then, Kind: starling.VerdictFailed, Explained: true, Accuser: "a",
			Cause: "refused", Pings: 3, Span: time.Second,
			Votes: []starling.Vote{{Juror: "c", Cause: "refused", Pings: 4,
				Span: time.Second / 2}}},
		{Time: then, Kind: starling.VerdictRefuted, After: time.Minute},
	}
}

func (f *fakeNode) Damped(name string) (starling.Damping, bool) {
	return starling.Damping{Returns: 3, Grace: 6 * time.Second,
		Usual: 1500 * time.Millisecond}, name == "b"
}

func (f *fakeNode) Phi(name string) (float64, bool) { return 2.5, name == "b" }

func (f *fakeNode) RTTBetween(_ context.Context, a, b string) (starling.RTT, error) {
	switch {
	case a == "z":
		return starling.RTT{}, fmt.Errorf("starling: %w: %q", starling.ErrNoMember, a)
	case a == "b":
		return starling.RTT{}, fmt.Errorf("starling: %w: %q", starling.ErrNoAnswer, a)
	case a == b:
		return starling.RTT{}, nil
	}
	return starling.RTT{Estimate: 40 * time.Millisecond, Error: 0.125,
		Measured: 41 * time.Millisecond}, nil
}

// Near knows where a and c are, and of whether it is asked for others too.
func (f *fakeNode) Near(ctx context.Context, name string,
	among ...string) (all []starling.Neighbor, err error) {
	if name != "a" {
		_, err = f.RTTBetween(ctx, name, "a")
		return nil, err
	}
	for _, m := range []starling.Neighbor{{Member: starling.Member{Name: "c"},
		RTT: starling.RTT{Error: 0.25}, Known: true},
		{Member: starling.Member{Name: "a"}, RTT: starling.RTT{Estimate: time.Second,
			Error: 0.5}, Known: true}, {Member: starling.Member{Name: "b"}}} {
		if slices.Contains(among, m.Member.Name) {
			all = append(all, m)
		}
	}
	return all, fmt.Errorf("1 of 3: %w", context.DeadlineExceeded)
}

func (f *fakeNode) Watch(ctx context.Context) iter.Seq[starling.Event] {
	return follow(ctx, f, f.events)
}

func (f *fakeNode) PublishWait(ctx context.Context, topic string, payload []byte,
	need starling.Need, options ...starling.PublishOption) (starling.Receipt, error) {
	seq, err := f.Publish(ctx, topic, payload, options...)
	r := starling.Receipt{Seq: seq, Have: 1, Of: 2, Newer: 4, Agreed: 3,
		Missing: []string{"b"}, Took: time.Second, Reached: need == starling.AtLeast(1)}
	if err == nil && !r.Reached {
		err = context.DeadlineExceeded
	}
	return r, err
}

func (f *fakeNode) Subscribe(ctx context.Context, _ ...string) iter.Seq[starling.Message] {
	return follow(ctx, f, f.messages)
}

func (f *fakeNode) Replay(context.Context, ...string) iter.Seq[starling.Message] {
	return func(yield func(starling.Message) bool) {
		yield(starling.Message{Time: then, Topic: "t", Origin: "b", Generation: 7, Seq: 1,
			Payload: []byte("held")})
	}
}

func (f *fakeNode) Set(_ context.Context, key string, value []byte, ttl time.Duration) error {
	if key == "" {
		return starling.ErrKey
	}
	f.sent = append(f.sent, fmt.Sprintf("%s=%s for %s", key, value, ttl))
	return f.err
}

func (f *fakeNode) Delete(_ context.Context, key string) error {
	if key != "load" {
		return starling.ErrNoKey
	}
	return f.err
}

func (f *fakeNode) Keys(owners ...string) iter.Seq[starling.Entry] {
	all := []starling.Entry{{Owner: "a", Key: "flag/x", Value: "on", Version: 1,
		TTL: time.Second}, {Owner: "b", Key: "load", Value: "\xff", Version: 9}}
	return func(yield func(starling.Entry) bool) {
		for _, e := range all {
			if (len(owners) == 0 || slices.Contains(owners, e.Owner)) && !yield(e) {
				return
			}
		}
	}
}

func (f *fakeNode) WatchKeys(ctx context.Context, prefix string) iter.Seq[starling.KeyEvent] {
	return func(yield func(starling.KeyEvent) bool) {
		for e := range f.Keys() {
			if strings.HasPrefix(e.Key, prefix) &&
				!yield(starling.KeyEvent{Time: then, Kind: starling.KeySet, Entry: e,
					Replayed: e.Owner == "a"}) {
				return
			}
		}
		<-ctx.Done()
	}
}

func (f *fakeNode) Topics() []starling.Topic {
	return []starling.Topic{{Name: "t", Messages: 3, Bytes: 30, Rate: 0.5, Held: 2}}
}

func follow[T any](ctx context.Context, f *fakeNode, from chan T) iter.Seq[T] {
	f.watching <- struct{}{}
	return func(yield func(T) bool) {
		for {
			select {
			case v := <-from:
				if !yield(v) {
					return
				}
			case <-f.done:
				return
			case <-ctx.Done():
				return
			}
		}
	}
}

func (f *fakeNode) Publish(_ context.Context, topic string, payload []byte,
	options ...starling.PublishOption) (uint64, error) {
	if len(payload) > 1200 {
		return 0, errors.New("the payload does not fit")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	sent := topic + " " + string(payload)
	if slices.Contains(options, starling.Urgent) {
		sent += ", urgent"
	}
	f.sent = append(f.sent, sent)
	return uint64(len(f.sent)), f.err
}

func (f *fakeNode) Join(ctx context.Context, seeds ...string) error {
	if seeds[0] == "nowhere" {
		<-ctx.Done()
		return ctx.Err()
	}
	f.joined = append(f.joined, seeds...)
	return nil
}

func (f *fakeNode) SetTags(_ context.Context, tags map[string]string) error {
	if f.setting != nil {
		<-f.setting
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tags = maps.Clone(tags)
	return nil
}

func (f *fakeNode) Forget(_ context.Context, names ...string) error {
	for _, n := range names {
		if n == "a" {
			return fmt.Errorf("starling: %q: %w", n, starling.ErrLives)
		}
		if n != "b" && n != "c" {
			return fmt.Errorf("starling: %w: %q", starling.ErrNoMember, n)
		}
	}
	return nil
}

func (f *fakeNode) Leave(context.Context) error {
	f.stop(starling.ErrLeft)
	return f.leaveErr
}

func (f *fakeNode) stop(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
	close(f.done)
}

func (f *fakeNode) Done() <-chan struct{} { return f.done }

func (f *fakeNode) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}
