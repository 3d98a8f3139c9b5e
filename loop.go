package starling

// This file is the goroutine that drives a node: datagrams, time and calls go into the core,
// packets and events come out of it.

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/transport"
)

const (
	// drainBatches is how many batches of datagrams are taken off the socket at most before the
	// core is told the time. It is enough for a full socket buffer, and a flood does not stop the
	// clock.
	drainBatches = 64
	// drainAfter is how late a turn may be for what Receive saw to be still so.
	drainAfter = gossip.Time(time.Millisecond)
	// maxSocketFailures in a row, with pauses of up to a second between them, make a node give up.
	maxSocketFailures = 10
)

// scratch is what a node needs while it works. The process shares them: a node that waits has none.
type scratch struct {
	out     gossip.Outbox
	packets []transport.Packet
	sealed  []byte // the bytes of packets, when they are sealed
	plain   []byte // of the datagram that was opened last
}

var spareScratch = sync.Pool{New: func() any { return new(scratch) }}

func (n *Node) scratch() *scratch {
	if n.working == nil {
		n.working = spareScratch.Get().(*scratch)
	}
	return n.working
}

// now is the time since the start, on the monotonic clock.
func (n *Node) now() gossip.Time { return gossip.Time(time.Since(n.start)) }

// wall turns the core's time into the user's, by the wall clock at the start.
func (n *Node) wall(t gossip.Time) time.Time { return n.start.Round(0).Add(time.Duration(t)) }

// run drives the node until there is a reason to stop.
func (n *Node) run() {
	deliver := n.deliver // one method value, not one a call
	n.restore()
	failures := 0
	for n.reason.Load() == nil {
		if err := n.turn(deliver); err == nil {
			failures = 0
		} else if failures++; failures < maxSocketFailures {
			n.log.warn(n.now(), "receive", "the socket fails; trying again", "error", err)
			n.pause(min(time.Second, 10*time.Millisecond<<failures))
		} else {
			n.log.error("the socket failed; this node stops", "error", err)
			n.stop(fmt.Errorf("%w: %w", ErrSocket, err))
		}
	}
	n.conn.Close()
	if n.tcpProbe != nil {
		n.tcpProbe.listener.Close()
	}
	n.cancel()
	n.background.Wait()
	if err := closeStore(n.store); err != nil {
		n.log.error("the end of the topics is not on disk", "error", err)
	}
	close(n.done)
}

// turn waits for something to do and does it.
func (n *Node) turn(deliver func(netip.AddrPort, []byte)) error {
	got, err := n.conn.Receive(n.deadline(), deliver)
	if err != nil {
		return err
	}
	if late := n.now() - n.core.Deadline(); late >= 0 {
		if got > 0 || late > drainAfter { // else the socket was empty a moment ago
			if err := n.drain(deliver); err != nil {
				return err
			}
		}
		if now := n.now(); now >= n.core.Deadline() {
			n.core.Wake(now, &n.scratch().out)
		}
	}
	// Last, because a Receive that does not wait swallows the Interrupt of a call that came
	// meanwhile.
	n.runCalls()
	n.flush()
	return nil
}

// drain hands in what waits in the socket, before the core is told that its time has come: the ack
// that it misses may be there.
func (n *Node) drain(deliver func(netip.AddrPort, []byte)) error {
	for range drainBatches {
		n.flush()
		got, err := n.conn.Receive(n.start, deliver)
		if err != nil {
			return err
		}
		if got == 0 {
			break
		}
	}
	return nil
}

// deadline is when the core needs to be woken; the zero time is never.
func (n *Node) deadline() time.Time {
	d := n.core.Deadline()
	if d == gossip.Never {
		return time.Time{}
	}
	return n.start.Add(time.Duration(d))
}

// deliver hands one datagram to the core.
func (n *Node) deliver(from netip.AddrPort, datagram []byte) {
	h := n.scratch()
	switch {
	case n.sealer != nil:
		plain, err := n.sealer.Open(h.plain[:0], datagram)
		if err != nil {
			n.unopened(from, len(datagram), err)
			return
		}
		h.plain, datagram = plain, plain
	case len(datagram) > 0 && datagram[0] == transport.SealedKind:
		n.unopened(from, len(datagram), errSealed)
		return
	default:
		plain, err := transport.CheckSum(datagram)
		if err != nil {
			n.alteredCount.Add(1)
			n.log.warn(n.now(), "altered", "dropping datagrams that something changed on their "+
				"way, or that are not Starling's",
				"from", from, "bytes", len(datagram))
			return
		}
		datagram = plain
	}
	if len(n.otherKeys) > 0 {
		n.dropOtherKeys(func(k *otherKey) bool { return k.addr == from && k.here })
	}
	n.core.Receive(n.now(), from, datagram, &h.out)
	if !n.home.fixed && !n.home.peer.IsValid() {
		n.answered(from, &h.out)
	}
}

