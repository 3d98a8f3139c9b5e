package peer

// This file runs Starling over real sockets, by its public API.

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/starling-gossip/starling"
)

const topic = "bench"

func init() {
	register(&System{
		Name: "starling", Module: "github.com/starling-gossip/starling", Membership: true,
		Virtual: true, Start: startStarling,
		Changed: []string{"the defaults", "Name", "Bind 127.0.0.1 and a free port"},
	})
}

// grace is what one measurement changes of Starling's defaults, else 0.
func (t Tune) grace() time.Duration { return time.Duration(t.Grace * float64(time.Second)) }

type starlingNode struct {
	*starling.Node
	cancel    context.CancelFunc
	published atomic.Int64
}

func startStarling(s Spec) (Node, error) {
	if s.Host != nil {
		return startCore(s)
	}
	node, err := starling.Start(starling.Config{Name: s.Name, Bind: "127.0.0.1:0",
		Tuning: starling.Tuning{Tolerance: s.Tune.grace()}})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	if s.Live != nil || s.Fail != nil || s.Leave != nil {
		events := node.Watch(ctx)
		go func() {
			for e := range events {
				tellStarling(s, e)
			}
		}()
	}
	if s.Hear != nil {
		messages := node.Subscribe(ctx, topic)
		go func() {
			for m := range messages {
				if m.Seq > 0 {
					s.Hear(m.Payload)
				}
			}
		}()
	}
	return &starlingNode{Node: node, cancel: cancel}, nil
}

func tellStarling(s Spec, e starling.Event) {
	switch e.Kind {
	case starling.MemberJoined, starling.MemberRecovered:
		call(s.Live, e.Member.Name)
	case starling.MemberFailed:
		call(s.Fail, e.Member.Name)
	case starling.MemberLeft:
		call(s.Leave, e.Member.Name)
	}
}

func (n *starlingNode) Addr() string { return n.Self().Addr.String() }

func (n *starlingNode) Join(ctx context.Context, seed string) error {
	return n.Node.Join(ctx,
		seed)
}

func (n *starlingNode) Live() int {
	m := n.Info().Members
	return m[starling.Alive] + m[starling.Suspect]
}

func (n *starlingNode) Publish(payload []byte) error {
	_, err := n.Node.Publish(context.Background(), topic, payload)
	if err == nil {
		n.published.Add(1)
	}
	return err
}

func (n *starlingNode) Copies() int64 {
	p := n.Info().Messages
	return int64(p.Delivered+p.Duplicates) - n.published.Load()
}

func (n *starlingNode) Crash() {
	n.cancel()
	n.Close()
}

func (n *starlingNode) Leave() error {
	defer n.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), leaveWait)
	defer cancel()
	return n.Node.Leave(ctx)
}
