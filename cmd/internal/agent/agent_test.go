package agent

// This file runs whole agents on loopback.

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/api"
	"github.com/starling-gossip/starling/client"
)

// config is what an agent has by default, on free ports of loopback.
func config(t *testing.T, args ...string) Config {
	t.Helper()
	var c Config
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	c.Flags(flags)
	if err := flags.Parse(append([]string{"--bind=127.0.0.1:0", "--api=127.0.0.1:0"},
		args...)); err != nil {
		t.Fatal(err)
	}
	return c
}

// patience is how long a test waits before it gives up; nothing depends on it when all is well.
func patience(t *testing.T) context.Context {
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(stop)
	return ctx
}

// running is an agent in a test.
type running struct {
	*Agent
	client *client.Client
	stop   context.CancelFunc
	ended  chan error
}

func start(t *testing.T, args ...string) *running {
	t.Helper()
	a, err := New(config(t, args...), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r := &running{Agent: a, ended: make(chan error, 1)}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.ended <- a.Run(ctx) }()
	if r.client, err = client.New(a.APIAddr().String(), ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); r.client.Close(); <-a.Node().Done() })
	return r
}

// until reads a watch, the present members first, until an event of a member comes.
func (r *running) until(t *testing.T, event, member string) {
	t.Helper()
	ctx, stop := context.WithCancel(patience(t))
	defer stop()
	err := r.client.Watch(ctx, true, nil, func(e api.Event) error {
		if e.Event == event && e.Name == member {
			stop()
		}
		return ctx.Err()
	})
	if ctx.Err() == nil || t.Context().Err() != nil || !strings.Contains(err.Error(), "canceled") {
		t.Fatalf("no event %s of %s: %v", event, member, err)
	}
}

// A member that is told as failed or left is told as back at the same level, also after events that
// were missed; the others' joins are for debugging.
func TestReturnsAreLogged(t *testing.T) {
	log, text := logged()
	l := eventLog{log: log}
	happens := func(kind starling.EventKind, name string, replayed bool) string {
		text.Reset()
		l.write(t.Context(), &starling.Event{Kind: kind, Member: starling.Member{Name: name},
			Replayed: replayed})
		return text.String()
	}
	for _, x := range []struct {
		kind     starling.EventKind
		name     string
		replayed bool
		told     bool
	}{
		{starling.MemberJoined, "a", true, false},
		{starling.MemberJoined, "b", false, false},
		{starling.MemberFailed, "b", false, true},
		{starling.MemberJoined, "b", false, true},
		{starling.MemberJoined, "b", false, false},
		{starling.MemberFailed, "b", false, true},
		{starling.MemberRecovered, "b", false, true},
		{starling.MemberJoined, "b", false, false},
		{starling.MemberLeft, "a", false, true},
		{starling.Resync, "", false, false},
		{starling.MemberJoined, "a", true, true},
		{starling.MemberJoined, "b", true, false},
		{starling.MemberUpdated, "b", false, false},
	} {
		if got := happens(x.kind, x.name, x.replayed); (got != "") != x.told {
			t.Errorf("%s %s, replayed %v: %q, want something: %v", x.name, x.kind, x.replayed,
				got, x.told)
		}
	}
	for kind := starling.Isolated; kind <= starling.HeardAgain; kind++ {
		if got := happens(kind, "self", false); got != "" {
			t.Errorf("%s is of no member: %q", kind, got)
		}
	}
	for i := range 2 * maxGone {
		happens(starling.MemberFailed, fmt.Sprint(i), false)
	}
	if got := happens(starling.MemberJoined, fmt.Sprint(2*maxGone-1), false); got == "" ||
		len(l.gone) > maxGone {
		t.Errorf("of too many it says %q, and remembers %d", got, len(l.gone))
	}
}

