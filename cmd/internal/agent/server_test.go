package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/api"
	"github.com/starling-gossip/starling/client"
)

const token = "a-token-of-enough-length"

// ask makes one request of a handler.
func ask(h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "127.0.0.1:7748"
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestRequests holds the API's answers, word by word: scripts rely on them.
func TestRequests(t *testing.T) {
	const a = `{"name":"a","addr":"10.0.0.1:7747","state":"alive","zone":"","tags":{"role":"db"},` +
		`"generation":7,"incarnation":1,"since":"2026-01-02T03:04:05Z"}`
	const b = `{"name":"b","addr":"10.0.0.2:7747","state":"failed","zone":"eu","tags":{},` +
		`"generation":0,"incarnation":0,"since":"2026-01-02T03:04:05Z"}`
	for _, c := range []struct {
		method, target, body string
		status               int
		want                 string // the answer, or a part of it after "~"
	}{
		{"GET", "/v1/members", "", 200, "[" + a + "," + b + "]"},
		{"GET", "/v1/members?state=failed,suspect", "", 200, "[" + b + "]"},
		{"GET", "/v1/members?tag=role%3Ddb", "", 200, "[" + a + "]"},
		{"GET", "/v1/members?tag=role%3Dweb", "", 200, "[]"},
		{"GET", "/v1/members?state=dead", "", 400,
			`{"error":"state=\"dead\": there is no state \"dead\", there are alive, suspect, ` +
				`failed, left"}`},
		{"GET", "/v1/members?tag=role", "", 400, `~is not key=value`},
		{"GET", "/v1/members/a", "", 200, a},
		{"GET", "/v1/members/b/why", "", 200,
			`{"name":"b","state":"failed","since":"2026-01-02T03:04:05Z","detector":"swim",` +
				`"verdicts":[` +
				`{"time":"2026-01-02T03:04:05Z","kind":"failed","evidence":{"accuser":"a",` +
				`"cause":"refused","pings":3,"span_seconds":1,"seats":0,` +
				`"votes":[{"juror":"c","cause":"refused","pings":4,"span_seconds":0.5}]}},` +
				`{"time":"2026-01-02T03:04:05Z","kind":"refuted","after_seconds":60}],` +
				`"damped":{"returns":3,"grace_seconds":6,"usual_grace_seconds":1.5}}`},
		{"GET", "/v1/members/a/why", "", 200,
			`{"name":"a","state":"alive","since":"2026-01-02T03:04:05Z","detector":"swim",` +
				`"verdicts":[]}`},
		{"GET", "/v1/members/z/why", "", 404,
			`{"error":"no member is called \"z\", and none that was is remembered"}`},
		{"GET", "/v1/members/z", "", 404, `{"error":"no member is called \"z\""}`},
		{"GET", "/v1/members?near=a&state=alive", "", 200,
			"[" + strings.TrimSuffix(a, "}") + `,"rtt_seconds":1,"rtt_error":0.5}]`},
		{"GET", "/v1/members?near=a", "", 200,
			"[" + strings.TrimSuffix(a, "}") + `,"rtt_seconds":1,"rtt_error":0.5},` + b + "]"},
		{"GET", "/v1/members?near=z", "", 404, `{"error":"starling: no such live member: \"z\""}`},
		{"GET", "/v1/members?near=b&state=failed", "", 504,
			`{"error":"starling: the member does not answer: \"b\""}`},
		{"GET", "/v1/rtt?from=c&to=d", "", 200,
			`{"from":"c","to":"d","rtt_seconds":0.04,"rtt_error":0.125,"measured_seconds":0.041}`},
		{"GET", "/v1/rtt?from=c", "", 200, `~"from":"c","to":"a"`},
		{"GET", "/v1/rtt?from=a", "", 200, `{"from":"a","to":"a","rtt_seconds":0,"rtt_error":0}`},
		{"GET", "/v1/rtt?from=z&to=a", "", 404, `{"error":"starling: no such live member: \"z\""}`},
		{"GET", "/v1/rtt?from=b&to=a", "", 504,
			`{"error":"starling: the member does not answer: \"b\""}`},
		{"GET", "/v1/rtt?to=a", "", 400, `{"error":"the query needs from=NAME"}`},
		{"GET", "/v1/info", "", 200, `~"store":{"path":"/d/topics.db","pieces":3,"bytes":400,` +
			`"dropped":5,"failed":6,"damaged":1,"removed":2,"error":"no room"}`},
		{"GET", "/v1/info", "", 200, `~"members":{"alive":1,"failed":1,"left":0,"suspect":0},` +
			`"agreement":{"same":1,"heard":2},"isolated":false,"unheard":false,"unserved":false,` +
			`"unreachable":[],"silent_zones":[{"zone":"us","members":3,` +
			`"since":"2026-01-02T03:04:05Z"}],"view":{"agreed":5,"reachable":2},` +
			`"detection_seconds":1.6,"health":0,"rtt_seconds":0.001,` +
			`"coordinates":{"inside_error":0.125},"traffic"`},
		{"GET", "/v1/info", "", 200, `~"received_packets":3,"received_bytes":4,"budget":20000},` +
			`{"zone":"","own":false,"unknown":true,"sent_packets":0,"sent_bytes":0,` +
			`"received_packets":5,"received_bytes":6}],"budget_waits":7}`},
		{"POST", "/v1/publish?topic=t", "hello", 200, `{"topic":"t","origin":"a","seq":1}`},
		{"GET", "/v1/topics", "", 200,
			`[{"name":"t","messages":3,"bytes":30,"rate":0.5,"held":2}]`},
		{"POST", "/v1/publish?topic=t&wait=1", "hello", 200,
			`{"topic":"t","origin":"a","seq":1,"receipt":{"reached":true,"have":1,"of":2,` +
				`"newer":4,"agreed":3,"missing":["b"],"seconds":1}}`},
		{"POST", "/v1/publish?topic=t&wait=all", "hello", 200,
			`{"topic":"t","origin":"a","seq":1,"receipt":{"reached":false,"have":1,"of":2,` +
				`"newer":4,"agreed":3,"missing":["b"],"seconds":1}}`},
		{"POST", "/v1/publish?topic=t&wait=some", "hello", 400,
			`{"error":"wait=\"some\" is not a number of members, a percentage of them from 1% to ` +
				`100%, or all"}`},
		{"POST", "/v1/publish", "hello", 400, `{"error":"the query needs topic=NAME"}`},
		{"POST", "/v1/publish?topic=t", strings.Repeat("x", 2000), 400,
			`{"error":"the payload does not fit"}`},
		{"POST", "/v1/publish?topic=t", strings.Repeat("x", maxBody+1), 413, `~too large`},
		{"GET", "/v1/keys", "", 200, `[{"owner":"a","key":"flag/x","value":"b24=","version":1,` +
			`"ttl_seconds":1},{"owner":"b","key":"load","value":"/w==","version":9}]`},
		{"GET", "/v1/keys?owner=b&owner=c", "", 404, `{"error":"no member is called \"c\""}`},
		{"GET", "/v1/keys?owner=b&owner=b&key=load", "", 200,
			`[{"owner":"b","key":"load","value":"/w==","version":9}]`},
		{"GET", "/v1/keys?prefix=fl", "", 200,
			`[{"owner":"a","key":"flag/x","value":"b24=","version":1,"ttl_seconds":1}]`},
		{"GET", "/v1/keys?key=fl", "", 200, `[]`},
		{"PUT", "/v1/keys?key=k&ttl=30s", "v", 200, `{"done":"set"}`},
		{"PUT", "/v1/keys?key=k&ttl=soon", "v", 400,
			`{"error":"ttl=\"soon\" is not a time such as 5s"}`},
		{"PUT", "/v1/keys", "v", 400, `~key`},
		{"PUT", "/v1/keys?key=k", strings.Repeat("x", maxBody+1), 413, `~too large`},
		{"DELETE", "/v1/keys?key=load", "", 200, `{"done":"deleted"}`},
		{"DELETE", "/v1/keys?key=k", "", 404, `~no`},
		{"POST", "/v1/join", `{"seeds":["10.0.0.9"]}`, 200, `{"done":"joined"}`},
		{"POST", "/v1/join?timeout=1ms", `{"seeds":["nowhere"]}`, 504, `~not done within 1ms`},
		{"POST", "/v1/join", `{"seeds":[]}`, 400, `~the body needs`},
		{"POST", "/v1/join", `{"seed":["x"]}`, 400, `~unknown field`},
		{"POST", "/v1/join", `{"seeds":["x"]} trailing`, 400, `~more after the object`},
		{"POST", "/v1/forget", `{"names":["c","b"]}`, 200, `{"forgotten":["b"]}`}, // c was before
		{"POST", "/v1/forget", `{"failed":true}`, 200, `{"forgotten":["b"]}`},
		{"POST", "/v1/forget", `{"unreachable":true}`, 200, `{"forgotten":[]}`},
		{"POST", "/v1/forget", `{"names":["a"]}`, 409, `~only who failed, left or is unreachable`},
		{"POST", "/v1/forget", `{"names":["z"]}`, 404, `~no such`},
		{"POST", "/v1/forget", `{}`, 400, `~the body needs`},
		{"PATCH", "/v1/tags", `{"set":{"x":"1"},"unset":["role"]}`, 200, `{"tags":{"x":"1"}}`},
		{"GET", "/healthz", "", 200, `{"done":"ok"}`},
		{"GET", "/v1/nothing", "", 404, `~there is no GET /v1/nothing`},
		{"POST", "/v1/leave", "", 200, `{"done":"left"}`},
	} {
		t.Run(c.method+" "+c.target, func(t *testing.T) {
			w := ask(NewServer(newFake(), ServerOptions{}).Handler(), c.method, c.target, c.body)
			got := strings.TrimSpace(w.Body.String())
			part, isPart := strings.CutPrefix(c.want, "~")
			if w.Code != c.status || (isPart && !strings.Contains(got, part)) ||
				(!isPart && got != c.want) {
				t.Errorf("%d %s\nwant %d %s", w.Code, got, c.status, c.want)
			}
		})
	}
}

// The accrual detector alone has levels of suspicion.
func TestPhi(t *testing.T) {
	for detector, has := range map[string]bool{"accrual": true, "inquest": false} {
		node := newFake()
		node.detector = detector
		w := ask(NewServer(node, ServerOptions{}).Handler(), "GET", "/v1/members/b", "")
		var m api.Member
		if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		if (m.Phi != nil) != has || has && *m.Phi != 2.5 {
			t.Errorf("%s: %s", detector, w.Body)
		}
	}
}

func TestWhoMayAsk(t *testing.T) {
	for _, c := range []struct {
		about, token, method, target string
		header                       []string
		status                       int
	}{
		{"no token wanted", "", "GET", "/v1/info", nil, 200},
		{"another host name", "", "GET", "/v1/info", []string{"Host", "evil.example"}, 403},
		{"another address", "", "GET", "/v1/info", []string{"Host", "10.0.0.1:7748"}, 403},
		{"localhost", "", "GET", "/v1/info", []string{"Host", "localhost:7748"}, 200},
		{"IPv6 loopback", "", "GET", "/v1/info", []string{"Host", "[::1]:7748"}, 200},
		{"a page of another site", "", "POST", "/v1/leave",
			[]string{"Origin", "http://evil.example"}, 403},
		{"a page of another site, by its mark", "", "POST", "/v1/leave",
			[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"token missing", token, "GET", "/v1/info", nil, 401},
		{"token wrong", token, "GET", "/v1/info", []string{"Authorization", "Bearer " + token +
			"x"}, 401},
		{"token without its scheme", token, "GET", "/v1/info",
			[]string{"Authorization", token}, 401},
		{"token right", token, "GET", "/v1/info", []string{"Authorization", "Bearer " + token},
			200},
		{"any host with a token", token, "GET", "/v1/info",
			[]string{"Authorization", "Bearer " + token, "Host", "db-1"}, 200},
		{"metrics are guarded", token, "GET", "/metrics", nil, 401},
		{"health is not", token, "GET", "/healthz", nil, 200},
		{"the page is not", token, "GET", "/", nil, 200},
	} {
		t.Run(c.about, func(t *testing.T) {
			w := ask(NewServer(newFake(), ServerOptions{Token: c.token}).Handler(), c.method,
				c.target, "", c.header...)
			if w.Code != c.status {
				t.Errorf("%d %s, want %d", w.Code, w.Body, c.status)
			}
		})
	}
}

// serve runs a server on loopback and returns a client of it.
func serve(t *testing.T, node *fakeNode) (*Server, *client.Client) {
	t.Helper()
	s := NewServer(node, ServerOptions{Token: token})
	h := httptest.NewServer(s.Handler())
	c, err := client.New(strings.TrimPrefix(h.URL, "http://"), token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); h.Close(); c.Close() })
	return s, c
}

