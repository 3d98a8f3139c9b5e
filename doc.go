// Package starling tells a program which members its cluster has, which of them are up, and what is
// new. It is group membership, failure detection and messages to every member, by gossip over UDP,
// with no leader and no external store, for thousands of nodes.
//
//	node, err := starling.Join(ctx, starling.Config{Seeds: []string{"10.0.0.1", "10.0.0.2"}})
//	if err != nil {
//		return err
//	}
//	defer node.Leave(context.Background())
//
//	go func() {
//		for e := range node.Watch(ctx) { // the members that are there, then what changes
//			log.Println(e.Kind, e.Member.Name, e.Member.Addr)
//		}
//	}()
//	_, err = node.Publish(ctx, "deploys", []byte("v42 is out"))
//
// # How it behaves
//
// All methods of a [Node] are safe from any goroutine. What can wait takes a context and returns
// its error when it ends; after [Node.Close], [Node.Leave] or a name conflict every waiting call
// returns the reason, as [Node.Err] does. None of the caller's code runs on the goroutine that
// drives the protocol, nor under a lock. A caller that reads [Node.Watch] or [Node.Subscribe]
// slowly disturbs nobody: its queue is bounded, and what it missed is said.
//
// # Messages
//
// [Node.Publish] sends up to [MaxMessage] bytes to every member. Each member delivers a message
// once, and those of one origin in their order; what was lost on the way, or published while a
// member was asleep or cut off, it fetches from any other, as long as it is retained ([Retain]);
// what nobody has any more is passed over, and said ([Message].Lost), at the end of a stream as
// well. A newcomer gets what is published from its welcome on. [Node.PublishWait] waits until the
// members have it. A publisher that is too fast waits, or is refused ([Node.TryPublish]).
//
// Values handed out ([Member], [Event], [Message]) are copies that never change later.
//
// Many nodes can live in one process: a node is two goroutines, a UDP and a TCP socket (other
// detectors than Inquest: one and one), and some tens of kilobytes.
//
// # Round trips
//
// [Node.RTT] and [Node.RTTBetween] estimate the round trip between any two members, and [Node.Near]
// sorts the members by it. Nodes find coordinates from the round trips of their probes. A node that
// wants an estimate asks the two members for theirs.
package starling
