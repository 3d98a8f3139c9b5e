package sim

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// actionKey is a KEY=VALUE of an action's text.
type actionKey struct {
	name string
	set  func(a *Action, v string) error
	get  func(a *Action) string // "" if it is not set
}

var actionKeys = []actionKey{
	durationKey("for", func(a *Action) *time.Duration { return &a.For }),
	durationKey("every", func(a *Action) *time.Duration { return &a.Every }),
	intKey("times", func(a *Action) *int { return &a.Times }),
	boolKey("oneway", func(a *Action) *bool { return &a.OneWay }),
	durationKey("cost", func(a *Action) *time.Duration { return &a.Cost }),
	{"by", func(a *Action, v string) (err error) {
		if a.By, err = time.ParseDuration(v); err != nil {
			return fmt.Errorf("by: %q is not a time such as -1h", v)
		}
		return nil
	}, func(a *Action) string { return nonzero(a.By) }},
	intKey("bytes", func(a *Action) *int { return &a.Bytes }),
	intKey("keys", func(a *Action) *int { return &a.Keys }),
	durationKey("ttl", func(a *Action) *time.Duration { return &a.TTL }),
	shareKey("loss", func(a *Action) *float64 { return &a.Link.Loss }),
	shareKey("dup", func(a *Action) *float64 { return &a.Link.Dup }),
	shareKey("reorder", func(a *Action) *float64 { return &a.Link.Reorder }),
	durationKey("hold", func(a *Action) *time.Duration { return &a.Link.Hold }),
	{"latency", func(a *Action, v string) (err error) {
		a.Link.Latency, err = ParseLatency(v)
		return err
	}, func(a *Action) string { return a.Link.Latency.String() }},
	intKey("mtu", func(a *Action) *int { return &a.Link.MTU }),
	durationKey("good", func(a *Action) *time.Duration { return &a.Link.Burst.Good }),
	durationKey("bad", func(a *Action) *time.Duration { return &a.Link.Burst.Bad }),
	shareKey("burst", func(a *Action) *float64 { return &a.Link.Burst.Loss }),
	shareKey("spoil", func(a *Action) *float64 { return &a.Link.Spoil }),
	{"rate", func(a *Action, v string) (err error) {
		a.Link.Pipe, err = ParseBandwidth(v)
		return err
	}, func(a *Action) string { return a.Link.Pipe.String() }},
	boolKey("confirm", func(a *Action) *bool { return &a.Confirm }),
	{"topic", func(a *Action, v string) error {
		if a.Topic = v; v == "" || len(v) > wire.MaxTopic {
			return fmt.Errorf("topic: %q does not have 1 to %d bytes", v, wire.MaxTopic)
		}
		return nil
	}, func(a *Action) string { return a.Topic }},
	boolKey("urgent", func(a *Action) *bool { return &a.Urgent }),
}

// nonzero prints a value, "" if it is zero.
func nonzero[T comparable](v T) string {
	var zero T
	if v == zero {
		return ""
	}
	return fmt.Sprint(v)
}

func boolKey(name string, f func(*Action) *bool) actionKey {
	return actionKey{name, func(a *Action, v string) error {
		if v != "" {
			return fmt.Errorf("%s takes no value", name)
		}
		*f(a) = true
		return nil
	}, func(a *Action) string {
		if *f(a) {
			return "true"
		}
		return ""
	}}
}

func durationKey(name string, f func(*Action) *time.Duration) actionKey {
	return actionKey{name, func(a *Action, v string) error {
		d, err := parseDuration(v)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		*f(a) = d
		return nil
	}, func(a *Action) string { return nonzero(*f(a)) }}
}

func intKey(name string, f func(*Action) *int) actionKey {
	return actionKey{name, func(a *Action, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return fmt.Errorf("%s: %q is not a whole number", name, v)
		}
		*f(a) = n
		return nil
	}, func(a *Action) string { return nonzero(*f(a)) }}
}

func shareKey(name string, f func(*Action) *float64) actionKey {
	return actionKey{name, func(a *Action, v string) error {
		p, err := parseShare(v)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		*f(a) = p
		return nil
	}, func(a *Action) string { return nonzero(*f(a)) }}
}

// parseShare reads "0.1" or "10%".
func parseShare(s string) (float64, error) {
	digits, percent := strings.CutSuffix(s, "%")
	p, err := strconv.ParseFloat(digits, 64)
	if percent {
		p /= 100
	}
	if err != nil || !(p >= 0 && p <= 1) {
		return 0, fmt.Errorf("%q is not a share from 0 to 1, or from 0%% to 100%%", s)
	}
	return p, nil
}