func TestStreams(t *testing.T) {
	node := newFake()
	_, c := serve(t, node)
	node.watching = make(chan struct{}, 10)
	enough := errors.New("enough")

	go func() {
		<-node.watching
		m := node.Self()
		node.events <- starling.Event{Kind: starling.MemberJoined, Member: m, Time: then,
			Replayed: true}
		node.events <- starling.Event{Kind: starling.MemberFailed, Member: m, Time: then}
		node.events <- starling.Event{Kind: starling.Resync, Time: then}
		node.events <- starling.Event{Kind: starling.MemberJoined, Member: m, Time: then,
			Replayed: true}
	}()
	var got []string
	err := c.Watch(t.Context(), false, nil, func(e api.Event) error {
		text, _ := json.Marshal(e)
		if got = append(got, string(text)); len(got) == 3 {
			return enough
		}
		return nil
	})
	rest := `"name":"a","addr":"10.0.0.1:7747","state":"alive","tags":{"role":"db"},` +
		`"generation":7,"incarnation":1}`
	want := []string{
		`{"time":"2026-01-02T03:04:05Z","event":"failed",` + rest,
		`{"time":"2026-01-02T03:04:05Z","event":"resync","name":"","addr":"","state":""}`,
		`{"time":"2026-01-02T03:04:05Z","event":"joined",` + rest,
	}
	if !errors.Is(err, enough) || !slices.Equal(got, want) {
		t.Errorf("error %v, events\n%s", err, strings.Join(got, "\n"))
	}

	go func() {
		<-node.watching
		node.messages <- starling.Message{Time: then, Topic: "t", Origin: "b", Seq: 3,
			Payload: []byte("hi\n"), Missed: 2}
		node.stop(starling.ErrNameConflict)
	}()
	var messages []api.Message
	err = c.Subscribe(t.Context(), false, []string{"t"}, nil,
		func(m api.Message) error { messages = append(messages, m); return nil })
	if !errors.Is(err, client.ErrEnded) || !strings.Contains(err.Error(),
		"another live node has this name") {
		t.Errorf("the stream ended with %v, want the reason", err)
	}
	if len(messages) != 1 || string(messages[0].Payload) != "hi\n" || messages[0].Missed != 2 {
		t.Errorf("messages %+v", messages)
	}
}

