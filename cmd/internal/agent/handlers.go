package agent

// This file is what the API answers to single requests.

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/api"
)

// Bounds on how long a request may wait for the cluster.
const (
	defaultWait = 10 * time.Second
	maxWait     = 25 * time.Second // below bodyTimeout, so that the answer still arrives
)

func (s *Server) info(w http.ResponseWriter, _ *http.Request) { reply(w, toInfo(s.node.Info())) }

func (s *Server) members(w http.ResponseWriter, r *http.Request) {
	match := filter(r.URL.Query()["state"], r.URL.Query()["tag"])
	out := []api.Member{}
	for m := range s.node.Members() {
		if match(m) {
			out = append(out, toMember(m))
		}
	}
	s.addPhi(out)
	s.addDoubts(out)
	slices.SortFunc(out, func(a, b api.Member) int { return strings.Compare(a.Name, b.Name) })
	if q := r.URL.Query(); q.Has("near") {
		if err := s.sortNear(r, q.Get("near"), out); err != nil {
			s.failNode(w, r, err)
			return
		}
	}
	reply(w, out)
}

func (s *Server) member(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	for m := range s.node.Members() {
		if m.Name == name {
			out := []api.Member{toMember(m)}
			s.addPhi(out)
			s.addDoubts(out)
			reply(w, out[0])
			return
		}
	}
	fail(w, http.StatusNotFound, fmt.Errorf("no member is called %q", name))
}

// addDoubts adds what the node sees of live members that are not well from here, before it or
// anybody judges them.
func (s *Server) addDoubts(members []api.Member) {
	type doubt struct {
		what  string
		heard time.Time
	}
	doubts := map[string]doubt{}
	for _, p := range s.node.Paths() {
		if what := doubtOf(&p); what != "" {
			doubts[p.Name] = doubt{what, p.Heard}
		}
	}
	for _, name := range s.node.Info().Unreachable {
		doubts[name] = doubt{"unreachable", doubts[name].heard}
	}
	for i := range members {
		m := &members[i]
		d, ok := doubts[m.Name]
		if !ok || m.State != starling.Alive.String() && m.State != starling.Suspect.String() {
			continue
		}
		if m.Doubt = d.what; !d.heard.IsZero() {
			at := d.heard.UTC()
			m.Heard = &at
		}
	}
}

func doubtOf(p *starling.Path) string {
	switch {
	case p.Unreachable:
		return "unreachable"
	case p.Broken:
		return "broken"
	case p.Mute:
		return "mute"
	case p.Silent:
		return "silent"
	}
	return ""
}

// addPhi adds the levels of suspicion, if the detector has any.
func (s *Server) addPhi(members []api.Member) {
	if s.node.Info().Detector != starling.Accrual {
		return
	}
	for i := range members {
		if phi, ok := s.node.Phi(members[i].Name); ok {
			members[i].Phi = &phi
		}
	}
}

func (s *Server) why(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	out := toWhy(name, s.node.Why(name), string(s.node.Info().Detector))
	if d, ok := s.node.Damped(name); ok {
		out.Damped = &api.Damping{Returns: d.Returns, Grace: d.Grace.Seconds(),
			Usual: d.Usual.Seconds()}
	}
	for m := range s.node.Members() {
		if m.Name == name {
			since := m.Since.UTC()
			out.State, out.Since = m.State.String(), &since
			seen := []api.Member{toMember(m)}
			s.addDoubts(seen)
			out.Doubt, out.OutOfFamily = seen[0].Doubt, m.OutOfFamily
			if m.Cause == "deaf" {
				out.Cause, out.Addr = string(m.Cause), m.Addr.String()
			}
		}
	}
	if out.State == "" && len(out.Verdicts) == 0 {
		fail(w, http.StatusNotFound, fmt.Errorf("no member is called %q, and none that was is "+
			"remembered", name))
		return
	}
	reply(w, out)
}

func (s *Server) paths(w http.ResponseWriter, _ *http.Request) {
	out := []api.Path{}
	for _, p := range s.node.Paths() {
		out = append(out, toPath(&p))
	}
	reply(w, out)
}

func (s *Server) publish(w http.ResponseWriter, r *http.Request) {
	topic := r.URL.Query().Get("topic")
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		fail(w, http.StatusRequestEntityTooLarge, err)
		return
	}
	ctx, stop := wait(r)
	defer stop()
	out := api.Published{Topic: topic, Origin: s.node.Self().Name}
	var options []starling.PublishOption
	if r.URL.Query().Get("urgent") == "true" {
		options = append(options, starling.Urgent)
	}
	if r.URL.Query().Has("wait") {
		err = s.publishWait(ctx, r.URL.Query().Get("wait"), payload, options, &out)
	} else {
		out.Seq, err = s.node.Publish(ctx, topic, payload, options...)
	}
	if err != nil {
		s.failNode(w, r, err)
		return
	}
	reply(w, out)
}

