package client

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/api"
)

// An agent that takes a connection and says nothing, or nothing more, is not waited for for ever,
// and the error says what to do.
func TestAHungAgent(t *testing.T) {
	hang := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/subscribe": // begins, and stands still
			w.Write([]byte(": starling\n\n"))
			w.(http.Flusher).Flush()
		case "/v1/topics":
			w.Write([]byte("["))
			w.(http.Flusher).Flush()
		}
		<-hang
	}))
	defer s.Close()
	defer close(hang)
	c, err := New(strings.TrimPrefix(s.URL, "http://"), "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.answer, c.silence = 20*time.Millisecond, 40*time.Millisecond
	ctx := t.Context()
	for what, call := range map[string]func() error{
		"members": func() error { _, err := c.Members(ctx, nil, nil); return err },
		"topics":  func() error { _, err := c.Topics(ctx); return err },
		"join":    func() error { return c.Join(ctx, time.Millisecond, "x") },
		"watch": func() error {
			return c.Watch(ctx, false, nil,
				func(api.Event) error { return nil })
		},
		"subscribe": func() error {
			return c.Subscribe(ctx, false, nil, nil, func(api.Message) error { return nil })
		},
	} {
		err := call()
		if !errors.Is(err, ErrHung) || !strings.Contains(err.Error(), "ps, its log") ||
			strings.Contains(err.Error(), "context") {
			t.Errorf("%s: %v", what, err)
		}
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.Info(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("of one who has enough: %v", err)
	}
	if c.limit("GET", "/v1/info", nil) >= c.limit("POST", "/v1/forget", nil) {
		t.Error("what waits for the cluster has no more time")
	}
}
