package starling

import "errors"

// The reasons for which a node stops; Node.Err and the calls that it ends wrap one of them.
var (
	ErrClosed       = errors.New("starling: the node is closed")
	ErrLeft         = errors.New("starling: the node has left the cluster")
	ErrNameConflict = errors.New("starling: another live node has this name")
	ErrSocket       = errors.New("starling: the socket failed")
)

// ErrConfig is wrapped by every error about a Config.
var ErrConfig = errors.New("starling: configuration")