// ParseAction reads an action's text.
func ParseAction(s string) (a Action, err error) {
	head, rest, _ := strings.Cut(s, ",")
	when, what, ok := strings.Cut(head, "=")
	if !ok {
		return a, fmt.Errorf("action %q: there is no TIME=WHAT, as in 5s=crash:10%%", s)
	}
	if a.At, err = parseDuration(when); err != nil {
		return a, fmt.Errorf("action %q: %w", s, err)
	}
	verb, who, hasWho := strings.Cut(what, ":")
	a.Do = Verb(verb)
	if _, ok := verbs[a.Do]; !ok {
		return a, fmt.Errorf("action %q: there is no %q; there are %s", s, verb, verbNames())
	}
	if hasWho {
		one, other, two := strings.Cut(who, "/")
		if a.Who, err = ParseWho(one); err == nil && two {
			a.Peer, err = ParseWho(other)
		}
		if err != nil {
			return a, fmt.Errorf("action %q: %w", s, err)
		}
	}
	given := map[string]bool{}
	for kv := range strings.SplitSeq(rest, ",") {
		if kv == "" {
			continue
		}
		k, v, _ := strings.Cut(kv, "=")
		if err := a.set(k, v); err != nil {
			return a, fmt.Errorf("action %q: %w", s, err)
		}
		given[k] = true
	}
	if err := a.complete(given); err != nil {
		return a, fmt.Errorf("action %q: %w", s, err)
	}
	return a, nil
}

func (a *Action) set(k, v string) error {
	takes := strings.Fields(strings.ReplaceAll(verbs[a.Do].keys, "!", ""))
	i := slices.IndexFunc(actionKeys, func(x actionKey) bool { return x.name == k })
	if i < 0 || !slices.Contains(takes, k) {
		return fmt.Errorf("%s takes no %q; it takes %s", a.Do, k, strings.Join(takes, ", "))
	}
	return actionKeys[i].set(a, v)
}

// complete says what an action lacks.
func (a *Action) complete(given map[string]bool) error {
	v := verbs[a.Do]
	switch {
	case v.who && a.Who.Kind == 0:
		return fmt.Errorf("%s needs somebody to be done to, as in %s:10%%", a.Do, a.Do)
	case v.peer && a.Peer.Kind == 0:
		return fmt.Errorf("%s needs two sides, as in %s:30%%/rest", a.Do, a.Do)
	case !v.who && a.Who.Kind != 0 || !v.peer && a.Peer.Kind != 0:
		return fmt.Errorf("%s is done to %s", a.Do,
			map[bool]string{true: "one side", false: "nobody"}[v.who])
	case a.Do == Start && a.Who.Kind != Some:
		return fmt.Errorf("start takes how many start, as in start:10")
	case a.Times > 0 && a.Every == 0:
		return fmt.Errorf("times needs every")
	case a.Every > 0 && a.Every < time.Millisecond:
		return fmt.Errorf("every %s is too often; 1ms is the least", a.Every)
	}
	for k := range strings.FieldsSeq(v.keys) {
		if k, ok := strings.CutSuffix(k, "!"); ok && !given[k] {
			return fmt.Errorf("%s needs %s=", a.Do, k)
		}
	}
	return a.Link.validate(string(a.Do))
}

func verbNames() string {
	var all []string
	for _, v := range slices.Sorted(maps.Keys(verbs)) {
		all = append(all, string(v))
	}
	return strings.Join(all, ", ")
}

// ParseWho reads a set of processes. "3" is three of them, "10%" a share, "n7" one, "n7-n9" a
// range, "z1" a zone, "all" all of them. "rest" are those not on the other side, "dead" those that
// crashed. "busiest5%" are, of those that sent to other zones, the share that sent most there.
// "n1+n5-n9" is several together.
func ParseWho(s string) (w Who, err error) {
	for i, part := range strings.Split(s, "+") {
		p, err := parsePart(part)
		if err != nil {
			return Who{}, err
		}
		if i == 0 {
			w = p
		} else {
			w.Plus = append(w.Plus, p)
		}
	}
	return w, nil
}

func parsePart(s string) (Who, error) {
	switch s {
	case "all":
		return Who{Kind: All}, nil
	case "rest":
		return Who{Kind: Rest}, nil
	case "dead":
		return Who{Kind: Dead}, nil
	}
	if share, ok := strings.CutPrefix(s, "busiest"); ok {
		p, err := parseShare(share)
		return Who{Kind: Busiest, Share: p}, err
	}
	if strings.HasSuffix(s, "%") {
		p, err := parseShare(s)
		return Who{Kind: Share, Share: p}, err
	}
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return Who{Kind: Some, N: int(n)}, nil
	}
	if z, ok := strings.CutPrefix(s, "z"); ok {
		if n, err := strconv.ParseUint(z, 10, 31); err == nil {
			return Who{Kind: InZone, Zone: int(n)}, nil
		}
	}
	lo, hi, isRange := strings.Cut(s, "-")
	if !isRange {
		hi = lo
	}
	from, ok1 := nodeNumber(lo)
	to, ok2 := nodeNumber(hi)
	if !ok1 || !ok2 || to < from {
		return Who{}, fmt.Errorf("%q is nobody; write 3, 10%%, n7, n7-n9, z1, all, rest, dead "+
			"or busiest5%%, joined by +", s)
	}
	return Who{Kind: Range, From: from, To: to}, nil
}

func nodeNumber(s string) (int, bool) {
	d, ok := strings.CutPrefix(s, "n")
	n, err := strconv.ParseUint(d, 10, 31)
	return int(n), ok && err == nil
}

// ParseScenario reads a scenario's file: an action a line; empty lines and what follows a # are
// passed over.
func ParseScenario(name string, r io.Reader) ([]Action, error) {
	var all []Action
	sc := bufio.NewScanner(r)
	for line := 1; sc.Scan(); line++ {
		text, _, _ := strings.Cut(sc.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		a, err := ParseAction(text)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
		all = append(all, a)
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return all, nil
}
