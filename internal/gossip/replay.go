package gossip

import "iter"

// Messages goes through the messages that were delivered here, or published, and are still held:
// those of one origin in order. Their bytes are never written to again.
func (n *Node) Messages() iter.Seq[Message] {
	return func(yield func(Message) bool) {
		if n.streams == nil {
			return
		}
		for m := range n.streams.Messages() {
			if !yield(n.message(&m)) {
				return
			}
		}
	}
}
