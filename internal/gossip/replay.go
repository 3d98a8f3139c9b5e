package gossip

import (
	"iter"
)

// Messages goes through the messages that were delivered here, or published, and are still held:
// those of one origin in order. Their bytes are never written to again.
func (v View) Messages() iter.Seq[Message] {
	return func(yield func(Message) bool) {
		if v.n.streams == nil {
			return
		}
		for m := range v.n.streams.Messages() {
			if !yield(v.n.message(&m)) {
				return
			}
		}
	}
}