// TestStreamsEndWithTheReason: each kind of stream ends with a last event that says why, and an
// agent that goes without a word is told as that.
func TestStreamsEndWithTheReason(t *testing.T) {
	for reason, want := range map[error]string{
		starling.ErrLeft: "has left the cluster", starling.ErrClosed: "is stopping",
		starling.ErrSocket: "the socket failed",
	} {
		node := newFake()
		_, c := serve(t, node)
		ended := make(chan error, 2)
		go func() {
			ended <- c.Watch(t.Context(), false, nil,
				func(api.Event) error { return nil })
		}()
		go func() {
			ended <- c.Subscribe(t.Context(), false, nil, nil,
				func(api.Message) error { return nil })
		}()
		<-node.watching
		<-node.watching
		node.stop(reason)
		for range cap(ended) {
			if err := <-ended; !errors.Is(err, client.ErrEnded) ||
				!strings.Contains(err.Error(), want) {
				t.Errorf("of a node that stopped with %q a stream ended with %q", reason, err)
			}
		}
	}
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(": starling\n\nevent: message\ndata: {"))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer cut.Close()
	c, err := client.New(cut.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.Subscribe(t.Context(), false, nil, nil, func(api.Message) error { return nil })
	if !errors.Is(err, client.ErrEnded) {
		t.Errorf("a stream that was cut off ended with %v", err)
	}
}

