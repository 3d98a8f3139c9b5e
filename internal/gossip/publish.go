package gossip

import (
	"errors"
	"fmt"

	"github.com/starling-gossip/starling/internal/gossip/door"
	"github.com/starling-gossip/starling/internal/gossip/roster"
	"github.com/starling-gossip/starling/internal/gossip/stream"
)

// Errors of Do. ErrBackpressure means that the others have not confirmed enough of what was
// published: Writable tells when to try again.
var (
	ErrTooLarge     = stream.ErrTooLarge
	ErrTopic        = stream.ErrTopic
	ErrBackpressure = stream.ErrBackpressure
)

// Errors about leaving: of a Publish after a Leave, and of a LeaveDone.
var (
	ErrLeaving = errors.New("the node is leaving")
	ErrUnsent  = door.ErrUnsent
)

// Errors that events and commands carry.
var (
	ErrNameConflict  = door.ErrNameConflict
	ErrWrongCluster  = door.ErrWrongCluster
	ErrOtherCluster  = door.ErrOtherCluster
	ErrWrongDetector = door.ErrWrongDetector
	ErrNotReached    = door.ErrNotReached
	ErrNameWaits     = door.ErrNameWaits
	ErrRefused       = door.ErrRefused
	ErrStopped       = errors.New("the node has stopped")
)

// ErrLives is that of a Forget of a member that answers this node.
var ErrLives = roster.ErrLives

// MaxMessage bounds the payload of a message, in bytes.
const MaxMessage = stream.MaxPayload

// Do carries out a command. An error means that nothing was done.
func (n *Node) Do(now Time, cmd Command, out *Outbox) error {
	if !n.begin(now, out) {
		return ErrStopped
	}
	defer n.finish()
	switch c := cmd.(type) {
	case Join:
		n.door.Join(c.Seeds, c.Peers, c.Merge)
	case Leave:
		n.door.Leave(c.Wait)
	case Publish:
		return n.publish(c)
	case Unfollow:
		n.spreads.forgo(n.relay, c)
	case Restore:
		n.roster.GoAboveOwn(n.streams.Restore(n.now, c.Marks, c.Pieces))
	case SetTags:
		return n.roster.SetTags(c.Tags)
	case Moved:
		moved, err := n.roster.Move(c.Addr, c.Outside)
		if moved {
			n.ways.Renew(n.now)
		}
		return err
	case Routes:
		n.roster.SetRoutes(c.Family)
	case Set:
		return n.keys.Set(n.now, c.Key, c.Value, c.TTL)
	case Delete:
		return n.keys.Delete(n.now, c.Key)
	case Forget:
		return n.roster.ForgetAll(c.IDs)
	case Locate:
		return n.coords.LookUp(n.now, c.ID)
	default:
		return fmt.Errorf("no such command: %T", cmd)
	}
	return nil
}

// publish puts a message in this node's own stream and sends it on its way.
func (n *Node) publish(c Publish) error {
	if n.door.Parting() {
		return ErrLeaving
	}
	if c.Confirm && n.spreads.full() {
		n.spreads.refused = true
		return fmt.Errorf("%w: the spread of %d messages is waited for", ErrBackpressure,
			maxSpreads)
	}
	n.spreads.unsent(n.out, n.roster.Record().Generation)
	p, err := n.streams.Append(n.now, c.Topic, c.Payload, c.Urgent)
	if err != nil {
		return err
	}
	n.seq = p.Seq
	if c.Confirm {
		n.spreads.watch(p)
	}
	n.relay.Publish(n.now)
	return nil
}

// LastSeq returns the sequence of the message that this node published last, 0 before the first.
func (v View) LastSeq() uint64 { return v.n.seq }