func TestTwoAgents(t *testing.T) {
	a := start(t, "--name=a", "--tag=role=db")
	b := start(t, "--name=b", "--join="+a.Node().Self().Addr.String())
	b.until(t, "joined", "a")
	a.until(t, "joined", "b")

	ctx := patience(t)
	got := make(chan api.Message, 1)
	opened := make(chan struct{})
	go b.client.Subscribe(ctx, false, []string{"news"}, func() { close(opened) },
		func(m api.Message) error { got <- m; return context.Canceled })
	<-opened
	if _, err := a.client.Publish(ctx, "news", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if m := <-got; string(m.Payload) != "hello" || m.Origin != "a" {
		t.Errorf("message %+v", m)
	}
	if tags, err := a.client.Tags(ctx, map[string]string{"x": "1"},
		[]string{"role"}); err != nil || len(tags) != 1 || tags["x"] != "1" {
		t.Errorf("tags %v, %v", tags, err)
	}
	if all, err := a.client.Members(ctx, []string{"alive"}, nil); err != nil || len(all) != 2 {
		t.Errorf("members %v, %v", all, err)
	}
	seen := make(chan struct{})
	watching := make(chan struct{})
	go a.client.Watch(ctx, false, func() { close(watching) }, func(e api.Event) error {
		if e.Event == "left" && e.Name == "b" {
			close(seen)
			return context.Canceled
		}
		return nil
	})
	<-watching
	if err := b.client.Leave(ctx, 0); err != nil {
		t.Fatal(err)
	}
	<-seen
	if err := <-b.ended; err != nil {
		t.Errorf("an agent that left ended with %v", err)
	}
	a.stop()
	if err := <-a.ended; err != nil {
		t.Errorf("an agent that was asked to stop ended with %v", err)
	}
}

func TestRejoinFromDataDir(t *testing.T) {
	dir := t.TempDir()
	a := start(t, "--name=a")
	b := start(t, "--name=b", "--data-dir="+dir, "--join="+a.Node().Self().Addr.String())
	b.until(t, "joined", "a")
	b.stop()
	if err := <-b.ended; err != nil {
		t.Fatal(err)
	}
	b = start(t, "--name=b", "--data-dir="+dir)
	b.until(t, "joined", "a")
	b.stop()
	<-b.ended
}

func TestNameConflictStopsTheNewer(t *testing.T) {
	a := start(t, "--name=same")
	for a.Node().Info().Uptime < 10*time.Millisecond { // older by more than a packet's way takes
		runtime.Gosched()
	}
	b := start(t, "--name=same", "--join="+a.Node().Self().Addr.String())
	select {
	case err := <-b.ended:
		if err == nil || !strings.Contains(err.Error(), "another live node has this name") {
			t.Errorf("the newer ended with %v", err)
		}
	case <-patience(t).Done():
		t.Fatal("the newer still runs")
	}
	if err := a.Node().Err(); err != nil {
		t.Errorf("the older ended too: %v", err)
	}
}

func TestRefusedSettings(t *testing.T) {
	short := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(short, []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for about, c := range map[string]struct{ arg, want string }{
		"no token for all interfaces": {"--api=:0", "needs --api-token-file"},
		"no token for an address":     {"--api=192.0.2.1:7748", "needs --api-token-file"},
		"no token for a host name":    {"--api=db-1:7748", "needs --api-token-file"},
		"a short token":               {"--api-token-file=" + short, "must be one word of 16"},
		"no token file":               {"--api-token-file=/nonexistent/token", "no such file"},
		"no key file":                 {"--key-file=/nonexistent/key", "--key-file"},
		"the port is taken":           {"--api=" + taken.Addr().String(), "address already in use"},
		"a bad MTU":                   {"--mtu=5", "MTU"},
		"a bad bind":                  {"--bind=nowhere", "nowhere"},
		"a tiny zone budget": {"--zone-budget=5",
			"a budget of 5 from zone to zone; from 16384 to"},
		"a tiny pair budget": {"--pair-budget=eu:us=5",
			`a budget of 5 between the zones "eu" and "us"; from 16384 to`},
		"a pair budget of one zone": {"--pair-budget=eu/fra:eu/ber=20000",
			`between the zone "eu" and itself`},
		"a pair budget without zones": {"--pair-budget=20000",
			`--pair-budget "20000": two zones and the bytes`},
		"a pair budget of three": {"--pair-budget=a:b:c=20000", "two zones and the bytes"},
		"a pair budget with a unit": {"--pair-budget=eu:us=1M",
			`"1M" is not a number of bytes a second`},
		"a pair budget twice": {"--pair-budget=eu:us=20000,us:eu=30000", "is there twice"},
	} {
		t.Run(about, func(t *testing.T) {
			a, err := New(config(t, c.arg), slog.New(slog.DiscardHandler))
			if err == nil {
				a.Node().Close()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %q in one line", err, c.want)
			}
		})
	}
}

// Budgets come from flags, the environment and the file alike.
func TestBudgetSettings(t *testing.T) {
	pair := func(a, b string, rate int) starling.PairRate {
		return starling.PairRate{Zones: [2]string{a, b}, Rate: rate}
	}
	for about, c := range map[string]struct {
		args, env []string
		file      string
		zone      int
		pairs     []starling.PairRate
	}{
		"none": {},
		"flags": {args: []string{"--zone-budget=20000", "--pair-budget=eu:us=30000",
			"--pair-budget=:us=40000"}, zone: 20000, pairs: []starling.PairRate{pair("eu",
			"us", 30000), pair("", "us", 40000)}},
		"environment": {env: []string{"STARLING_ZONE_BUDGET", "20000", "STARLING_PAIR_BUDGET",
			"eu:us=30000, eu:=40000"},
			zone: 20000, pairs: []starling.PairRate{pair("eu", "us", 30000),
				pair("eu", "", 40000)}},
		"file, a list": {file: "zone-budget: 20000\npair-budget: [eu:us=30000, eu:ap=40000]",
			zone: 20000, pairs: []starling.PairRate{pair("eu", "us", 30000),
				pair("eu", "ap", 40000)}},
		"file, a map": {file: "pair-budget: {\"eu:us\": 30000, \":us\": 40000}",
			pairs: []starling.PairRate{pair("eu", "us", 30000), pair("", "us", 40000)}},
		"file, a text": {file: "pair-budget: eu:us=30000",
			pairs: []starling.PairRate{pair("eu", "us", 30000)}},
		"the flag alone counts": {args: []string{"--pair-budget=eu:us=30000"},
			file:  "pair-budget: [eu:ap=40000]",
			pairs: []starling.PairRate{pair("eu", "us", 30000)}},
	} {
		t.Run(about, func(t *testing.T) {
			var cfg Config
			flags := pflag.NewFlagSet("", pflag.ContinueOnError)
			cfg.Flags(flags)
			path := filepath.Join(t.TempDir(), "starling.yaml")
			flags.String("config", path, "")
			if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			lookup := func(name string) (string, bool) {
				i := slices.Index(c.env, name)
				if i < 0 {
					return "", false
				}
				return c.env[i+1], true
			}
			if err := flags.Parse(c.args); err != nil {
				t.Fatal(err)
			}
			if err := Load(flags, lookup); err != nil {
				t.Fatal(err)
			}
			node, err := cfg.node(slog.New(slog.DiscardHandler))
			if err != nil || node.Tuning.ZoneRate != c.zone ||
				!slices.Equal(node.Tuning.PairRates, c.pairs) {
				t.Errorf("%d and %v, want %d and %v; %v", node.Tuning.ZoneRate,
					node.Tuning.PairRates, c.zone, c.pairs, err)
			}
		})
	}
}

func TestRekey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	one, two := starling.GenerateKey().Encode(), starling.GenerateKey().Encode()
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(one)
	log, text := logged()
	a, err := New(config(t, "--name=a", "--key-file="+path), log)
	if err != nil {
		t.Fatal(err)
	}
	write(two + "\n" + one)
	a.Rekey()
	write("damaged")
	a.Rekey()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := a.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "keys=2") ||
		!strings.Contains(text.String(), "the keys stay as they were") {
		t.Error(text)
	}
	if strings.Contains(text.String(), one) || strings.Contains(text.String(), two) {
		t.Error("a key is in the log")
	}
}