// flush tells the events, sends the packets, and puts the scratch back. A packet may confirm a
// message to its publisher: by then the programs here have been given it.
func (n *Node) flush() {
	h := n.working
	if h == nil {
		return
	}
	// before the events: a program that hears of one and asks for Members must find it there
	n.noteChanges()
	for i := range h.out.Events {
		n.dispatch(&h.out.Events[i])
	}
	n.showGaps()
	n.lookAtWays()
	if at := n.core.Seen().At; at != n.home.heard {
		n.home.heard = at
		n.lookAround()
	}
	if len(h.out.Packets) > 0 {
		n.send(h)
	}
	n.keep(&h.out)
	for _, c := range h.out.Connects {
		n.connect(c)
	}
	if !n.complete && n.core.Complete() {
		n.complete = true
		n.joining.completed()
	}
	h.out.Reset()
	n.working = nil
	spareScratch.Put(h)
}

// noteChanges makes snapshots of before a change outdated.
func (n *Node) noteChanges() {
	if c := n.core.Table().Changes(); c != n.changes.Load() {
		n.changes.Store(c)
	}
}

func (n *Node) send(h *scratch) {
	h.packets, h.sealed = h.packets[:0], h.sealed[:0]
	for _, p := range h.out.Packets {
		start := len(h.sealed)
		if n.sealer != nil {
			h.sealed = n.sealer.Seal(h.sealed, p.Data)
		} else {
			h.sealed = transport.AppendSummed(h.sealed, p.Data)
		}
		h.packets = append(h.packets, transport.Packet{To: p.To, Data: h.sealed[start:]})
	}
	sent, _ := n.conn.Send(h.packets) // its only error is that we closed the socket
	clear(h.packets)
	if sent < len(h.packets) {
		if err := n.conn.LastSendError(); err != nil {
			n.log.warn(n.now(), "send", "some packets cannot be sent", "error", err)
			n.unrouted(n.now())
		}
	}
}

