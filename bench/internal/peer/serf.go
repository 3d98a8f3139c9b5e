package peer

// This file runs hashicorp/serf, whose messages are user events.

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/serf/serf"
)

const leaveWait = 5 * time.Second

func init() {
	register(&System{
		Name: "serf", Module: "github.com/hashicorp/serf", Membership: true, Virtual: true,
		Start: startSerf,
		Changed: []string{
			"DefaultConfig over memberlist's " +
				"DefaultLANConfig", "NodeName", "BindAddr 127.0.0.1", "a free BindPort", "log off",
			"messages: user events, not coalesced",
		},
	})
}

type serfNode struct {
	serf *serf.Serf
	once sync.Once
	stop chan struct{}
}

func startSerf(s Spec) (Node, error) {
	n := &serfNode{stop: make(chan struct{})}
	events := make(chan serf.Event, 1024)
	c := serf.DefaultConfig()
	c.NodeName, c.LogOutput, c.EventCh = s.Name, io.Discard, events
	c.MemberlistConfig = lanConfig(&s)
	var err error
	if n.serf, err = serf.Create(c); err != nil {
		return nil, err
	}
	go n.listen(s, events)
	return n, nil
}

func (n *serfNode) listen(s Spec, events <-chan serf.Event) {
	for {
		select {
		case e := <-events:
			tellSerf(s, e)
		case <-n.stop:
			return
		}
	}
}

func tellSerf(s Spec, e serf.Event) {
	if u, ok := e.(serf.UserEvent); ok {
		if s.Hear != nil {
			s.Hear(u.Payload)
		}
		return
	}
	m, ok := e.(serf.MemberEvent)
	if !ok {
		return
	}
	tell := map[serf.EventType]func(string){
		serf.EventMemberJoin: s.Live, serf.EventMemberFailed: s.Fail,
		serf.EventMemberLeave: s.Leave,
	}[m.Type]
	for _, member := range m.Members {
		call(tell, member.Name)
	}
}

func (n *serfNode) Addr() string { return n.serf.Memberlist().LocalNode().Address() }

func (n *serfNode) Join(_ context.Context, seed string) error {
	_, err := n.serf.Join([]string{seed}, true)
	return err
}

func (n *serfNode) Live() (live int) {
	for _, m := range n.serf.Members() {
		if m.Status == serf.StatusAlive {
			live++
		}
	}
	return live
}

func (n *serfNode) Publish(payload []byte) error {
	return n.serf.UserEvent("bench", payload,
		false)
}

func (n *serfNode) Copies() int64 { return -1 } // Serf does not tell copies from other traffic

func (n *serfNode) Crash() {
	n.serf.Shutdown()
	n.once.Do(func() { close(n.stop) })
}

func (n *serfNode) Leave() error {
	defer n.Crash()
	return n.serf.Leave()
}