func TestLogger(t *testing.T) {
	var b strings.Builder
	c := config(t, "--log-format=json", "--log-level=warn")
	log, err := c.NewLogger(&b)
	if err != nil {
		t.Fatal(err)
	}
	log.Info("no")
	log.Warn("yes")
	var line map[string]any
	if err := json.Unmarshal([]byte(b.String()), &line); err != nil || line["msg"] != "yes" {
		t.Errorf("%q: %v", b.String(), err)
	}
	for _, bad := range []Config{{LogFormat: "xml", LogLevel: "info"},
		{LogFormat: "text", LogLevel: "loud"}} {
		if _, err := bad.NewLogger(&b); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// A second agent on a host hears which port is taken, and which flags to give.
func TestTwoAgentsOnOneHost(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	base := config(t, "--name", "a")
	first, err := New(base, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- first.Run(ctx) }()
	api, bind := first.APIAddr().String(), first.Node().Self().Addr.String()
	for _, c := range []struct {
		change func(*Config)
		port   string
	}{
		{func(c *Config) { c.API = api }, "port " + api[strings.LastIndex(api, ":")+1:] +
			" (TCP, --api)"},
		{func(c *Config) { c.Bind = bind }, "port " + bind[strings.LastIndex(bind, ":")+1:] +
			" (UDP and TCP, --bind)"},
	} {
		cfg := base
		cfg.Name = "b"
		c.change(&cfg)
		if _, err := New(cfg, log); err == nil || !strings.Contains(err.Error(), c.port) ||
			!strings.Contains(err.Error(), "--bind :7757 --api 127.0.0.1:7758 --name b") {
			t.Errorf("want %q: %v", c.port, err)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
