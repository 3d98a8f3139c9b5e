package client

// This file reads the agent's streams. A stream that breaks is not opened again: its reader must
// know that something may be missing.

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/starling-gossip/starling/api"
)

// ErrEnded is wrapped by the error of a stream that the agent ended or that broke.
var ErrEnded = errors.New("the stream ended")

// Watch calls do with each change in the membership until ctx ends, do fails, or the stream ends;
// it returns why, never nil. opened, if not nil, is called when nothing can be missed from then on.
// With replay the live members come first.
func (c *Client) Watch(ctx context.Context, replay bool, opened func(),
	do func(api.Event) error) error {
	q := url.Values{}
	if replay {
		q.Set("replay", "true")
	}
	return read(ctx, c, "/v1/watch", q, opened, do)
}

// Subscribe calls do with each message on some topics, or on all if there is none, as Watch does.
func (c *Client) Subscribe(ctx context.Context, replay bool, topics []string, opened func(),
	do func(api.Message) error) error {
	q := url.Values{"topic": topics}
	if replay {
		q.Set("replay", "true")
	}
	return read(ctx, c, "/v1/subscribe", q, opened, do)
}

// WatchKeys calls do with each change of a key that begins with a prefix, as Watch does.
func (c *Client) WatchKeys(ctx context.Context, prefix string, replay bool, opened func(),
	do func(api.KeyEvent) error) error {
	q := url.Values{"prefix": {prefix}}
	if replay {
		q.Set("replay", "true")
	}
	return read(ctx, c, "/v1/keys/watch", q, opened, do)
}

func read[T any](ctx context.Context, c *Client, path string, q url.Values, opened func(),
	do func(T) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	quiet := time.AfterFunc(c.answer, func() { stop(c.hung(c.answer)) })
	defer func() { quiet.Stop() }()
	body, err := c.open(ctx, "GET", path, q, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxAnswer)
	event := ""
	quiet.Stop()
	quiet = time.AfterFunc(c.silence, func() {
		stop(fmt.Errorf("%w: %w", ErrEnded,
			c.hung(c.silence)))
	})
	next := func() bool { // what the reader takes for an event is not the agent's
		quiet.Reset(c.silence)
		defer quiet.Stop()
		return lines.Scan()
	}
	for next() {
		line := lines.Bytes()
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch string(name) {
		case "":
			if opened != nil {
				opened()
				opened = nil
			}
		case "event":
			event = string(value)
		case "data":
			if err := handle(event, value, do); err != nil {
				return err
			}
		}
	}
	if ctx.Err() != nil {
		return ended(ctx)
	}
	reason := lines.Err()
	if reason == nil {
		reason = errors.New("the connection was closed")
	}
	return fmt.Errorf("%w: the agent at %s said no reason; it went away, or nothing was read "+
		"from it for 10 s: %w",
		ErrEnded, c.addr, reason)
}

// handle takes the data of one event.
func handle[T any](event string, data []byte, do func(T) error) error {
	if event == "end" {
		var why api.Error
		json.Unmarshal(data, &why) // without a reason the stream has ended all the same
		return fmt.Errorf("%w: %s", ErrEnded, why.Error)
	}
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		return fmt.Errorf("%w: an event that cannot be read: %w", ErrEnded, err)
	}
	return do(v)
}