// publishWait publishes and waits. That the time was over first is no error: the message is on its
// way.
func (s *Server) publishWait(ctx context.Context, need string, payload []byte,
	options []starling.PublishOption, out *api.Published) error {
	n, err := starling.ParseNeed(need)
	if err != nil {
		return fmt.Errorf("wait=%w", err)
	}
	r, err := s.node.PublishWait(ctx, out.Topic, payload, n, options...)
	if err != nil && r.Seq == 0 {
		return err
	}
	out.Seq = r.Seq
	out.Receipt = &api.Receipt{Reached: r.Reached, Have: r.Have, Of: r.Of, Newer: r.Newer,
		Agreed: r.Agreed, Missing: r.Missing, Seconds: r.Took.Seconds()}
	return nil
}

func (s *Server) topics(w http.ResponseWriter, _ *http.Request) {
	out := []api.Topic{}
	for _, t := range s.node.Topics() {
		out = append(out, api.Topic(t))
	}
	reply(w, out)
}

func (s *Server) join(w http.ResponseWriter, r *http.Request) {
	var req api.JoinRequest
	if !readJSON(w, r, &req) {
		return
	}
	if len(req.Seeds) == 0 {
		fail(w, http.StatusBadRequest, errors.New(`the body needs {"seeds": ["ADDR"]}`))
		return
	}
	ctx, stop := wait(r)
	defer stop()
	if err := s.node.Join(ctx, req.Seeds...); err != nil {
		s.failNode(w, r, err)
		return
	}
	reply(w, api.Done{Done: "joined"})
}

// forget has members forgotten: those named, and all that are unreachable or failed here if that is
// asked for. It answers with those that this node knew until now.
func (s *Server) forget(w http.ResponseWriter, r *http.Request) {
	var req api.ForgetRequest
	if !readJSON(w, r, &req) {
		return
	}
	if len(req.Names) == 0 && !req.Unreachable && !req.Failed {
		fail(w, http.StatusBadRequest, errors.New(`the body needs {"names": ["NAME"]}, `+
			`{"unreachable": true} or {"failed": true}`))
		return
	}
	names := slices.Clone(req.Names)
	if req.Unreachable {
		i := s.node.Info()
		if err := cutOff(&i, time.Now()); err != nil && !req.Alone && len(i.Unreachable) > 0 {
			fail(w, http.StatusConflict, err)
			return
		}
		names = append(names, i.Unreachable...)
	}
	known := map[string]bool{}
	for m := range s.node.Members() {
		known[m.Name] = true
		if req.Failed && m.State == starling.Failed {
			names = append(names, m.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	ctx, stop := wait(r)
	defer stop()
	if err := s.node.Forget(ctx, names...); err != nil {
		s.failNode(w, r, err)
		return
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !known[name] })
	reply(w, api.Forgotten{Forgotten: append([]string{}, names...)})
}

// hearsFor is for how long after the last datagram of a live member a node counts as one that hears
// somebody.
const hearsFor = 5 * time.Second

// cutOff says why a node may itself be the one that is gone, and not those that it cannot reach;
// nil: it hears some, and they hear it.
func cutOff(i *starling.Info, now time.Time) error {
	const mend = "; mend its network, or if they are gone for good: starling forget " +
		"--unreachable --yes-alone"
	switch {
	case i.Unreached:
		return fmt.Errorf("this node is the one that is not reached: nothing that others send "+
			"to %s comes here, so nobody is forgotten%s",
			i.Self.Addr, mend)
	case i.Isolated:
		return errors.New("this node is the one that is cut off: nobody answers what it sends, " +
			"so nobody is forgotten" + mend)
	case now.Sub(i.LastHeard) > hearsFor:
		return errors.New("this node hears nobody, so it may be the one that is cut off, and it " +
			"would be alone: nobody is forgotten" + mend)
	}
	return nil
}

// notLetGo says in the log that a leave was not clean.
const notLetGo = "not all could be told or sent in time"

func (s *Server) leave(w http.ResponseWriter, r *http.Request) {
	ctx, stop := wait(r)
	defer stop()
	s.opts.Log.Info("leaving, as asked by the API")
	if err := s.node.Leave(ctx); err != nil {
		s.opts.Log.Warn(notLetGo, "error", err)
		s.failNode(w, r, err)
		return
	}
	reply(w, api.Done{Done: "left"})
}

func (s *Server) tags(w http.ResponseWriter, r *http.Request) {
	var req api.TagsRequest
	if !readJSON(w, r, &req) {
		return
	}
	ctx, stop := wait(r)
	defer stop()
	select { // two changes at once must not lose one of them
	case s.tagging <- struct{}{}:
		defer func() { <-s.tagging }()
	case <-ctx.Done():
		s.failNode(w, r, ctx.Err())
		return
	}
	tags := s.node.Self().Tags.Map()
	maps.Copy(tags, req.Set)
	for _, k := range req.Unset {
		delete(tags, k)
	}
	if err := s.node.SetTags(ctx, tags); err != nil {
		s.failNode(w, r, err)
		return
	}
	reply(w, api.Tags{Tags: tags})
}

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	if err := s.node.Err(); err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	reply(w, api.Done{Done: "ok"})
}

// readyz says whether the node can do its part: it is in, hears others, and is heard and reached by
// them. A node that found only itself is the first of its cluster, and ready.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	i := s.node.Info()
	err := s.node.Err()
	switch {
	case err != nil:
	case !i.Welcomed:
		err = errors.New("not in yet: " + cmp.Or(i.Refused, "no seed has let this node in"))
	case i.Unserved:
		err = errors.New("isolated: this host cannot send to the IP family of the others' " +
			"addresses: look at its addresses and routes")
	case i.Unheard:
		err = errors.New("unheard: this node hears the others, and what it sends does not leave " +
			"or arrive: look at UDP that goes out")
	case i.Isolated:
		err = errors.New("isolated: this node hears from next to nobody, or next to nobody " +
			"hears it")
	case i.Unreached:
		err = fmt.Errorf("deaf: others hear this node, and nothing that they send to its "+
			"address, %s, comes here", i.Self.Addr)
	case i.NoMajority && 2*i.Reachable < i.Agreed: // of two halves none is less well than the other
		why := "the others do not answer"
		if n := len(i.Unbridged); n > 0 {
			why = fmt.Sprintf("nobody reaches %d members of the other IP family for it", n)
		}
		err = fmt.Errorf("cut off with a few: this node reaches %d of %d, and %s: they are "+
			"dead, or it "+
			"is the one that is cut off; look at its network, and if they are gone: "+
			"starling forget --unreachable", i.Reachable, i.Agreed, why)
	case i.Deserted:
		err = errors.New("alone: this node had all others forgotten while it heard none of " +
			"them, and has met nobody since; " +
			"join it to them (starling join), or start it anew if it is the whole cluster")
	}
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	reply(w, api.Done{Done: "ready"})
}

