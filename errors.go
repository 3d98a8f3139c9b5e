package starling

import (
	"errors"
	"fmt"
	"strings"

	"github.com/starling-gossip/starling/internal/gossip"
)

// The reasons for which a node stops; Node.Err and the calls that it ends wrap one of them.
var (
	ErrClosed       = errors.New("starling: the node is closed")
	ErrLeft         = errors.New("starling: the node has left the cluster")
	ErrNameConflict = errors.New("starling: another live node has this name")
	ErrSocket       = errors.New("starling: the socket failed")
)

// ErrConfig is wrapped by every error about a Config, and by those of SetTags and SetKeyRing.
var ErrConfig = errors.New("starling: configuration")

// ErrLives is that of a Forget of a member that is live here, and can be reached.
var ErrLives = gossip.ErrLives

// Errors of RTT, RTTBetween, Near and Forget.
var (
	ErrNoMember = gossip.ErrNoMember // a member of that name is not known, or is not live
	ErrNoAnswer = gossip.ErrNoAnswer // the member was asked, and is silent
)

// unknown is the ErrNoMember of a name that nobody has here, live or dead.
type unknown string

func (name unknown) Error() string {
	return fmt.Sprintf("starling: no member is called %q here; see the list of members",
		string(name))
}

func (unknown) Unwrap() error { return ErrNoMember }

// The reasons for which seeds refuse a node, as a Join that ended without success wraps them beside
// the error of its context. Info.RefusedFor has them while they last.
var (
	ErrWrongCluster  = gossip.ErrWrongCluster  // they are of a cluster of another name
	ErrOtherCluster  = gossip.ErrOtherCluster  // they are of another cluster of the same name
	ErrWrongDetector = gossip.ErrWrongDetector // their cluster runs another failure detector
	ErrNotReached    = gossip.ErrNotReached    // what they send to the node's address is lost
	ErrNameWaits     = gossip.ErrNameWaits     // its name is a member's, which does not answer
)

// Errors of Publish, TryPublish and PublishWait.
var (
	ErrTopic    = gossip.ErrTopic    // the topic is empty, or longer than 255 bytes
	ErrTooLarge = gossip.ErrTooLarge // the payload is longer than MaxMessage
	// ErrBackpressure is returned by TryPublish while too much of what this node published before
	// is still on its way.
	ErrBackpressure = gossip.ErrBackpressure
	// ErrLeaving is that of a Publish after a Leave.
	ErrLeaving = gossip.ErrLeaving
	// ErrNeed says that more members are needed than the cluster has, as far as this node knows.
	ErrNeed = errors.New("starling: more members are needed than there are")
	// ErrNotIn says that this node does not know who is in the cluster: it was away for so long
	// that it joins anew.
	ErrNotIn = errors.New("starling: this node is not in the cluster yet")
	// ErrUnconfirmed says that members that lack a message are not asked any more, since this node
	// does not hold it any more, or follows too many.
	ErrUnconfirmed = errors.New("starling: some members have not confirmed the message, and are " +
		"not asked any more")
)

// ErrUnsent is that of a Leave before all that the node published was out.
var ErrUnsent = gossip.ErrUnsent

// told is an error of the core under the name that this package has for it.
type told struct{ name, cause error }

func (e *told) Unwrap() []error { return []error{e.name, e.cause} }

// Error says the name once, though the core may begin with the same words.
func (e *told) Error() string {
	name := e.name.Error()
	return name + ": " + strings.TrimPrefix(e.cause.Error(),
		strings.TrimPrefix(name, "starling: ")+": ")
}