// TestStreamsAreBounded opens one stream more than there may be, then closes the server under the
// others.
func TestStreamsAreBounded(t *testing.T) {
	node := newFake()
	s, c := serve(t, node)
	ended := make(chan error, maxStreams)
	for range maxStreams {
		opened := make(chan struct{})
		go func() {
			ended <- c.Watch(t.Context(), false, func() { close(opened) },
				func(api.Event) error { return nil })
		}()
		<-opened
	}
	var refused *client.StatusError
	if err := c.Watch(t.Context(), false, nil, nil); !errors.As(err, &refused) ||
		refused.Status != 503 {
		t.Errorf("one stream too many: %v, want status 503", err)
	}
	s.Close()
	for range maxStreams {
		if err := <-ended; !errors.Is(err, client.ErrEnded) ||
			!strings.Contains(err.Error(), "the agent is stopping") {
			t.Fatalf("a stream ended with %v", err)
		}
	}
}

func TestClientErrors(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	c, _ := client.New(strings.TrimPrefix(gone.URL, "http://"), "")
	if _, err := c.Info(t.Context()); !errors.Is(err, client.ErrAbsent) ||
		strings.Contains(err.Error(), "\n") {
		t.Errorf("no agent: %v, want ErrAbsent in one line", err)
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter,
		_ *http.Request) {
		io.WriteString(w, "<html>")
	}))
	defer other.Close()
	c, _ = client.New(other.URL, "")
	defer c.Close()
	if _, err := c.Info(t.Context()); err == nil || !strings.Contains(err.Error(), "is no agent") {
		t.Errorf("not an agent: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := c.Info(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for _, addr := range []string{"", "host", "ftp://host:1", "http://"} {
		if _, err := client.New(addr, ""); err == nil {
			t.Errorf("%q is taken for an address", addr)
		}
	}
}