// dispatch passes on one event of the core.
func (n *Node) dispatch(e *gossip.Event) {
	switch e.Kind {
	case gossip.MessageDelivered:
		n.tellSubscribers(&e.Message)
	case gossip.MessagesLost:
		n.log.warn(n.now(), "lost", "messages are lost: nobody has them any more",
			"origin", cmp.Or(e.Lost.OriginName, n.names[e.Lost.Origin]), "count", e.Lost.Count)
		n.tellGap(&e.Lost)
	case gossip.KeyChanged, gossip.KeysReset:
		n.tellKeyWatchers(e.Kind, &e.Key)
	case gossip.MessageSpread:
		n.spread(&e.Spread)
	case gossip.Writable:
		n.tellPublishers()
	case gossip.MemberLocated:
		n.located(e)
	case gossip.SeedsWanted:
		n.seek()
	case gossip.Welcomed:
		n.joining.welcomed()
		if len(n.seeds) > 0 && n.core.Table().Live() <= 1 {
			n.seek() // what led here was an address of its own that it did not know
		}
	case gossip.Refused:
		n.joining.refuse(e.Err)
		n.log.warn(n.now(), "refused: "+e.Err.Error(), "a seed refused this node", "error", e.Err)
	case gossip.Conflicted:
		n.log.error("another live node has this node's name; this node stops", "name", n.name,
			"error", e.Err)
		n.stop(&namedError{ErrNameConflict, e.Err})
	case gossip.NameClaimed:
		n.log.warn(n.now(), "claim", "another node claims this node's name", "error", e.Err)
	case gossip.ClustersMerged:
		n.log.warn(n.now(), "merged", "two clusters have become one", "what", e.Err)
	case gossip.KeyUnknown:
		n.hasOtherKey(e.Addr, fmt.Errorf("the seed at %s lacks the key with which this node "+
			"seals", e.Addr), false)
	case gossip.StoodStill:
		n.stoodStill(e.Gap)
	case gossip.HeldFailed:
		n.heldFailed(e)
		n.lookAround() // its address may be another's by now
	case gossip.Outlived:
		n.log.write(logLine{slog.LevelWarn, "another process had this node's name while this one " +
			"stood still or was cut off; it is no more, and this node has its name again",
			[]any{"what", e.Err}})
	case gossip.SettingsDiffer:
		n.log.warn(n.now(), e.Err.Error(), "another node is set up otherwise", "what", e.Err)
	case gossip.AddressTaken:
		n.log.warn(n.now(), e.Err.Error(), "another node has the address of a member", "error",
			e.Err)
	case gossip.PathSmall:
		n.log.warn(n.now(), "small path", "datagrams of the size that this node sends do not "+
			"pass between it and a member, though short ones do: "+
			"keys that need longer ones do not arrive, nor perhaps messages and what follows "+
			"them (starling paths)", "member", e.Member.Name(), "bytes", n.onWire(e.Size))
	case gossip.PathWhole:
		n.log.info(n.now(), "whole path", "datagrams of all sizes pass between this node and a "+
			"member again", "member", e.Member.Name())
	case gossip.SeedMet:
		n.met(e)
	case gossip.LeaveDone:
		n.unsent = e.Err
		n.stop(ErrLeft)
	case gossip.Isolated:
		switch {
		case n.core.Unserved():
			n.log.warn(n.now(), "isolated", "all others are at addresses of an IP version that "+
				"this host cannot send to: this node is cut off; "+
				"look at its host's addresses and routes", "addr", e.Member.Addr())
		case !n.core.Unheard():
			n.log.warn(n.now(), "isolated", "this node hears from next to nobody; it declares "+
				"nobody failed for that; look at this host's network "+
				"and firewall, for UDP that comes in")
		}
		n.lookAround()
		n.tellWatchers(e)
	case gossip.ZoneUnreachable:
		n.log.warn(n.now(), "zone "+e.Zone.Name, "nobody of a whole zone is heard; its members "+
			"are held until the zone's grace is over",
			"zone", e.Zone.Name, "members", e.Zone.Members)
		n.tellWatchers(e)
	case gossip.ZoneRecovered:
		n.log.info(n.now(), "zone back "+e.Zone.Name, "a zone that was silent is heard again",
			"zone", e.Zone.Name)
		n.tellWatchers(e)
	case gossip.Undecided:
		what := "if they are gone, have them forgotten (starling forget --unreachable)"
		if n.core.Isolated() || n.core.Unreached() { // then it is rather this host
			what = "look at this host's network and firewall first; only if you know that they " +
				"are gone, have them forgotten (starling info says how)"
		}
		n.log.warn(n.now(), "undecided", "members are silent, and too few others answer to "+
			"judge them: dead or cut off, this node cannot tell; "+
			what, "silent", e.Silent, "members", e.Of, "who", n.someUnreachable())
		n.tellWatchers(e)
	case gossip.Decided:
		n.log.info(n.now(), "decided", "nobody is silent any more of whom this node cannot say "+
			"whether it is dead")
		n.tellWatchers(e)
	case gossip.Unheard:
		n.log.warn(n.now(), "unheard", "this node hears the others, and what it sends does not "+
			"leave or arrive: nobody answers; it declares nobody "+
			"failed for that; look at this host's firewall, for UDP that goes out")
		n.tellWatchers(e)
	case gossip.HeardAgain:
		n.log.info(n.now(), "heard", "what this node sends arrives again")
		n.tellWatchers(e)
	case gossip.Unreached:
		n.log.warn(n.now(), "unreached", "others hear this node, and nothing that they send to "+
			"its address comes here: a firewall, or another address",
			"addr", e.Member.Addr())
		n.lookAround()
		n.tellWatchers(e)
	case gossip.Reached:
		n.log.info(n.now(), "reached", "this node is reached at its address again")
		n.tellWatchers(e)
	case gossip.Reunited:
		n.log.info(n.now(), "reunited", "this node is isolated no more")
		n.tellWatchers(e)
	default:
		if e.Kind == gossip.MemberJoined && !n.home.fixed && !n.home.peer.IsValid() {
			n.lookAround()
		}
		if k := e.Kind; (k == gossip.MemberJoined || k == gossip.MemberUpdated) &&
			e.Member.OutOfFamily {
			n.otherFamily(e.Member.ID)
		}
		if e.Kind == gossip.MemberUnreachable && n.core.Unbridged(e.Member.ID) {
			n.log.warn(n.now(), "unbridged", "no member that answers this node reaches one of the "+
				"other IP family: it may be dead or live, nobody here can tell; one member with "+
				"both families ends that; if it is gone, have it forgotten (starling forget)",
				"member", e.Member.Name(), "addr", e.Member.Addr())
		}
		if k := e.Kind; k == gossip.MemberJoined || k == gossip.MemberUpdated {
			n.checkSpelling(&e.Member)
		}
		n.tellWatchers(e)
	}
}

// checkSpelling warns of a member whose zone is written otherwise than this node's, and most likely
// meant to be the same.
func (n *Node) checkSpelling(m *member.Member) {
	own, zone := n.core.Self(), m.Handle.Value().Zone
	if here := own.Handle.Value().Zone; misspelt(here, zone) {
		n.log.warn(n.now(), "spelling "+member.Top(zone),
			"a member's zone is written otherwise than this node's: they count as two zones",
			"member", m.Name(), "here", member.Top(here), "there", member.Top(zone))
	}
}

// errSealed says what is wrong with a sealed datagram at a node without a key.
var errSealed = errors.New("the datagram is sealed, and this node has no key")

// unopened counts a datagram that the key ring does not open, and says so now and then. Its sender
// is told too, and this node's user if the sender is a seed. Neither is told if the sender is a
// member that is well: then it has a key of the ring, and another process sends in its name.
func (n *Node) unopened(from netip.AddrPort, size int, err error) {
	n.unopenedCount.Add(1)
	if err == transport.ErrReplayed { // networks duplicate
		return
	}
	if n.asks(from) && !n.core.InTouch(from) {
		n.hasOtherKey(from, errOtherKey(from, err), true)
	} else {
		n.isStrange(from, err)
	}
	n.core.Unopened(n.now(), from, size, &n.scratch().out)
}

// pause waits, and says whether the node still lives.
func (n *Node) pause(d time.Duration) bool {
	select {
	case <-n.machine.after(d):
		return true
	case <-n.ctx.Done():
		return false
	}
}
