package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/api"
)

// Of several keys each stands by itself: what is wrong with one is told, with its name, and the
// others are done. An agent that is gone ends it.
func TestSeveralKeys(t *testing.T) {
	var done []string
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		switch k := r.URL.Query().Get("key"); k {
		case "nope":
			w.WriteHeader(404)
			json.NewEncoder(w).Encode(api.Error{Error: "there is no such key"})
		case "stop":
			w.WriteHeader(503)
			json.NewEncoder(w).Encode(api.Error{Error: "the node is closed"})
		default:
			done = append(done, k)
			json.NewEncoder(w).Encode(api.Done{Done: "deleted"})
		}
	}
	mux.HandleFunc("DELETE /v1/keys", answer)
	mux.HandleFunc("PUT /v1/keys", answer)
	s := httptest.NewServer(mux)
	defer s.Close()
	env := map[string]string{"STARLING_API": strings.TrimPrefix(s.URL, "http://")}
	big := strings.Repeat("x", 70_000)
	for _, c := range []struct {
		args, in, err, done string
		code                int
	}{
		{"unset a nope b", "", "starling: nope: there is no such key; the other keys are " +
			"done\n", "[a b]", 1},
		{"unset nope", "", "starling: there is no such key\n", "[]", 1},
		{"unset a stop b", "", "starling: stop: the node is closed\n", "[a]", 1},
		{"unset a b", "", "", "[a b]", 0},
		{"set a=1 nope=2 z=3", "", "starling: nope: there is no such key; the other keys are " +
			"done\n", "[a z]", 1},
		{"set big=-", big, "starling: standard input has more than 65,536 bytes, which a value " +
			"can have at most\n", "[]", 1},
		{"set a=1 big=- c=2", big, "starling: big: standard input has more than 65,536 bytes, " +
			"which a value can have at most; " +
			"the other keys are done\n", "[a c]", 1},
		{"set big=-", big[:starling.MaxValue], "", "[big]", 0},
	} {
		done = nil
		code, _, errOut := cli(env, c.in, strings.Fields(c.args)...)
		if code != c.code || errOut != c.err || fmt.Sprint(slices.Clone(done)) != c.done {
			t.Errorf("%s: exit code %d, %q, done %v; want %d, %q, %s", c.args, code, errOut,
				done, c.code, c.err, c.done)
		}
	}
}
