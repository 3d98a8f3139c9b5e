package agent

// This file is what the queries of requests may have: each route names its parameters, and a
// request with anything else is refused before it does something.

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/state"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// param is a parameter of a route's query.
type param struct {
	name  string
	must  bool               // a request without it is refused
	many  bool               // it may be given more than once
	check func(string) error // what is wrong with a value
}

// The parameters of all routes.
var (
	timeoutParam = param{name: "timeout", check: duration(time.Nanosecond, maxWait)}
	replayParam  = param{name: "replay", check: oneOf("true", "false")}
	urgentParam  = param{name: "urgent", check: oneOf("true", "false")}
	ttlParam     = param{name: "ttl", check: duration(state.MinTTL, state.MaxTTL)}
	stateParam   = param{name: "state", many: true, check: checkStates}
	tagParam     = param{name: "tag", many: true, check: checkTag}
	nearParam    = param{name: "near", check: length(1, member.MaxName)}
	toParam      = param{name: "to", check: length(1, member.MaxName)}
	fromParam    = param{name: "from", must: true, check: length(1, member.MaxName)}
	ownerParam   = param{name: "owner", many: true, check: length(1, member.MaxName)}
	keyParam     = param{name: "key", check: length(1, state.MaxKey)}
	prefixParam  = param{name: "prefix", check: length(0, state.MaxKey)}
	topicsParam  = param{name: "topic", many: true, check: length(1, wire.MaxTopic)}
	topicParam   = param{name: "topic", must: true, check: length(1, wire.MaxTopic)}
	waitParam    = param{name: "wait", check: func(v string) error {
		_, err := starling.ParseNeed(v)
		return err
	}}
)

func (p param) required() param {
	p.must = true
	return p
}

func length(least, most int) func(string) error {
	return func(v string) error {
		if len(v) < least || len(v) > most {
			return fmt.Errorf("it has %d bytes, %d to %d are allowed", len(v), least, most)
		}
		return nil
	}
}

func oneOf(values ...string) func(string) error {
	return func(v string) error {
		if !slices.Contains(values, v) {
			return fmt.Errorf("%q is not %s", v, strings.Join(values, " or "))
		}
		return nil
	}
}

func duration(least, most time.Duration) func(string) error {
	return func(v string) error {
		d, err := time.ParseDuration(v)
		switch {
		case err != nil:
			return fmt.Errorf("%q is not a time such as 5s", v)
		case least < time.Millisecond && (d < least || d > most):
			return fmt.Errorf("%s: more than 0 and at most %s can be", v, most)
		case d < least || d > most:
			return fmt.Errorf("%s: from %s to %s can be", v, least, most)
		}
		return nil
	}
}

// strict refuses a query that has anything but the parameters of a route, each once unless it may
// come more often, and each with a value that can be.
func strict(params []param, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := checkQuery(r.URL.RawQuery, params); err != nil {
			fail(w, http.StatusBadRequest, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func checkQuery(raw string, params []param) error {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return fmt.Errorf("the query cannot be read: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		i := slices.IndexFunc(params, func(p param) bool { return p.name == name })
		if i < 0 {
			return fmt.Errorf("the query has %q, %s", name, offered(params))
		}
		if len(q[name]) > 1 && !params[i].many {
			return fmt.Errorf("the query has %s= %d times, once is wanted", name, len(q[name]))
		}
		for _, v := range q[name] {
			if err := params[i].check(v); err != nil {
				return fmt.Errorf("%s=%w", name, err)
			}
		}
	}
	for _, p := range params {
		if p.must && !q.Has(p.name) {
			return fmt.Errorf("the query needs %s=%s", p.name, needs[p.name])
		}
	}
	return nil
}

// needs is what stands for the value of a parameter that is missing.
var needs = map[string]string{"topic": "NAME", "from": "NAME", "key": "KEY"}

// offered says what a query can have.
func offered(params []param) string {
	if len(params) == 0 {
		return "and nothing is wanted in it"
	}
	var names []string
	for _, p := range params {
		names = append(names, p.name)
	}
	return "which is none of its parameters: " + strings.Join(names, ", ")
}

// checkStates looks at a list with commas.
func checkStates(list string) error {
	for name := range strings.SplitSeq(list, ",") {
		if !slices.Contains(stateNames, name) {
			return fmt.Errorf("%q: there is no state %q, there are %s", list, name,
				strings.Join(stateNames, ", "))
		}
	}
	return nil
}

func checkTag(pair string) error {
	if k, _, ok := strings.Cut(pair, "="); !ok || k == "" {
		return fmt.Errorf("%q is not key=value", pair)
	}
	return nil
}
