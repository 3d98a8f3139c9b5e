package starling

// This file is a node's life: start, join, leave, close.

import (
	"context"

	"github.com/starling-gossip/starling/transport"
)

// MaxSeeds bounds Config.Seeds.
const MaxSeeds = 256

// Node is a member of a cluster. Start or Join makes one; Leave or Close ends it. All methods are safe from any
// goroutine.
type Node struct{}

// Start makes a node that runs at once, alone at first, and asks its seeds to let it in, in the background, until
// one does. Errors are about the Config (ErrConfig) or the socket.
func Start(cfg Config) (*Node, error) { panic("not yet") }

// Join starts a node and waits until a seed has let it in; a node without seeds, or with itself as the only one,
// does not wait. When ctx ends first the node is closed, and the error says what was tried and who refused.
func Join(ctx context.Context, cfg Config) (*Node, error) { panic("not yet") }

// Welcomed waits until a seed has let this node in, or it is the first of its cluster. When ctx ends first the error
// says what was tried and who refused.
func (n *Node) Welcomed(ctx context.Context) error { panic("not yet") }

// Join asks further seeds to let this node in, so that two clusters become one, and waits until one of them has.
// When ctx ends first the error says what was tried and who refused.
func (n *Node) Join(ctx context.Context, seeds ...string) error { panic("not yet") }

// SetTags replaces this node's tags, everywhere. At most 1 KiB in all.
func (n *Node) SetTags(ctx context.Context, tags map[string]string) error { panic("not yet") }

// SetKeyRing replaces the key ring of a node that was started with one. To change a cluster's key while it runs, see
// transport.KeyRing.
func (n *Node) SetKeyRing(ring *transport.KeyRing) error { panic("not yet") }

// Leave tells the others that this node goes, so that they see it as left and not as failed, and closes it. When ctx
// ends first the node is closed all the same, and the others may see it fail.
func (n *Node) Leave(ctx context.Context) error { panic("not yet") }

// Close stops the node at once, without telling anybody: to the others it looks like a crash. It returns when all
// resources are free. Closing a stopped node does nothing.
func (n *Node) Close() error { panic("not yet") }

// Done is closed when the node has stopped, whatever the reason.
func (n *Node) Done() <-chan struct{} { panic("not yet") }

// Err says why the node stopped: ErrClosed, ErrLeft, or an error that wraps ErrNameConflict or ErrSocket. It is nil
// while the node runs.
func (n *Node) Err() error { panic("not yet") }