func TestHealthzTellsTheEnd(t *testing.T) {
	node := newFake()
	node.stop(fmt.Errorf("it: %w", starling.ErrNameConflict))
	w := ask(NewServer(node, ServerOptions{}).Handler(), "GET", "/healthz", "")
	if w.Code != 503 || !strings.Contains(w.Body.String(), "another live node has this name") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// Two changes of tags at once are both made: the second reads what the first has set.
func TestTwoTagChangesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := newFake()
		node.setting = make(chan struct{})
		h := NewServer(node, ServerOptions{}).Handler()
		var both sync.WaitGroup
		for _, k := range []string{"x", "y"} {
			both.Go(func() { ask(h, "PATCH", "/v1/tags", `{"set":{"`+k+`":"1"}}`) })
		}
		synctest.Wait()
		close(node.setting)
		both.Wait()
		if tags := node.Self().Tags.Map(); len(tags) != 3 {
			t.Errorf("tags %v", tags)
		}
	})
}

// A leave by the API that is not clean has a line in the log, as one at a signal has.
func TestUncleanLeaveIsLogged(t *testing.T) {
	for _, clean := range []bool{true, false} {
		log, text := logged()
		node := newFake()
		if !clean {
			node.leaveErr = fmt.Errorf("starling: left: %w: n2 lacks 7", starling.ErrUnsent)
		}
		ask(NewServer(node, ServerOptions{Log: log}).Handler(), "POST", "/v1/leave", "")
		if got := text.String(); strings.Contains(got, "WARN") == clean ||
			!clean && !strings.Contains(got, "n2 lacks 7") || !strings.Contains(got, "leaving") {
			t.Errorf("clean: %v; %s", clean, got)
		}
	}
}

