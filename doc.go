// Package starling tells a program which nodes its cluster has, which are up, and what is new:
// group membership, failure detection, messages to everybody and small shared keys, by gossip over
// UDP, with no leader and no external store, for thousands of nodes.
//
// The shortest program joins a cluster through one of its members and prints what happens in it:
//
//	package main
//
//	import (
//		"context"
//		"fmt"
//		"log"
//
//		"github.com/starling-gossip/starling"
//	)
//
//	func main() {
//		ctx := context.Background()
//		node, err := starling.Join(ctx, starling.Config{Seeds: []string{"10.0.0.1"}})
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer node.Leave(ctx)
//		for e := range node.Watch(ctx) { // the members that are there, then what changes
//			fmt.Println(e.Kind, e.Member.Name, e.Member.Addr)
//		}
//	}
//
// # The life of a node
//
// [Join] starts a node and waits until it knows all members; [Start] does not wait, and
// [Node.Welcomed] waits later. [Node.Leave] tells the others that it goes, [Node.Close] does not:
// to them it looks like a crash. [Node.Done] and [Node.Err] tell that it stopped, and why. A
// [Config] needs nothing but seeds, and a [KeyRing] where others reach the network.
//
// # How it behaves
//
// All methods of a [Node] are safe from any goroutine. What can wait takes a context and returns
// its error when it ends; after [Node.Close], [Node.Leave] or a name conflict every waiting call
// returns the reason, as [Node.Err] does. Errors are told apart with [errors.Is]. None of the
// caller's code runs on the goroutine that drives the protocol, nor under a lock. A caller that
// reads [Node.Watch], [Node.WatchKeys] or [Node.Subscribe] slowly disturbs nobody: its queue is
// bounded, and what it missed is said.
//
// Values handed out ([Member], [Event], [Message], [Info]) are copies that never change later.
//
// Many nodes can live in one process: a node is two goroutines, a UDP and a TCP socket (other
// detectors than [Inquest]: one and one), and some tens of kilobytes.
//
// # Members
//
// [Node.Members] and [Node.Member] show what a node holds at one moment, and [Node.Watch] what
// changes. Each node has a view of its own; news and repair make them equal. [Node.Why] tells the
// evidence of a failure, [Node.Paths] what each way to others lets pass, and [Node.Info] how the
// node itself is.
//
// # Messages
//
// [Node.Publish] sends up to [MaxMessage] bytes to every member. Each member delivers a message
// once, and those of one origin on one topic in their order; small messages do not wait for large
// ones on other topics. What was lost on the way, or published while a member was asleep or cut
// off, it fetches from any other, as long as it is retained ([Retain]);
// what nobody has any more is passed over, and said ([Message].Lost), at the end of a stream as
// well. A newcomer gets what is published from its welcome on. [Node.PublishWait] waits until the
// members have it. A publisher that is too fast waits, or is refused ([Node.TryPublish]).
//
// # Keys
//
// [Node.Set] writes a key of the node's own, which all members read ([Node.Get], [Node.Keys],
// [Node.WatchKeys]). Others get the newest value, and not each that was written meanwhile.
//
// # Round trips
//
// [Node.RTT] and [Node.RTTBetween] estimate the round trip between any two members, and [Node.Near]
// sorts the members by it: nodes find coordinates from the round trips of their probes, and a
// program that wants to know asks for them.
package starling
