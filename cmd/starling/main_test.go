package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/api"
	"github.com/starling-gossip/starling/cmd/internal/agent"
	"github.com/starling-gossip/starling/internal/gossip"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files")

// runInstead is a variable with the arguments that a test runs this program with, in a process of
// its own.
const runInstead = "STARLING_TEST_RUN"

func TestMain(m *testing.M) {
	if args, ok := os.LookupEnv(runInstead); ok {
		os.Args = append(os.Args[:1], strings.Fields(args)...)
		main()
	}
	time.Local = time.UTC // clocks in the output
	os.Exit(m.Run())
}

// cli runs a command line and returns all that it said.
func cli(env map[string]string, stdin string, args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	a := &app{in: strings.NewReader(stdin), out: &o, err: &e,
		lookup: func(k string) (string, bool) { v, ok := env[k]; return v, ok }}
	code = a.run(args)
	return code, o.String(), e.String()
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -rewrite takes it over):\n%s", path, got)
	}
}

// transcript shows a command as a user sees it.
func transcript(env map[string]string, stdin string, args ...string) string {
	code, out, errOut := cli(env, stdin, args...)
	text := "$ starling " + strings.Join(args, " ") + "\n" + out
	if errOut != "" {
		text += "--- stderr\n" + errOut
	}
	return text + fmt.Sprintf("--- exit code %d\n\n", code)
}

