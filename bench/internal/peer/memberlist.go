package peer

// This file runs hashicorp/memberlist. It has no messages of its own: they go the way that its
// documentation names, a TransmitLimitedQueue behind a Delegate, where each node passes on what it
// had not heard before.

import (
	"context"
	"io"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/memberlist"

	"github.com/starling-gossip/starling/bench/internal/virtual"
)

func init() {
	register(&System{
		Name: "memberlist", Module: "github.com/hashicorp/memberlist", Membership: true,
		Virtual: true, Start: startMemberlist,
		Changed: []string{
			"DefaultLANConfig", "Name", "BindAddr 127.0.0.1", "a free BindPort", "log off",
			"messages: TransmitLimitedQueue with the RetransmitMult of the config, passed on " +
				"when new",
		},
	})
}

// lanConfig is memberlist's configuration for a LAN, with what a node on one machine with a
// thousand others must change.
func lanConfig(s *Spec) *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	c.Name, c.LogOutput = s.Name, io.Discard
	c.BindAddr, c.BindPort = "127.0.0.1", 0
	if s.Host != nil {
		c.Transport = virtual.NewTransport(s.Host)
	}
	return c
}

type memberlistNode struct {
	list   *memberlist.Memberlist
	hear   func([]byte)
	queue  *memberlist.TransmitLimitedQueue
	copies atomic.Int64

	mu   sync.Mutex
	seen map[string]bool
}

func startMemberlist(s Spec) (Node, error) {
	n := &memberlistNode{hear: s.Hear, seen: map[string]bool{}}
	c := lanConfig(&s)
	c.Events, c.Delegate = &memberEvents{s}, n
	n.queue = &memberlist.TransmitLimitedQueue{RetransmitMult: c.RetransmitMult,
		NumNodes: func() int { return n.list.NumMembers() }}
	ready := make(chan error, 1)
	// Create starts goroutines that ask for NumNodes before it returns, but not before there is a
	// message
	go func() {
		var err error
		n.list, err = memberlist.Create(c)
		ready <- err
	}()
	if err := <-ready; err != nil {
		return nil, err
	}
	return n, nil
}

func (n *memberlistNode) Addr() string { return n.list.LocalNode().Address() }

func (n *memberlistNode) Join(_ context.Context, seed string) error {
	_, err := n.list.Join([]string{seed})
	return err
}

func (n *memberlistNode) Live() int { return n.list.NumMembers() }

func (n *memberlistNode) Publish(payload []byte) error {
	n.take(payload)
	return nil
}

// take delivers and passes on a message that is new here.
func (n *memberlistNode) take(payload []byte) {
	n.mu.Lock()
	known := n.seen[string(payload)]
	n.seen[string(payload)] = true
	n.mu.Unlock()
	if known {
		return
	}
	n.queue.QueueBroadcast(message(payload))
	if n.hear != nil {
		n.hear(payload)
	}
}

func (n *memberlistNode) Copies() int64 { return n.copies.Load() }
func (n *memberlistNode) Crash()        { n.list.Shutdown() }

func (n *memberlistNode) Leave() error {
	defer n.list.Shutdown()
	return n.list.Leave(leaveWait)
}

// The delegate.

func (n *memberlistNode) NodeMeta(int) []byte { return nil }

func (n *memberlistNode) NotifyMsg(b []byte) {
	n.copies.Add(1)
	n.take(append([]byte(nil), b...))
}

func (n *memberlistNode) GetBroadcasts(overhead, limit int) [][]byte {
	return n.queue.GetBroadcasts(overhead, limit)
}

func (n *memberlistNode) LocalState(bool) []byte        { return nil }
func (n *memberlistNode) MergeRemoteState([]byte, bool) {}

// message is a memberlist.Broadcast.
type message []byte

func (m message) Invalidates(memberlist.Broadcast) bool { return false }
func (m message) Message() []byte                       { return m }
func (m message) Finished()                             {}
func (m message) UniqueBroadcast()                      {}

type memberEvents struct{ spec Spec }

func (e *memberEvents) NotifyJoin(n *memberlist.Node) { call(e.spec.Live, n.Name) }

// NotifyLeave is told of a failed and of a left member alike: the State of what it gets is never
// set.
func (e *memberEvents) NotifyLeave(n *memberlist.Node) { call(e.spec.Fail, n.Name) }

func (e *memberEvents) NotifyUpdate(*memberlist.Node) {}