// A member of the other IP family is counted under one reason.
func TestUnreachableHasOneReason(t *testing.T) {
	node := newFake()
	node.change = func(i *starling.Info) {
		i.OutOfFamily, i.Unbridged = []string{"a", "b", "c"}, []string{"b"}
		i.Unreachable = []string{"b", "d"}
	}
	got := ask(NewServer(node, ServerOptions{}).Handler(), "GET", "/metrics", "").Body.String()
	for reason, want := range map[string]int{"family": 2, "unbridged": 1, "silent": 1} {
		line := fmt.Sprintf("starling_members_unreachable{reason=%q} %d\n", reason, want)
		if !strings.Contains(got, line) {
			t.Errorf("there is no %q", line)
		}
	}
}

// A live member that is not well from here is told with its doubt, and one that is well is told as
// ever.
func TestDoubtsOfMembers(t *testing.T) {
	node := newFake()
	h := NewServer(node, ServerOptions{}).Handler()
	for _, x := range []struct {
		silent, mute bool
		unreachable  []string
		want         string
	}{
		{false, false, nil, `"since":"2026-01-02T03:04:05Z"}`},
		{true, false, nil, `"since":"2026-01-02T03:04:05Z","doubt":"silent",` +
			`"heard":"2026-01-02T03:04:05Z"}`},
		{false, true, nil, `"since":"2026-01-02T03:04:05Z","doubt":"mute",` +
			`"heard":"2026-01-02T03:04:05Z"}`},
		{false, false, []string{"a"}, `"since":"2026-01-02T03:04:05Z","doubt":"unreachable"}`},
	} {
		node.silent, node.mute = x.silent, x.mute
		node.change = func(i *starling.Info) { i.Unreachable = x.unreachable }
		for _, target := range []string{"/v1/members?state=alive", "/v1/members/a"} {
			if got := ask(h, "GET", target, "").Body.String(); !strings.Contains(got, x.want) {
				t.Errorf("%s: %s, want %s", target, got, x.want)
			}
		}
		if got := ask(h, "GET", "/v1/members/b", "").Body.String(); strings.Contains(got, "doubt") {
			t.Errorf("of one that failed: %s", got)
		}
	}
}

// A node that hears nobody, or is not reached, may be the one that is gone: it forgets those that
// it cannot reach only if that is said twice.
func TestForgetWhereTheAgentIsCutOff(t *testing.T) {
	node := newFake()
	node.members = append(node.members, starling.Member{Name: "c"})
	h := NewServer(node, ServerOptions{}).Handler()
	for _, x := range []struct {
		heard     time.Duration // ago
		unreached bool
		body      string
		status    int
		word      string
	}{
		{time.Second, false, `{"unreachable":true}`, 200, `["c"]`},
		{10 * time.Second, false, `{"unreachable":true}`, 409, "hears nobody"},
		{10 * time.Second, false, `{"names":["c"]}`, 200, `["c"]`},
		{10 * time.Second, false, `{"unreachable":true,"alone":true}`, 200, `["c"]`},
		{time.Second, true, `{"unreachable":true}`, 409, "--yes-alone"},
	} {
		node.change = func(i *starling.Info) {
			i.LastHeard, i.Unreached, i.Unreachable = time.Now().Add(-x.heard), x.unreached,
				[]string{"c"}
		}
		if w := ask(h, "POST", "/v1/forget", x.body); w.Code != x.status ||
			!strings.Contains(w.Body.String(), x.word) {
			t.Errorf("%s, heard %v ago: %d %s, want %d and %s", x.body, x.heard, w.Code,
				w.Body, x.status, x.word)
		}
	}
}