func TestHelp(t *testing.T) {
	var all strings.Builder
	for _, args := range [][]string{{"--help"}, {"agent", "--help"}, {"dev", "--help"},
		{"members", "--help"}, {"watch", "--help"},
		{"info", "--help"}, {"why", "--help"}, {"rtt", "--help"}, {"publish", "--help"},
		{"subscribe", "--help"}, {"topics", "--help"}, {"get", "--help"}, {"state", "--help"},
		{"set", "--help"}, {"unset", "--help"}, {"join", "--help"}, {"leave", "--help"},
		{"tags", "set", "--help"}, {"keygen", "--help"}, {"version", "--help"},
		{"sim", "--help"}, {"sim", "replay", "--help"}, {"lab", "--help"}, {"lab", "rounds",
			"--help"}, {"lab", "rumor", "--help"},
		{"lab", "topology", "--help"}, {"lab", "mttf", "--help"}, {"lab", "detect", "--help"}} {
		all.WriteString(transcript(nil, "", args...))
	}
	golden(t, "help", all.String())
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "starling.yaml")
	if err := os.WriteFile(file, []byte("name: a\njion: [b]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	nobody := map[string]string{"STARLING_API": "127.0.0.1:1"}
	var all strings.Builder
	for _, c := range []struct {
		env  map[string]string
		args []string
	}{
		{nil, []string{"member"}},
		{nil, []string{"members", "--jsn"}},
		{nil, []string{"members", "extra"}},
		{nil, []string{"members", "--state", "dead"}},
		{nil, []string{"members", "--tag", "role"}},
		{nil, []string{"members", "--api", "nowhere"}},
		{nobody, []string{"members"}},
		{nobody, []string{"watch"}},
		{nobody, []string{"leave"}},
		{nobody, []string{"members", "--api-token-file", "/nonexistent"}},
		{nil, []string{"publish"}},
		{nil, []string{"publish", "", "x"}},
		{nil, []string{"subscribe", "--json", "--raw"}},
		{nil, []string{"tags"}},
		{nil, []string{"tags", "add"}},
		{nil, []string{"tags", "set", "x"}},
		{nil, []string{"tags", "unset"}},
		{nil, []string{"why"}},
		{nil, []string{"rtt"}},
		{nil, []string{"rtt", "a", "b", "c"}},
		{nil, []string{"rtt", "a", ""}},
		{nil, []string{"members", "--near", ""}},
		{nil, []string{"join"}},
		{nil, []string{"leave", "--timeout", "5"}},
		{nil, []string{"leave", "--timeout", "0s"}},
		{nil, []string{"join", "x", "--timeout", "-1s"}},
		{nil, []string{"publish", "t", "x", "--wait", "all", "--timeout", "30s"}},
		{nil, []string{"publish", "t", "x", "--timeout", "5s"}},
		{nil, []string{"set", "a=b", "--ttl", "1us"}},
		{nil, []string{"set", "a=b", "--ttl", "-1s"}},
		{nil, []string{"agent", "--retain", "0"}},
		{nil, []string{"agent", "--retain-bytes", "0"}},
		{nil, []string{"dev", "--idle", "-3s"}},
		{nil, []string{"sim", "nope"}},
		{nil, []string{"dev", "-n", "2"}},
		{nil, []string{"dev", "-n", "many"}},
		{nil, []string{"agent", "--config", file}},
		{nil, []string{"agent", "--config", "/nonexistent.yaml"}},
		{nil, []string{"agent", "--log-format", "xml"}},
		{nil, []string{"agent", "--api", "0.0.0.0:0"}},
		{nil, []string{"agent", "--detector", "swin"}},
		{nil, []string{"agent", "--profile", "moon"}},
		{nil, []string{"agent", "--detector", "swim", "--grace", "3s"}},
		{nil, []string{"agent", "--grace", "3h"}},
		{nil, []string{"agent", "--detector", "swim", "--share-suspicions"}},
		{nil, []string{"agent", "--bind", "127.0.0.1:0", "--zone-budget", "1000"}},
		{nil, []string{"agent", "--zone-budget", "1M"}},
		{nil, []string{"agent", "--pair-budget", "eu:us=1M"}},
		{nil, []string{"agent", "--pair-budget", "eu-us=1000000"}},
		{nil, []string{"agent", "--bind", "127.0.0.1:0", "--pair-budget", "eu:us=0"}},
		{nil, []string{"agent", "--bind", "127.0.0.1:0", "--pair-budget", "eu/fra:eu/ber=1000000"}},
		{nil, []string{"dev", "--detector", "swin"}},
		{map[string]string{"STARLING_MTU": "many"}, []string{"agent"}},
	} {
		all.WriteString(strings.ReplaceAll(transcript(c.env, "", c.args...), dir, "DIR"))
	}
	golden(t, "errors", all.String())
}

// standIn is an agent that always says the same.
func standIn(t *testing.T) map[string]string {
	when := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	recent := time.Now().Add(-90 * time.Second)
	members := []api.Member{
		{Name: "db-1", Addr: "10.0.0.1:7747", State: "alive", Zone: "eu/fra",
			Tags: map[string]string{"role": "db", "n": "1"}, Since: recent},
		{Name: "\x1b[31mevil\n", Addr: "[fd00::1]:7747", State: "suspect",
			Tags: map[string]string{"x": "\x07"}, Since: recent},
		{Name: "女", Addr: "10.0.0.3:7747", State: "failed", Tags: map[string]string{},
			Since: recent},
	}
	info := api.Info{Member: members[0], Cluster: "prod", Version: "v1", Detector: "swim",
		Detection: 1.6, Welcomed: true, Uptime: 4000,
		Members: map[string]int{"alive": 1, "suspect": 1,
			"failed": 1}, Agreement: api.Agreement{Same: 3, Heard: 4},
		View:   api.View{Agreed: 3, Reachable: 2},
		Silent: []api.SilentZone{{Zone: "us", Members: 1, Since: when}}, Health: 2, RTT: 0.0012,
		Coordinates: api.Coordinates{Inside: 0.09},
		Store: &api.Store{Path: "/d/topics.db", Dropped: 5, Failed: 1,
			Error: "topics are not kept: no room"},
		Traffic: api.Traffic{SentBytes: 4 << 20, ReceivedBytes: 1000,
			Dropped:     map[string]uint64{"malformed": 3, "unopened": 0},
			BudgetWaits: 17, Zones: []api.ZoneTraffic{{Zone: "", SentPackets: 9,
				SentBytes: 4000, ReceivedPackets: 8, ReceivedBytes: 1 << 20},
				{Zone: "eu", Own: true, SentPackets: 7, SentBytes: 4 << 20},
				{Zone: "us", SentBytes: 10, Budget: 300 << 10},
				{Unknown: true, ReceivedPackets: 1, ReceivedBytes: 90}}}}
	mux := http.NewServeMux()
	answer := func(pattern string, body any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter,
			r *http.Request) {
			json.NewEncoder(w).Encode(body)
		})
	}
	stream := func(pattern string, event string, all ...any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, ": starling\n\n")
			for _, v := range all {
				text, _ := json.Marshal(v)
				fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, text)
			}
			fmt.Fprint(w, "event: end\ndata: {\"error\":\"the agent is stopping\"}\n\n")
		})
	}
	mux.HandleFunc("GET /v1/members", func(w http.ResponseWriter, r *http.Request) {
		out := slices.Clone(members)
		switch r.URL.Query().Get("near") {
		case "":
		case "db-1":
			own, e := []float64{0, 0.0412}, []float64{0, 0.09}
			for i := range out[:2] {
				out[i].RTT, out[i].RTTError = &own[i], &e[i]
			}
		default:
			w.WriteHeader(404)
			json.NewEncoder(w).Encode(api.Error{Error: `starling: no such live member: "db-9" ` +
				`has failed`})
			return
		}
		json.NewEncoder(w).Encode(out)
	})
	mux.HandleFunc("GET /v1/rtt", func(w http.ResponseWriter, r *http.Request) {
		out := api.RTT{From: r.URL.Query().Get("from"), To: r.URL.Query().Get("to")}
		switch out.To {
		case "":
			out.To, out.Estimate, out.Error, out.Measured = "\x1b[31mevil\n", 0.0412, 0.088, 0.00408
		case "new":
			out.Estimate, out.Error = 0.4123, 1
		case "silent":
			w.WriteHeader(504)
			json.NewEncoder(w).Encode(api.Error{Error: `starling: the member does not answer: ` +
				`"silent" was asked`})
			return
		case "web-1":
			out.Estimate, out.Error = 0.00022, 0.3
		}
		json.NewEncoder(w).Encode(out)
	})
	answer("GET /v1/info", info)
	answer("GET /v1/paths", []api.Path{
		{Name: "db-1", Addr: "10.0.0.1:7747", Heard: &recent, From: "10.0.0.1:7747",
			SeenAs: "10.0.0.9:7747", Probes: 128, Answers: 128, RTT: 0.00031, Passed: 1200,
			Checked: &recent, TCP: "open"},
		{Name: "evil\x1b", Addr: "[fd00::1]:7747", OutOfFamily: true},
		{Name: "narrow", Addr: "10.0.0.4:7747", Heard: &recent, From: "10.0.0.4:7747", Probes: 4,
			Answers: 1, Loss: 0.5, RTT: 0.1213, Passed: 1067, TooLong: 1098, Checked: &recent,
			TCP: "filtered"},
		{Name: "one-way", Addr: "10.0.0.5:7747", Heard: &recent, From: "10.9.9.9:7747",
			Probes: 12, Loss: 1, TCP: "refused", Broken: true},
		{Name: "silent", Addr: "10.0.0.6:7747", Probes: 3, Loss: 1, Unreachable: true},
	})
	vote := func(juror, cause string, pings int, span float64) api.Vote {
		return api.Vote{Juror: juror, Cause: cause, Pings: pings, Span: span}
	}
	failed := func(detector, accuser, cause string, votes ...api.Vote) api.Why {
		return api.Why{Name: "db-3", State: "failed", Since: &recent, Detector: detector,
			Verdicts: []api.Verdict{{Time: recent, Kind: "failed",
				Evidence: &api.Evidence{Accuser: accuser, Cause: cause, Pings: 4, Span: 1.84,
					Seats: map[string]int{"inquest": 7}[detector], Votes: votes}}}}
	}
	answer("GET /v1/members/refused/why", failed("inquest", "web-1", "refused",
		vote("a", "refused", 5, 0.3), vote("b", "refused", 4, 0.31), vote("c", "silent", 7, 0.4)))
	answer("GET /v1/members/silent/why", failed("inquest", "web-1", "silent",
		vote("a", "silent", 5, 1.55), vote("b", "silent", 9, 1.6)))
	answer("GET /v1/members/stalled/why", failed("inquest", "web-1", "stalled",
		vote("a", "stalled", 5, 10)))
	answer("GET /v1/members/alone/why", failed("inquest", "web-1", "silent"))
	answer("GET /v1/members/swim/why", failed("swim", "web-1", "silent",
		vote("a", "silent", 0, 0), vote("b", "silent", 0, 0), vote("\x1b", "silent", 0, 0)))
	answer("GET /v1/members/back/why", api.Why{Name: "db-3", State: "alive", Since: &recent,
		Detector: "swim", Verdicts: []api.Verdict{
			{Time: recent, Kind: "failed"}, {Time: recent, Kind: "refuted",
				After: 12.34}, {Time: recent, Kind: "restarted", After: 4000}}})
	answer("GET /v1/members/flaps/why", api.Why{Name: "db-3", State: "alive", Since: &recent,
		Detector: "inquest", Verdicts: []api.Verdict{
			{Time: recent, Kind: "refuted",
				After: 12.34}}, Damped: &api.Damping{Returns: 3, Grace: 6, Usual: 1.5}})
	answer("GET /v1/members/forgotten/why", api.Why{Name: "db-3", Detector: "inquest",
		Verdicts: []api.Verdict{
			{Time: recent, Kind: "failed"}, {Time: recent, Kind: "forgotten"}}})
	answer("GET /v1/members/gone/why", api.Why{Name: "db-3", State: "left", Since: &recent,
		Verdicts: []api.Verdict{}})
	answer("GET /v1/members/well/why", api.Why{Name: "db-3", State: "alive", Since: &recent,
		Verdicts: []api.Verdict{}})
	answer("POST /v1/forget", api.Forgotten{Forgotten: []string{"db-3", "db-4"}})
	answer("PATCH /v1/tags", api.Tags{Tags: map[string]string{"b": "2", "a": "1 1"}})
	mux.HandleFunc("POST /v1/publish", func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		b.ReadFrom(r.Body)
		p := api.Published{Topic: r.URL.Query().Get("topic"), Origin: b.String(), Seq: 1}
		switch r.URL.Query().Get("wait") {
		case "all":
			p.Receipt = &api.Receipt{Have: 2, Of: 3, Agreed: 3, Missing: []string{"db-1"},
				Seconds: 10}
		case "50%":
			p.Receipt = &api.Receipt{Reached: true, Have: 2, Of: 3, Agreed: 5,
				Missing: []string{"db-1"}, Seconds: 0.00251}
		case "2":
			p.Receipt = &api.Receipt{Reached: true, Have: 2, Of: 2, Newer: 1, Agreed: 3,
				Seconds: 3.05}
		}
		json.NewEncoder(w).Encode(p)
	})
	mux.HandleFunc("GET /v1/topics", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode([]api.Topic{{Name: "deploys", Messages: 1234, Bytes: 56789,
			Rate: 2.25, Held: 17}, {Name: "a\x1b", Messages: 1}})
	})
	keys := []api.Key{{Owner: "db-1", Key: "load", Value: []byte("0.7\n"), Version: 12,
		TTL: 29.6}, {Owner: "db-1", Key: "x\x1b", Version: 3},
		{Owner: "web-1", Key: "load", Value: bytes.Repeat([]byte("long"), 500), Version: 7}}
	mux.HandleFunc("GET /v1/keys", func(w http.ResponseWriter, r *http.Request) {
		out, q := []api.Key{}, r.URL.Query()
		for _, k := range keys {
			if (!q.Has("owner") || k.Owner == q.Get("owner")) &&
				(!q.Has("key") || k.Key == q.Get("key")) {
				out = append(out, k)
			}
		}
		json.NewEncoder(w).Encode(out)
	})
	mux.HandleFunc("PUT /v1/keys", func(w http.ResponseWriter, r *http.Request) {
		value, _ := io.ReadAll(r.Body)
		w.WriteHeader(400)
		json.NewEncoder(w).Encode(api.Error{Error: fmt.Sprintf("%s, %q", r.URL.RawQuery, value)})
	})
	answer("DELETE /v1/keys", api.Done{Done: "deleted"})
	stream("GET /v1/keys/watch", "x", api.KeyEvent{Time: when, Event: "set", Key: keys[0]},
		api.KeyEvent{Time: when, Event: "gone", Key: keys[1]},
		api.KeyEvent{Time: when, Event: "reset",
			Key: api.Key{Owner: "db-1"}}, api.KeyEvent{Time: when, Event: "resync"})
	mux.HandleFunc("POST /v1/leave", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(401)
		json.NewEncoder(w).Encode(api.Error{Error: "this API demands its token: Authorization: " +
			"Bearer TOKEN"})
	})
	stream("GET /v1/watch", "x", api.Event{Time: when, Event: "suspected", Name: "db-1",
		Addr: "10.0.0.1:7747", State: "suspect"},
		api.Event{Time: when, Event: "updated", Name: "b\r", Addr: "10.0.0.2:7747",
			State: "alive", Tags: map[string]string{"k": "v"}},
		api.Event{Time: when, Event: "zone-unreachable", Zone: "us",
			Members: 33}, api.Event{Time: when, Event: "resync"})
	stream("GET /v1/subscribe", "message", api.Message{Time: when, Topic: "t", Origin: "a",
		Seq: 1, Payload: []byte("hello\n")},
		api.Message{Time: when, Topic: "t", Origin: "a", Seq: 4,
			Payload: []byte("\x1b[2J\xff"), Missed: 2},
		api.Message{Time: when, Payload: []byte{}, Lost: 3})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	text, _ := recent.MarshalText()
	return map[string]string{"STARLING_API": strings.TrimPrefix(s.URL, "http://"),
		"RECENT": string(text)}
}

