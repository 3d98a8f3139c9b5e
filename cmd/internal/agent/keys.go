package agent

// This file is the versioned keys in the API.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/api"
)

// setKey writes a key of this agent's node: the query names it, the body is the value.
func (s *Server) setKey(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var ttl time.Duration
	if q.Has("ttl") {
		ttl, _ = time.ParseDuration(q.Get("ttl"))
	}
	value, err := io.ReadAll(r.Body)
	if err != nil {
		fail(w, http.StatusRequestEntityTooLarge, err)
		return
	}
	ctx, stop := wait(r)
	defer stop()
	if err := s.node.Set(ctx, q.Get("key"), value, ttl); err != nil {
		s.failNode(w, r, err)
		return
	}
	reply(w, api.Done{Done: "set"})
}

func (s *Server) deleteKey(w http.ResponseWriter, r *http.Request) {
	ctx, stop := wait(r)
	defer stop()
	err := s.node.Delete(ctx, r.URL.Query().Get("key"))
	switch {
	case errors.Is(err, starling.ErrNoKey):
		fail(w, http.StatusNotFound, err)
	case err != nil:
		s.failNode(w, r, err)
	default:
		reply(w, api.Done{Done: "deleted"})
	}
}

// keys lists what members wrote: of one owner, one key, or keys with a prefix, if the query says
// so.
func (s *Server) keys(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for _, name := range q["owner"] {
		if !s.owns(name) {
			fail(w, http.StatusNotFound, fmt.Errorf("no member is called %q", name))
			return
		}
	}
	out := []api.Key{}
	for e := range s.node.Keys(q["owner"]...) {
		if strings.HasPrefix(e.Key, q.Get("prefix")) && (!q.Has("key") || e.Key == q.Get("key")) {
			out = append(out, toKey(e))
		}
	}
	reply(w, out)
}

// owns says whether a name is one of a member, be it dead, or of somebody whose keys are here.
func (s *Server) owns(name string) bool {
	for m := range s.node.Members() {
		if m.Name == name {
			return true
		}
	}
	for range s.node.Keys(name) {
		return true
	}
	return false
}

// watchKeys streams changes. What is there comes first only if ?replay=true; after a resync it
// always does.
func (s *Server) watchKeys(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	replay := q.Get("replay") == "true"
	s.stream(w, r, func(ctx context.Context) iter.Seq[frame] {
		events := s.node.WatchKeys(ctx, q.Get("prefix"))
		return func(yield func(frame) bool) {
			for e := range events {
				replay = replay || e.Kind == starling.KeyResync
				if e.Replayed && !replay {
					continue
				}
				out := api.KeyEvent{Time: e.Time.UTC(), Event: e.Kind.String(), Key: toKey(e.Entry)}
				if !yield(frame{out.Event, out}) {
					return
				}
			}
		}
	})
}

func toKey(e starling.Entry) api.Key {
	return api.Key{Owner: e.Owner, Key: e.Key, Value: []byte(e.Value), Version: e.Version,
		TTL: e.TTL.Seconds()}
}
