package starling

import (
	"errors"
	"fmt"
	"strings"

	"github.com/starling-gossip/starling/internal/gossip"
)

// Reasons for which a node stops. Node.Err and the calls that it ends wrap one of them.
var (
	ErrClosed       = errors.New("starling: the node is closed")
	ErrLeft         = errors.New("starling: the node has left the cluster")
	ErrNameConflict = errors.New("starling: another live node has this name")
	ErrSocket       = errors.New("starling: the socket failed")
)

// ErrConfig is wrapped by every error about a Config, and by those about what SetTags and
// SetKeyRing are given.
var ErrConfig = errors.New("starling: configuration")

// Reasons for which seeds refuse a node. A Join that ends without success wraps the last one,
// beside the error of its context; Info.RefusedFor has them meanwhile.
var (
	ErrWrongCluster  = gossip.ErrWrongCluster  // they are of a cluster of another name
	ErrOtherCluster  = gossip.ErrOtherCluster  // they are of another cluster of the same name
	ErrWrongDetector = gossip.ErrWrongDetector // their cluster runs another failure detector
	ErrNotReached    = gossip.ErrNotReached    // what they send to the node's address is lost
	ErrNameWaits     = gossip.ErrNameWaits     // its name is a member's, which does not answer
)

// Errors about members: of RTT, RTTBetween, Near and Forget.
var (
	ErrNoMember = gossip.ErrNoMember // no member of that name is known here, or it is not live
	ErrNoAnswer = gossip.ErrNoAnswer // the member was asked, and is silent
	ErrLives    = gossip.ErrLives    // to Forget: the member is live here, and can be reached
)

// Errors about messages: of Publish, TryPublish and PublishWait, and of Leave.
var (
	ErrTopic    = gossip.ErrTopic    // the topic is empty, or longer than 255 bytes
	ErrTooLarge = gossip.ErrTooLarge // the payload is longer than MaxMessage
	// ErrBackpressure says that too much of what this node published before is still on its way.
	ErrBackpressure = gossip.ErrBackpressure
	ErrLeaving      = gossip.ErrLeaving // this node is about to leave
	// ErrNeed says that more members are needed than the cluster has, as far as this node knows.
	ErrNeed = errors.New("starling: more members are needed than there are")
	// ErrNotIn says that this node does not know what is in the cluster: it was away for so long
	// that it joins anew.
	ErrNotIn = errors.New("starling: this node is not in the cluster yet")
	// ErrUnconfirmed says that members that lack a message are not asked any more, since this node
	// does not hold it any more, or follows too many.
	ErrUnconfirmed = errors.New("starling: some members have not confirmed the message, and are " +
		"not asked any more")
	ErrUnsent = gossip.ErrUnsent // this node left before all that it published was out
)

// Errors about keys: of Set and Delete.
var (
	ErrKey       = gossip.ErrKey       // the key is empty, or longer than MaxKey
	ErrValue     = gossip.ErrValue     // the value is longer than MaxValue
	ErrTTL       = gossip.ErrTTL       // the time to live is under a millisecond, or over a year
	ErrStateFull = gossip.ErrStateFull // this node's keys would take more than MaxState
	ErrNoKey     = gossip.ErrNoKey     // to Delete: the key is not there
)

// unknown is the ErrNoMember of a name that nobody has here, live or dead.
type unknown string

func (name unknown) Error() string {
	return fmt.Sprintf("starling: no member is called %q here; see the list of members",
		string(name))
}

func (unknown) Unwrap() error { return ErrNoMember }

// namedError is an error of the core under the name that this package has for it.
type namedError struct{ name, cause error }

func (e *namedError) Unwrap() []error { return []error{e.name, e.cause} }

// Error says the name once, though the core may begin with the same words.
func (e *namedError) Error() string {
	name := e.name.Error()
	return name + ": " + strings.TrimPrefix(e.cause.Error(),
		strings.TrimPrefix(name, "starling: ")+": ")
}