func TestCommands(t *testing.T) {
	env := standIn(t)
	var all strings.Builder
	for _, c := range []struct {
		stdin string
		args  []string
	}{
		{"", []string{"members"}},
		{"", []string{"members", "--near", "db-1"}},
		{"", []string{"members", "--near", "db-9"}},
		{"", []string{"info"}},
		{"", []string{"info", "--zones"}},
		{"", []string{"paths"}},
		{"", []string{"paths", "--json"}},
		{"", []string{"rtt", "db-1"}},
		{"", []string{"rtt", "db-1", "web-1"}},
		{"", []string{"rtt", "db-1", "web-1", "--json"}},
		{"", []string{"rtt", "db-1", "new"}},
		{"", []string{"rtt", "db-1", "db-1"}},
		{"", []string{"rtt", "db-1", "silent"}},
		{"", []string{"why", "refused"}},
		{"", []string{"why", "silent"}},
		{"", []string{"why", "stalled"}},
		{"", []string{"why", "alone"}},
		{"", []string{"why", "swim"}},
		{"", []string{"why", "back"}},
		{"", []string{"why", "flaps"}},
		{"", []string{"why", "forgotten"}},
		{"", []string{"forget", "db-4", "db-1", "db-3", "db-1", "\x1b"}},
		{"", []string{"forget", "--failed"}},
		{"", []string{"why", "gone"}},
		{"", []string{"why", "well"}},
		{"", []string{"watch"}},
		{"", []string{"watch", "--json"}},
		{"", []string{"subscribe", "t"}},
		{"", []string{"subscribe", "t", "--json"}},
		{"", []string{"subscribe", "--raw"}},
		{"", []string{"publish", "t", "data"}},
		{"", []string{"publish", "--json", "t", "data"}},
		{"in\n", []string{"publish", "--json", "t", "-"}},
		{"ignored", []string{"publish", "--json", "t"}},
		{"", []string{"publish", "--wait", "50%", "t", "data"}},
		{"", []string{"publish", "--wait", "2", "t", "data"}},
		{"", []string{"topics"}},
		{"", []string{"topics", "--json"}},
		{"", []string{"publish", "--wait", "all", "--json", "t", "data"}},
		{"", []string{"publish", "--wait", "none", "t", "data"}},
		{"", []string{"publish", "--wait", "7", "t", "data"}},
		{strings.Repeat("x", maxInput+1), []string{"publish", "t", "-"}},
		{"", []string{"get"}},
		{"", []string{"get", "db-1"}},
		{"", []string{"get", "db-1", "--json"}},
		{"", []string{"get", "db-1", "load"}},
		{"", []string{"get", "db-1", "load", "--json"}},
		{"", []string{"get", "db-1", "none"}},
		{"", []string{"state"}},
		{"", []string{"state", "--prefix", "x", "--json"}},
		{"", []string{"state", "--watch"}},
		{"", []string{"state", "--watch", "--json"}},
		{"", []string{"set", "load=1", "--ttl", "1m"}},
		{"from stdin", []string{"set", "load=-"}},
		{"", []string{"set", "a=-", "b=-"}},
		{"", []string{"set", "load=1", "--ttl", "-1m"}},
		{"", []string{"unset", "load"}},
		{"", []string{"tags", "set", "a=1 1", "b=2"}},
		{"", []string{"leave"}},
	} {
		all.WriteString(transcript(env, c.stdin, c.args...))
	}
	golden(t, "commands", strings.NewReplacer(env["STARLING_API"], "ADDR", env["RECENT"],
		"RECENT").Replace(all.String()))
}

