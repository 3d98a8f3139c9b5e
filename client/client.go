// Package client talks to an agent's API, with the standard library alone:
//
//	c, err := client.New("127.0.0.1:7748", "")
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	members, err := c.Members(ctx, []string{"alive"}, nil)
//
// A Client is safe from any goroutine; everything takes a context. A call is given 10 s, and one
// that waits for the cluster the time-out that it names on top of that, or 10 s if it names none.
// Answers, and the events of a stream, have at most 64 MiB.
//
// An error is that of the context, wraps [ErrAbsent] or [ErrHung], or is a [StatusError], with
// which the agent refused. A stream that ends by itself wraps [ErrEnded].
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/starling-gossip/starling/api"
)

const (
	dialTimeout = 5 * time.Second
	// answerTime is how long an agent may take for an answer, beside what it may wait for the
	// cluster, which is agentWait unless the request says otherwise. agentIsSilent is for how long
	// a stream may be silent: an agent writes a comment every 15 s.
	answerTime    = 10 * time.Second
	agentWait     = 10 * time.Second
	agentIsSilent = 50 * time.Second
	maxAnswer     = 64 << 20 // bytes of one answer, or of one event of a stream
)

// Client talks to one agent. Make one with New.
type Client struct {
	addr, base, token string
	http              *http.Client
	answer, silence   time.Duration // answerTime and agentIsSilent
}

// Errors that those of calls and streams wrap.
var (
	ErrAbsent = errors.New("no agent answers")          // there is none at the address
	ErrHung   = errors.New("the agent does not answer") // it took the call, and says nothing
	ErrEnded  = errors.New("the stream ended")          // the agent ended it, or it broke
)

// hung is what is said of an agent that took a connection and says nothing.
func (c *Client) hung(after time.Duration) error {
	return fmt.Errorf("%w: the one at %s takes connections, and said nothing for %v: its "+
		"process is stopped, stands still or is overloaded. "+
		"Look at it (ps, its log); if it stays so, end it and start it "+
		"anew", ErrHung, c.addr, after)
}

// ended says why a context did: the agent hangs, or its maker has enough.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.Is(cause, ErrHung) {
		return cause
	}
	return ctx.Err()
}

// limit is how long a request may take.
func (c *Client) limit(method, path string, q url.Values) time.Duration {
	if d, err := time.ParseDuration(q.Get("timeout")); err == nil && d > 0 {
		return d + c.answer
	}
	if method != "GET" || q.Has("near") || path == "/v1/rtt" {
		return agentWait + c.answer
	}
	return c.answer
}

// StatusError is an answer of the agent that is not a success. It is told with [errors.As], as a
// *StatusError.
type StatusError struct {
	Status  int    // of HTTP
	Message string // the agent's own, in English
}

// Error is the agent's own message.
func (e *StatusError) Error() string { return e.Message }

// New makes a client of the agent at HOST:PORT, or at a URL if a proxy speaks HTTPS for it. The
// token is that of the agent's --api-token-file, empty if it demands none. Nothing is sent yet; an
// error is about the address.
func New(addr, token string) (*Client, error) {
	base := addr
	if !strings.Contains(addr, "://") {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return nil, fmt.Errorf("the agent's address %q is not HOST:PORT", addr)
		}
		base = "http://" + addr
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("the agent's address %q is neither HOST:PORT nor an http(s) "+
			"URL", addr)
	}
	transport := &http.Transport{DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext}
	return &Client{addr, strings.TrimSuffix(base, "/"), token,
		&http.Client{Transport: transport}, answerTime, agentIsSilent}, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Info asks for the agent's own state.
func (c *Client) Info(ctx context.Context) (out api.Info, err error) {
	return out, c.call(ctx, "GET", "/v1/info", nil, nil, &out)
}

// Members asks for the members in some states (none: all) that have all of some tags ("key=value").
func (c *Client) Members(ctx context.Context, states, tags []string) (out []api.Member, err error) {
	q := url.Values{"tag": tags}
	if len(states) > 0 {
		q.Set("state", strings.Join(states, ","))
	}
	return out, c.call(ctx, "GET", "/v1/members", q, nil, &out)
}

// MembersNear is Members in the order of their estimated round trips from one of them, which each
// that answers has then.
func (c *Client) MembersNear(ctx context.Context, near string, states,
	tags []string) (out []api.Member, err error) {
	q := url.Values{"near": {near}, "tag": tags}
	if len(states) > 0 {
		q.Set("state", strings.Join(states, ","))
	}
	return out, c.call(ctx, "GET", "/v1/members", q, nil, &out)
}

// RTT asks for the round trip between two members; an empty to is the agent's node.
func (c *Client) RTT(ctx context.Context, from, to string) (out api.RTT, err error) {
	q := url.Values{"from": {from}}
	if to != "" {
		q.Set("to", to)
	}
	return out, c.call(ctx, "GET", "/v1/rtt", q, nil, &out)
}

// Why asks for what the agent remembers of a member's failures and returns.
func (c *Client) Why(ctx context.Context, name string) (out api.Why, err error) {
	return out, c.call(ctx, "GET", "/v1/members/"+url.PathEscape(name)+"/why", nil, nil, &out)
}

// Urgent, as an option of Publish and PublishWait, has a message leave before those on other topics
// that wait.
const Urgent = "urgent"

// Publish sends a message to all members: a topic of 1 to 255 bytes, a payload of at most 1 MiB.
// It returns when the message is on its way.
func (c *Client) Publish(ctx context.Context, topic string, payload []byte,
	options ...string) (out api.Published, err error) {
	q := url.Values{"topic": {topic}}
	for _, o := range options {
		q.Set(o, "true")
	}
	return out, c.call(ctx, "POST", "/v1/publish", q, payload, &out)
}

