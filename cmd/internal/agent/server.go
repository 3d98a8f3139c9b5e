package agent

// This file is the API's server: its routes, which clients may use them, and its bounds.

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/starling-gossip/starling"
)

// Node is what the API needs of a *starling.Node.
type Node interface {
	Self() starling.Member
	Members() iter.Seq[starling.Member]
	Info() starling.Info
	Paths() []starling.Path
	Why(name string) []starling.Verdict
	Damped(name string) (starling.Damping, bool)
	Phi(name string) (float64, bool)
	RTTBetween(ctx context.Context, a, b string) (starling.RTT, error)
	Near(ctx context.Context, name string, among ...string) ([]starling.Neighbor, error)
	Watch(context.Context) iter.Seq[starling.Event]
	Publish(ctx context.Context, topic string, payload []byte,
		options ...starling.PublishOption) (uint64, error)
	PublishWait(ctx context.Context, topic string, payload []byte,
		need starling.Need, options ...starling.PublishOption) (starling.Receipt, error)
	Subscribe(ctx context.Context, topics ...string) iter.Seq[starling.Message]
	Replay(ctx context.Context, topics ...string) iter.Seq[starling.Message]
	Topics() []starling.Topic
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error
	Delete(ctx context.Context, key string) error
	Keys(owners ...string) iter.Seq[starling.Entry]
	WatchKeys(ctx context.Context, prefix string) iter.Seq[starling.KeyEvent]
	Join(ctx context.Context, seeds ...string) error
	SetTags(ctx context.Context, tags map[string]string) error
	Forget(ctx context.Context, names ...string) error
	Leave(context.Context) error
	Done() <-chan struct{}
	Err() error
}

var _ Node = (*starling.Node)(nil)

// Bounds on what clients may ask of the API.
const (
	maxStreams = 64 // watches and subscriptions at once
	// bytes of a request: more than a message may have, so that the node can say so
	maxBody = 2 << 20
)

// ServerOptions is what a Server is made with.
type ServerOptions struct {
	Token string // demanded of everybody if not empty; else only this machine may talk to the API
	Log   *slog.Logger
}

// Server serves the API of one node.
type Server struct {
	node    Node
	opts    ServerOptions
	token   [sha256.Size]byte
	streams chan struct{} // one element a running stream
	closing context.Context
	close   context.CancelFunc
	http    *http.Server
	tagging chan struct{} // held while tags are read, changed and set
}

// NewServer makes a server; Serve or Handler uses it.
func NewServer(node Node, opts ServerOptions) *Server {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{node: node, opts: opts, token: sha256.Sum256([]byte(opts.Token)),
		streams: make(chan struct{}, maxStreams), tagging: make(chan struct{}, 1)}
	s.closing, s.close = context.WithCancel(context.Background())
	s.http = newHTTPServer(s.Handler(), opts.Log)
	return s
}

// Serve answers requests until Close.
func (s *Server) Serve(l net.Listener) error { return s.http.Serve(l) }

// Close ends all streams, lets the requests at hand finish for a moment, and closes.
func (s *Server) Close() {
	s.close()
	ctx, stop := context.WithTimeout(context.Background(), closeTimeout)
	defer stop()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
}

//go:embed openapi.json
var openAPI []byte

//go:embed dashboard.html
var dashboard []byte

// route is one thing that the API answers. Its pattern is the method and path of net/http.
type route struct {
	pattern string
	open    bool // needs no token: it has nothing that is worth one
	handle  http.HandlerFunc
	query   []param // all that a query may have
}

// routes are all; openapi.json describes each, and a test holds them together.
func (s *Server) routes() []route {
	return []route{
		{"GET /v1/info", false, s.info, nil},
		{"GET /v1/members", false, s.members, []param{stateParam, tagParam, nearParam,
			timeoutParam}},
		{"GET /v1/members/{name}", false, s.member, nil},
		{"GET /v1/members/{name}/why", false, s.why, nil},
		{"GET /v1/rtt", false, s.rtt, []param{fromParam, toParam, timeoutParam}},
		{"GET /v1/paths", false, s.paths, nil},
		{"GET /v1/watch", false, s.watch, []param{replayParam}},
		{"POST /v1/publish", false, s.publish, []param{topicParam, waitParam, urgentParam,
			timeoutParam}},
		{"GET /v1/subscribe", false, s.subscribe, []param{topicsParam, replayParam}},
		{"GET /v1/topics", false, s.topics, nil},
		{"GET /v1/keys", false, s.keys, []param{ownerParam, keyParam, prefixParam}},
		{"PUT /v1/keys", false, s.setKey, []param{keyParam.required(), ttlParam, timeoutParam}},
		{"DELETE /v1/keys", false, s.deleteKey, []param{keyParam.required(), timeoutParam}},
		{"GET /v1/keys/watch", false, s.watchKeys, []param{prefixParam, replayParam}},
		{"POST /v1/join", false, s.join, []param{timeoutParam}},
		{"POST /v1/leave", false, s.leave, []param{timeoutParam}},
		{"POST /v1/forget", false, s.forget, []param{timeoutParam}},
		{"PATCH /v1/tags", false, s.tags, []param{timeoutParam}},
		{"GET /metrics", false, newMetrics(s.node).ServeHTTP, nil},
		{"GET /healthz", true, s.healthz, nil},
		{"GET /readyz", true, s.readyz, nil},
		{"GET /openapi.json", true, static("application/json", openAPI), nil},
		{"GET /{$}", true, static("text/html; charset=utf-8", dashboard), nil},
	}
}

// Handler returns the API as a handler.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		h := strict(r.query, r.handle)
		if !r.open {
			h = s.authorized(h)
		}
		mux.Handle(r.pattern, h)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, fmt.Errorf("there is no %s %s; /openapi.json has all there "+
			"is", r.Method, r.URL.Path))
	})
	// A page of another site, open in a browser on this machine, must not steer the agent: neither
	// by a request across origins nor by a host name that it points at 127.0.0.1 (DNS rebinding).
	var cross http.CrossOriginProtection
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusForbidden, fmt.Errorf("a request from another origin"))
	}))
	return s.local(cross.Handler(http.MaxBytesHandler(mux, maxBody)))
}

// local refuses, where no token protects the API, requests that were sent to any name but this
// machine's.
func (s *Server) local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.opts.Token == "" && !localHost(r.Host) {
			fail(w, http.StatusForbidden, fmt.Errorf("the Host header says %q; without a token "+
				"the API answers only "+
				"to localhost and loopback addresses", r.Host))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func localHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// authorized demands the token. Hashes are compared, so that time tells neither its length nor its
// start.
func (s *Server) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.opts.Token != "" {
			given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			hash := sha256.Sum256([]byte(given))
			if subtle.ConstantTimeCompare(hash[:], s.token[:]) != 1 || !ok {
				w.Header().Set("WWW-Authenticate", `Bearer realm="starling"`)
				fail(w, http.StatusUnauthorized, fmt.Errorf("this API demands its token: "+
					"Authorization: Bearer TOKEN"))
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// static answers with the same bytes always.
func static(contentType string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Security-Policy",
			"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "+
				"connect-src 'self'; base-uri 'none'; frame-ancestors 'none'")
		w.Write(body)
	}
}

// Routes lists what the API answers, as "METHOD /path".
func Routes() (all []string) {
	for _, r := range (&Server{}).routes() {
		all = append(all, strings.Replace(r.pattern, "{$}", "", 1))
	}
	return all
}