func TestColorsAreForTerminalsOnly(t *testing.T) {
	var b bytes.Buffer
	p := &printer{w: &b}
	if got := p.state("failed"); got != "failed" {
		t.Errorf("%q without a terminal", got)
	}
	p.color = true
	if got := p.state("failed"); got != "\x1b[31mfailed\x1b[0m" {
		t.Errorf("%q on a terminal", got)
	}
	p.table([][]string{{p.state("failed"), "x"}, {"left-long", "y"}})
	if want := "\x1b[31mfailed\x1b[0m     x\nleft-long  y\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

func TestKeygenAndVersion(t *testing.T) {
	_, one, _ := cli(nil, "", "keygen")
	_, two, _ := cli(nil, "", "keygen")
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(one))
	if err != nil || len(key) != 32 || one == two {
		t.Errorf("keys %q and %q: %v", one, two, err)
	}
	var v build
	code, out, _ := cli(nil, "", "version", "--json")
	if code != 0 || json.Unmarshal([]byte(out), &v) != nil || v.Version == "" ||
		v.Protocol != gossip.Version || v.Go != runtime.Version() || v.Platform == "" {
		t.Errorf("%d %s", code, out)
	}
	for _, args := range [][]string{{"--version"}, {"-v"}} {
		code, out, errOut := cli(nil, "", args...)
		if _, plain, _ := cli(nil, "", "version"); code != 0 || out != plain ||
			!strings.Contains(out, runtime.Version()) || errOut != "" {
			t.Errorf("%v: %d %q %q, version says %q", args, code, out, errOut, plain)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if code, out, _ := cli(nil, "", "completion", shell); code != 0 || len(out) < 1000 {
			t.Errorf("completion %s: %d, %d bytes", shell, code, len(out))
		}
	}
}

// A build is told in a line, and as an object without what is not known.
func TestBuild(t *testing.T) {
	after := fmt.Sprintf("(protocol %d, %s, %s)", gossip.Version, runtime.Version(), platform)
	const full = "0123456789abcdef0123456789abcdef01234567"
	settings := func(modified string) *debug.BuildInfo {
		return &debug.BuildInfo{Settings: []debug.BuildSetting{
			{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: full},
			{Key: "vcs.modified", Value: modified},
		}}
	}
	for _, c := range []struct {
		about  string
		info   *debug.BuildInfo
		line   string
		fields []string
	}{
		{"nothing", nil, " - " + after, nil},
		{"no version control", &debug.BuildInfo{}, " - " + after, nil},
		{"clean", settings("false"), " 0123456789ab " + after,
			[]string{`"commit":"0123456789ab"`, `"dirty":false`}},
		{"dirty", settings("true"), " 0123456789ab dirty " + after,
			[]string{`"commit":"0123456789ab"`, `"dirty":true`}},
	} {
		b := buildOf(c.info)
		if want := agent.Version() + c.line; b.String() != want {
			t.Errorf("%s: %q, want %q", c.about, b, want)
		}
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range []string{`"commit":"0123456789ab"`, `"dirty":false`, `"dirty":true`} {
			want := slices.Contains(c.fields, field)
			if got := strings.Contains(string(text), field); got != want {
				t.Errorf("%s: %s has %s: %v, want %v", c.about, text, field, got, want)
			}
		}
	}
}

// TestDevPlainAndJSON runs real clusters, small ones.
func TestDevPlainAndJSON(t *testing.T) {
	code, out, errOut := cli(nil, "", "dev", "-n", "3", "--idle", "10ms")
	if code != 0 || strings.Count(out, "known by all") != 3 || strings.Contains(out, "\x1b") {
		t.Errorf("%d\n%s%s", code, out, errOut)
	}
	code, out, errOut = cli(nil, "", "dev", "-n", "5", "--json", "--idle", "10ms")
	var report map[string]any
	d := json.NewDecoder(strings.NewReader(out))
	if err := d.Decode(&report); err != nil || code != 0 || d.More() {
		t.Fatalf("%d, %v\n%s%s", code, err, out, errOut)
	}
	for _, step := range []string{"join", "publish", "crash", "restart", "leave", "idle"} {
		for name, v := range report[step].(map[string]any) {
			if x, ok := v.(float64); !ok || x < 0 {
				t.Errorf("%s.%s is %v", step, name, v)
			}
		}
	}
}
