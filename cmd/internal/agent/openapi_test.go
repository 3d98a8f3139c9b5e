package agent

// This file holds the OpenAPI document against the code.

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/starling-gossip/starling/api"
)

// TestOpenAPI holds the document and the routes together, both ways.
func TestOpenAPI(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			Security *[]any
		}
	}
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			described[strings.ToUpper(method)+" "+path] = op.Security != nil
		}
	}
	served := map[string]bool{}
	for _, r := range NewServer(newFake(), ServerOptions{}).routes() {
		served[strings.Replace(r.pattern, "{$}", "", 1)] = r.open
	}
	if !maps.Equal(described, served) {
		t.Errorf("the document (route: open) has\n%v\nand the server\n%v", described, served)
	}
}

// TestQueries: what is not a parameter of a route, comes twice, is no value or out of range is
// refused before anything is done, at every route alike, and the document says what is taken.
func TestQueries(t *testing.T) {
	type parameter struct {
		Name, In string
		Required bool
		Schema   struct{ Type string }
	}
	var doc struct {
		Paths map[string]map[string]struct{ Parameters []parameter }
	}
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	good := map[string]string{"timeout": "25s", "replay": "true", "ttl": "2s", "urgent": "true",
		"state": "alive", "tag": "k=v", "near": "a", "to": "a",
		"from": "a", "owner": "a", "key": "k", "prefix": "p", "topic": "t", "wait": "50%"}
	long := strings.Repeat("x", 256)
	bad := map[string][]string{
		"timeout": {"", "abc", "0s", "-1s", "25", "25.1s", "60s", "9000s"},
		"replay":  {"", "1", "TRUE", "yes"},
		"urgent":  {"", "1", "yes"},
		"ttl":     {"", "abc", "0s", "-2s", "1ns", "9000h"},
		"state":   {"", "dead", "alive,"},
		"tag":     {"", "k", "=v"},
		"near":    {"", long}, "to": {"", long}, "from": {"", long}, "owner": {"", long},
		"key": {"", long}, "prefix": {long}, "topic": {"", long},
		"wait": {"", "99x", "0", "101%", "-1"},
	}
	for _, r := range NewServer(newFake(), ServerOptions{}).routes() {
		method, path, _ := strings.Cut(strings.Replace(r.pattern, "{$}", "", 1), " ")
		var described, taken []string
		for _, p := range doc.Paths[path][strings.ToLower(method)].Parameters {
			if p.In == "query" {
				described = append(described, fmt.Sprint(p.Name, " must ", p.Required,
					" many ", p.Schema.Type == "array"))
			}
		}
		base := url.Values{}
		for _, p := range r.query {
			taken = append(taken, fmt.Sprint(p.name, " must ", p.must, " many ", p.many))
			if p.must {
				base.Set(p.name, good[p.name])
			}
		}
		slices.Sort(described)
		if slices.Sort(taken); !slices.Equal(described, taken) {
			t.Errorf("%s: the document has\n%v, the server\n%v", r.pattern, described, taken)
		}
		refused := func(about, query string) {
			t.Helper()
			node := newFake()
			target := strings.Replace(path, "{name}", "a", 1) + "?" + query
			r := httptest.NewRequest(method, target, strings.NewReader("{}"))
			r.Host = "127.0.0.1:7748"
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // or a stream that is opened by mistake would go on
			w := httptest.NewRecorder()
			NewServer(node, ServerOptions{}).Handler().ServeHTTP(w, r.WithContext(ctx))
			if w.Code != 400 || !strings.Contains(w.Body.String(), about) ||
				len(node.sent) > 0 || node.Err() != nil {
				t.Errorf("%s %s: %d %s, want 400 and a word of %s", method, target, w.Code,
					w.Body, about)
			}
		}
		with := func(name, value string) string {
			q := maps.Clone(base)
			q.Set(name, value)
			return q.Encode()
		}
		refused("wiat", with("wiat", "99"))
		refused("cannot be read", base.Encode()+"&%zz")
		refused("cannot be read", base.Encode()+";a=b")
		for _, p := range r.query {
			if !p.many {
				refused(p.name+"= 2 times", with(p.name,
					good[p.name])+"&"+url.Values{p.name: {good[p.name]}}.Encode())
			}
			if p.must {
				q := maps.Clone(base)
				q.Del(p.name)
				refused("needs "+p.name+"=", q.Encode())
			}
			for _, v := range bad[p.name] {
				refused(p.name+"=", with(p.name, v))
				if p.many { // not the first one alone
					refused(p.name+"=", with(p.name,
						good[p.name])+"&"+url.Values{p.name: {v}}.Encode())
				}
			}
			if err := checkQuery(with(p.name, good[p.name]), r.query); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestSchemas holds the fields of the document's schemas against those of the Go types.
func TestSchemas(t *testing.T) {
	var doc struct {
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]any{
		"Member": api.Member{Doubt: "d", Heard: &then, Cause: "c", OutOfFamily: true,
			Phi: new(float64), RTT: new(float64), RTTError: new(float64)},
		"RTT": api.RTT{Measured: 1}, "Coordinates": api.Coordinates{Outside: new(float64)},
		"Event": api.Event{Cause: "c", Silent: 1, Zone: "z", Tags: map[string]string{"k": "v"},
			Generation: 1, Incarnation: 1, Members: 1},
		"Message": api.Message{Missed: 1, Lost: 1},
		"Info": api.Info{ClusterID: "1", Store: &api.Store{}, Moved: &api.Move{},
			Translated: "a", TranslatedHere: true, FilteredPort: 1, LastHeard: &then,
			Connected: &then, Refused: "r", RefusedFor: "key"}, "Store": api.Store{Error: "e"},
		"Agreement": api.Agreement{}, "View": api.View{}, "SilentZone": api.SilentZone{},
		"Traffic": api.Traffic{}, "ZoneTraffic": api.ZoneTraffic{Budget: 1},
		"Topic": api.Topic{}, "Key": api.Key{TTL: 1},
		"KeyEvent":    api.KeyEvent{Key: api.Key{TTL: 1}},
		"Published":   api.Published{Receipt: &api.Receipt{}},
		"Receipt":     api.Receipt{Newer: 1, Missing: []string{"n"}},
		"JoinRequest": api.JoinRequest{}, "Tags": api.Tags{},
		"ForgetRequest": api.ForgetRequest{Names: []string{"n"}, Unreachable: true, Failed: true,
			Alone: true}, "Unlike": api.Unlike{There: "t"}, "Forgotten": api.Forgotten{},
		"Done": api.Done{}, "Error": api.Error{},
		"Why": api.Why{State: "s", Cause: "c", Doubt: "d", OutOfFamily: true, Addr: "a", Heard: "h",
			Since: &then, Damped: &api.Damping{}}, "Damping": api.Damping{},
		"Verdict": api.Verdict{After: 1, Evidence: &api.Evidence{}}, "Evidence": api.Evidence{},
		"Vote":        api.Vote{},
		"TagsRequest": api.TagsRequest{Set: map[string]string{"k": "v"}, Unset: []string{"u"}},
	} {
		text, _ := json.Marshal(value)
		var fields map[string]any
		json.Unmarshal(text, &fields)
		got, want := slices.Sorted(maps.Keys(fields)),
			slices.Sorted(maps.Keys(doc.Components.Schemas[name].Properties))
		if !slices.Equal(got, want) {
			t.Errorf("%s has the fields\n%v, the document\n%v", name, got, want)
		}
	}
}