// A node is ready when it is in, hears others, and is heard and reached by them; that it lives it
// says in any case.
func TestReadyz(t *testing.T) {
	node := newFake()
	h := NewServer(node, ServerOptions{Token: token}).Handler()
	for _, x := range []struct {
		change func(*starling.Info)
		status int
		word   string
	}{
		{func(*starling.Info) {}, 200, "ready"},
		{func(i *starling.Info) { i.Welcomed = false }, 503, "seed"},
		{func(i *starling.Info) {
			i.Welcomed, i.Refused = false,
				"10.0.0.9:7747: another detector"
		}, 503, "not in yet: 10.0.0.9:7747: another " +
			"detector"},
		{func(i *starling.Info) { i.Isolated = true }, 503, "isolated"},
		{func(i *starling.Info) { i.Deserted = true }, 503,
			"alone: this node had all others forgotten"},
		{func(i *starling.Info) { i.Unreached = true }, 503, "deaf"},
		{func(i *starling.Info) { i.NoMajority, i.Reachable, i.Agreed = true, 2, 5 }, 503,
			"reaches 2 of 5"},
		{func(i *starling.Info) { i.NoMajority, i.Reachable, i.Agreed = true, 4, 8 }, 200, "ready"},
		{func(i *starling.Info) {
			i.NoMajority, i.Reachable, i.Agreed, i.Unbridged = true, 2, 5, []string{"c", "d", "e"}
		}, 503,
			"nobody reaches 3 members of the other IP family"},
	} {
		node.change = x.change
		if w := ask(h, "GET", "/readyz", ""); w.Code != x.status ||
			!strings.Contains(w.Body.String(), x.word) {
			t.Errorf("ready: %d %s, want %d and a word of %s", w.Code, w.Body, x.status, x.word)
		}
		if w := ask(h, "GET", "/healthz", ""); w.Code != 200 {
			t.Errorf("healthy: %d %s", w.Code, w.Body)
		}
	}
	node.stop(errors.New("it is over"))
	if w := ask(h, "GET", "/readyz", ""); w.Code != 503 ||
		!strings.Contains(w.Body.String(), "over") {
		t.Errorf("of a stopped node: %d %s", w.Code, w.Body)
	}
}

func TestMetrics(t *testing.T) {
	w := ask(NewServer(newFake(), ServerOptions{}).Handler(), "GET", "/metrics", "")
	for _, want := range []string{
		`starling_members{cause="",state="alive"} 1`, `starling_members{cause="",state="left"} 0`,
		`starling_agreement_peers{view="same"} 1`,
		`starling_packets_total{direction="sent"} 0`,
		`starling_packets_dropped_total{reason="unopened"} 0`,
		`starling_probe_rtt_seconds 0.001`, `starling_start_time_seconds 1.767323045e+09`,
		`starling_welcomed 1`, "go_goroutines ",
		`starling_coordinate_error{space="inside"} 0.125`,
		`starling_location_questions_total{result="answered"} 0`,
		`starling_zone_bytes_total{direction="sent",peer_zone="eu",zone=`,
		`starling_zone_packets_total{direction="received",peer_zone="?",zone=`,
		`starling_zone_budget_bytes_per_second{peer_zone="eu",zone=""} 20000`,
		`starling_zone_budget_waits_total 7`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no line with %s", want)
		}
	}
}

func TestDashboardNeedsNothingElse(t *testing.T) {
	for _, bad := range []string{"http://", "https://", "src=", "innerHTML", "document.write"} {
		if strings.Contains(string(dashboard), bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	w := ask(NewServer(newFake(), ServerOptions{}).Handler(), "GET", "/", "")
	if w.Header().Get("Content-Security-Policy") == "" ||
		w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("headers %v", w.Header())
	}
}