// PublishWait sends a message to all members and waits until as many have it as need says: "all",
// "N" or "P%". If the timeout ends first, out.Receipt tells how far it has come, and there is no
// error. A timeout of 0 is the agent's default of 10 s, here and below.
func (c *Client) PublishWait(ctx context.Context, topic string, payload []byte, need string,
	timeout time.Duration, options ...string) (out api.Published, err error) {
	q := url.Values{"topic": {topic}, "wait": {need}}
	for _, o := range options {
		q.Set(o, "true")
	}
	if timeout > 0 {
		q.Set("timeout", timeout.String())
	}
	return out, c.call(ctx, "POST", "/v1/publish", q, payload, &out)
}

// Topics asks for what the agent knows of the topics.
func (c *Client) Topics(ctx context.Context) (out []api.Topic, err error) {
	return out, c.call(ctx, "GET", "/v1/topics", nil, nil, &out)
}

// Set writes a key of 1 to 128 bytes of the agent's node, with a value of at most 64 KiB; a ttl of
// 0 keeps it until it is deleted.
func (c *Client) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	q := url.Values{"key": {key}}
	if ttl != 0 {
		q.Set("ttl", ttl.String())
	}
	return c.call(ctx, "PUT", "/v1/keys", q, value, nil)
}

// Delete deletes a key of the agent's node.
func (c *Client) Delete(ctx context.Context, key string) error {
	return c.call(ctx, "DELETE", "/v1/keys", url.Values{"key": {key}}, nil, nil)
}

// Keys asks for what members wrote: of some owners (none: all), and one key, if it is not empty.
func (c *Client) Keys(ctx context.Context, owners []string, key string) (out []api.Key, err error) {
	q := url.Values{"owner": owners}
	if key != "" {
		q.Set("key", key)
	}
	return out, c.call(ctx, "GET", "/v1/keys", q, nil, &out)
}

// Join asks more seeds to let the agent's node in, and waits until one has.
func (c *Client) Join(ctx context.Context, timeout time.Duration, seeds ...string) error {
	return c.call(ctx, "POST", "/v1/join", wait(timeout), api.JoinRequest{Seeds: seeds}, nil)
}

// Forget has members forgotten that are gone for good, and returns their names. One that was named
// and is missing had been forgotten before.
func (c *Client) Forget(ctx context.Context, req api.ForgetRequest) ([]string, error) {
	var out api.Forgotten
	err := c.call(ctx, "POST", "/v1/forget", nil, req, &out)
	return out.Forgotten, err
}

// Paths returns what the agent's node knows of the ways to the members that it talks to, by name.
func (c *Client) Paths(ctx context.Context) (out []api.Path, err error) {
	err = c.call(ctx, "GET", "/v1/paths", nil, nil, &out)
	return out, err
}

// Leave makes the agent leave its cluster and stop.
func (c *Client) Leave(ctx context.Context, timeout time.Duration) error {
	return c.call(ctx, "POST", "/v1/leave", wait(timeout), nil, nil)
}

// Tags sets and unsets tags of the agent's node and returns all that it has then.
func (c *Client) Tags(ctx context.Context, set map[string]string,
	unset []string) (map[string]string, error) {
	var out api.Tags
	err := c.call(ctx, "PATCH", "/v1/tags", nil, api.TagsRequest{Set: set, Unset: unset}, &out)
	return out.Tags, err
}

func wait(d time.Duration) url.Values {
	if d <= 0 {
		return nil
	}
	return url.Values{"timeout": {d.String()}}
}

// call makes one request. A body of bytes goes as it is, another as JSON.
func (c *Client) call(ctx context.Context, method, path string, q url.Values, body,
	into any) error {
	patience := c.limit(method, path, q)
	ctx, stop := context.WithTimeoutCause(ctx, patience, c.hung(patience))
	defer stop()
	answer, err := c.open(ctx, method, path, q, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	text, err := io.ReadAll(io.LimitReader(answer, maxAnswer))
	if ctx.Err() != nil {
		return ended(ctx)
	}
	if err != nil {
		return fmt.Errorf("the answer of the agent at %s broke off: %w", c.addr, err)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("what answers at %s is no agent: %w", c.addr, err)
	}
	return nil
}

// open makes a request and returns the body of a successful answer.
func (c *Client) open(ctx context.Context, method, path string, q url.Values,
	body any) (io.ReadCloser, error) {
	kind, reader := "", io.Reader(nil)
	switch b := body.(type) {
	case nil:
	case []byte:
		kind, reader = "application/octet-stream", bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		kind, reader = "application/json", bytes.NewReader(text)
	}
	target := c.base + path
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, reader)
	if err != nil {
		return nil, err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, c.refusal(resp)
	}
	return resp.Body, nil
}

// explain says in one line why a request got no answer.
func (c *Client) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	reason := err
	if e := (*url.Error)(nil); errors.As(err, &e) {
		reason = e.Err
	}
	if e := (*net.OpError)(nil); errors.As(err, &e) && e.Op == "dial" {
		if errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("%w at %s (connection refused)", ErrAbsent, c.addr)
		}
		return fmt.Errorf("%w at %s (%w)", ErrAbsent, c.addr, e.Err)
	}
	return fmt.Errorf("the agent at %s: %w", c.addr, reason)
}

// refusal reads the error of an answer that is not a success.
func (c *Client) refusal(resp *http.Response) error {
	var body api.Error
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if json.Unmarshal(text, &body) != nil || body.Error == "" {
		body.Error = fmt.Sprintf("what answers at %s is no agent: it says %s", c.addr, resp.Status)
	}
	return &StatusError{resp.StatusCode, body.Error}
}