// timeOf is how long a request may wait for the cluster: as long as its client says (?timeout=5s),
// which is checked already.
func timeOf(r *http.Request) time.Duration {
	d, err := time.ParseDuration(r.URL.Query().Get("timeout"))
	if err != nil {
		return defaultWait
	}
	return d
}

// timedOut says of an error for want of time how long that was, in place of what the context says.
type timedOut struct {
	error
	after time.Duration
}

func (e timedOut) Unwrap() error { return e.error }

func (e timedOut) Error() string {
	what, bare := "not done within "+e.after.String(), context.DeadlineExceeded.Error()
	text := e.error.Error()
	if text == bare || text == "starling: "+bare {
		return what + "; the node is busy, or others do not answer it (starling info)"
	}
	return strings.ReplaceAll(text, bare, what)
}

// wait bounds a request that waits for the cluster: by its client's patience, by ?timeout=5s, and
// by maxWait.
func wait(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), timeOf(r))
}

// failNode answers with an error of the node: it has stopped, there is no such member, it could not
// in time, or it did not like the request.
func (s *Server) failNode(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.DeadlineExceeded) {
		err = timedOut{err, timeOf(r)}
	}
	switch {
	case s.node.Err() != nil:
		fail(w, http.StatusServiceUnavailable, err)
	case errors.Is(err, starling.ErrLives):
		fail(w, http.StatusConflict, err)
	case errors.Is(err, starling.ErrNoMember):
		fail(w, http.StatusNotFound, err)
	case errors.Is(err, starling.ErrNoAnswer), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, context.Canceled):
		fail(w, http.StatusGatewayTimeout, err)
	default:
		fail(w, http.StatusBadRequest, err)
	}
}

func reply(w http.ResponseWriter, body any) { write(w, http.StatusOK, body) }

func fail(w http.ResponseWriter, status int, err error) {
	write(w, status, api.Error{Error: err.Error()})
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body) // an error here is the client's going away
}

// readJSON reads a body that must be exactly one object with known fields.
func readJSON(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil && d.More() {
		err = errors.New("there is more after the object")
	}
	if err == nil {
		return true
	}
	status := http.StatusBadRequest
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		status = http.StatusRequestEntityTooLarge
	}
	fail(w, status, fmt.Errorf("the body is not the JSON that is wanted: %w", err))
	return false
}

// filter makes a test of members from the values of state= and tag=, which are checked already;
// each may be repeated, and a state be a list with commas.
func filter(states, tags []string) func(starling.Member) bool {
	wanted := map[string]bool{}
	for _, list := range states {
		for name := range strings.SplitSeq(list, ",") {
			wanted[name] = true
		}
	}
	pairs := map[string]string{}
	for _, pair := range tags {
		k, v, _ := strings.Cut(pair, "=")
		pairs[k] = v
	}
	return func(m starling.Member) bool {
		if len(wanted) > 0 && !wanted[m.State.String()] {
			return false
		}
		for k, v := range pairs {
			if have, ok := m.Tags.Get(k); !ok || have != v {
				return false
			}
		}
		return true
	}
}
