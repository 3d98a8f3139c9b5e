package agent

// This file is the API's streams: server-sent events
// (https://html.spec.whatwg.org/multipage/server-sent-events.html).

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/api"
)

const (
	// a comment this often when nothing happens, so that proxies do not hang up
	keepAlive  = 15 * time.Second
	writeLimit = 10 * time.Second // a client that takes nothing for this long is gone
	backlog    = 16               // events between the node's queue and the client's socket
)

// watch streams changes. The present members come first only if ?replay=true; after a resync they
// always do.
func (s *Server) watch(w http.ResponseWriter, r *http.Request) {
	replay := r.URL.Query().Get("replay") == "true"
	s.stream(w, r, func(ctx context.Context) iter.Seq[frame] {
		events := s.node.Watch(ctx)
		return func(yield func(frame) bool) {
			for e := range events {
				replay = replay || e.Kind == starling.Resync
				if e.Replayed && !replay {
					continue
				}
				out := toEvent(e)
				if !yield(frame{out.Event, out}) {
					return
				}
			}
		}
	})
}

func (s *Server) subscribe(w http.ResponseWriter, r *http.Request) {
	topics, listen := r.URL.Query()["topic"], s.node.Subscribe
	if r.URL.Query().Get("replay") == "true" {
		listen = s.node.Replay
	}
	s.stream(w, r, func(ctx context.Context) iter.Seq[frame] {
		messages := listen(ctx, topics...)
		return func(yield func(frame) bool) {
			for m := range messages {
				if !yield(frame{"message", toMessage(m)}) {
					return
				}
			}
		}
	})
}

// frame is one event of a stream: its name and the JSON of its data.
type frame struct {
	event string
	data  any
}

// stream opens a sequence and sends what it yields until the client goes, the node stops, or the
// server closes. Its last event is "end" with the reason.
func (s *Server) stream(w http.ResponseWriter, r *http.Request,
	open func(context.Context) iter.Seq[frame]) {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		fail(w, http.StatusServiceUnavailable, fmt.Errorf("%d streams are open, more are not "+
			"served", maxStreams))
		return
	}
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	defer context.AfterFunc(s.closing, stop)()

	seq := open(ctx) // here: what happens after the first comment is in it
	frames := make(chan frame, backlog)
	go func() {
		defer close(frames)
		for f := range seq {
			select {
			case frames <- f:
			case <-ctx.Done():
				return
			}
		}
	}()
	out := newSSE(w)
	if err := out.run(frames); err == nil && r.Context().Err() == nil {
		out.send(frame{"end", api.Error{Error: s.endReason()}})
	}
	stop()
	for range frames { // until the sequence has let go
	}
}

// endReason says why a stream has ended whose client is still there.
func (s *Server) endReason() string {
	switch err := s.node.Err(); {
	case err == nil && s.closing.Err() == nil:
		return "the agent has nothing more to send"
	case errors.Is(err, starling.ErrLeft):
		return "the agent has left the cluster and is stopping"
	case err != nil && !errors.Is(err, starling.ErrClosed):
		return err.Error()
	}
	return "the agent is stopping"
}

// sse writes server-sent events.
type sse struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

func newSSE(w http.ResponseWriter) *sse {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	return &sse{w, http.NewResponseController(w)}
}

// run sends frames until there are no more, with comments in long pauses. The first comment goes at
// once: with it a client knows that nothing from now on escapes it.
func (o *sse) run(frames <-chan frame) error {
	if err := o.write(": starling\n\n"); err != nil {
		return err
	}
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for {
		var err error
		select {
		case f, ok := <-frames:
			if !ok {
				return nil
			}
			err = o.send(f)
		case <-tick.C:
			err = o.write(": still here\n\n")
		}
		if err != nil {
			return err
		}
	}
}

func (o *sse) send(f frame) error {
	data, err := json.Marshal(f.data)
	if err != nil {
		return err
	}
	return o.write(fmt.Sprintf("event: %s\ndata: %s\n\n", f.event, data))
}

func (o *sse) write(text string) error {
	// The connection's deadlines are moved with each write: a stream has no end of its own, but a
	// silent client has.
	o.rc.SetWriteDeadline(time.Now().Add(writeLimit))
	o.rc.SetReadDeadline(time.Time{})
	if _, err := o.w.Write([]byte(text)); err != nil {
		return err
	}
	return o.rc.Flush()
}
