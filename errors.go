package starling

import (
	"errors"
	"strings"

	"github.com/starling-gossip/starling/gossip"
)

// The reasons for which a node stops; Node.Err and the calls that it ends wrap one of them.
var (
	ErrClosed       = errors.New("starling: the node is closed")
	ErrLeft         = errors.New("starling: the node has left the cluster")
	ErrNameConflict = errors.New("starling: another live node has this name")
	ErrSocket       = errors.New("starling: the socket failed")
)

// ErrConfig is wrapped by every error about a Config.
var ErrConfig = errors.New("starling: configuration")

// Errors of RTT, RTTBetween and Near.
var (
	ErrNoMember = gossip.ErrNoMember // a member of that name is not known, or is not live
	ErrNoAnswer = gossip.ErrNoAnswer // the member was asked, and is silent
)

// told is an error of the core under the name that this package has for it.
type told struct{ name, cause error }

func (e *told) Unwrap() []error { return []error{e.name, e.cause} }

// Error says the name once, though the core may begin with the same words.
func (e *told) Error() string {
	name := e.name.Error()
	return name + ": " + strings.TrimPrefix(e.cause.Error(), strings.TrimPrefix(name, "starling: ")+": ")
}
