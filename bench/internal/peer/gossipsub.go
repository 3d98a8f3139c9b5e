package peer

// This file runs GossipSub of go-libp2p-pubsub, for messages alone: it has no membership and no
// failure detector, and is told which nodes to connect to.

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

func init() {
	register(&System{
		Name: "gossipsub", Module: "github.com/libp2p/go-libp2p-pubsub", Start: startGossipSub,
		Changed: []string{
			"NewGossipSub's defaults over libp2p.New's", "listens on 127.0.0.1 over TCP " +
				"alone", "no relay, no metrics",
			"each node is connected to 10 random others",
		},
	})
}

// Contacts is how many random others a node without membership is connected to: a mesh wants 6, at
// most 12.
const Contacts = 10

type gossipSubNode struct {
	host   host.Host
	topic  *pubsub.Topic
	stop   context.CancelFunc
	copies copies
}

func startGossipSub(s Spec) (Node, error) {
	if s.Host != nil {
		return nil, errors.New("gossipsub does not run on the virtual network")
	}
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"),
		libp2p.DisableRelay(), libp2p.DisableMetrics())
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	n := &gossipSubNode{host: h, stop: stop}
	if err := n.subscribe(ctx, s.Hear); err != nil {
		n.Crash()
		return nil, err
	}
	return n, nil
}

func (n *gossipSubNode) subscribe(ctx context.Context, hear func([]byte)) error {
	ps, err := pubsub.NewGossipSub(ctx, n.host, pubsub.WithRawTracer(&n.copies))
	if err != nil {
		return err
	}
	if n.topic, err = ps.Join(topic); err != nil {
		return err
	}
	sub, err := n.topic.Subscribe()
	if err != nil {
		return err
	}
	go func() {
		for {
			m, err := sub.Next(ctx)
			if err != nil {
				return
			}
			if hear != nil {
				hear(m.Data)
			}
		}
	}()
	return nil
}

func (n *gossipSubNode) Addr() string {
	return fmt.Sprintf("%s/p2p/%s", n.host.Addrs()[0], n.host.ID())
}

func (n *gossipSubNode) Join(ctx context.Context, seed string) error {
	info, err := peer.AddrInfoFromString(seed)
	if err != nil {
		return err
	}
	return n.host.Connect(ctx, *info)
}

// Live counts the peers on the topic that this node is connected to, and itself.
func (n *gossipSubNode) Live() int { return len(n.topic.ListPeers()) + 1 }

func (n *gossipSubNode) Publish(payload []byte) error {
	return n.topic.Publish(context.Background(), payload)
}

func (n *gossipSubNode) Copies() int64 { return n.copies.Load() }

func (n *gossipSubNode) Crash() {
	n.stop()
	n.host.Close()
}

// Leave is Crash: connections close, and that is all the others need to know.
func (n *gossipSubNode) Leave() error {
	n.Crash()
	return nil
}

// copies counts messages that come in, as a pubsub.RawTracer.
type copies struct{ atomic.Int64 }

func (c *copies) DeliverMessage(*pubsub.Message)   { c.Add(1) }
func (c *copies) DuplicateMessage(*pubsub.Message) { c.Add(1) }

func (*copies) OnNewOutboundStream(peer.ID, protocol.ID)             {}
func (*copies) OnClosedOutboundStream(peer.ID)                       {}
func (*copies) SendRPCCompleted(*pubsub.RPC, peer.ID, time.Duration) {}
func (*copies) Join(string)                                          {}
func (*copies) Leave(string)                                         {}
func (*copies) Graft(peer.ID, string)                                {}
func (*copies) Prune(peer.ID, string)                                {}
func (*copies) ValidateMessage(*pubsub.Message)                      {}
func (*copies) RejectMessage(*pubsub.Message, string)                {}
func (*copies) ThrottlePeer(peer.ID)                                 {}
func (*copies) RecvRPC(*pubsub.RPC)                                  {}
func (*copies) SendRPC(*pubsub.RPC, peer.ID)                         {}
func (*copies) DropRPC(*pubsub.RPC, peer.ID)                         {}
func (*copies) UndeliverableMessage(*pubsub.Message)                 {}
