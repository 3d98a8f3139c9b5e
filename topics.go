package starling

// This file is what a node holds of the topics, in memory and on disk.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/wire"
	"github.com/starling-gossip/starling/internal/store"
)

// Retain is how long a node holds messages for members that were away. The zero value of each field
// means its default.
type Retain struct {
	// Age is how long, at most. Default a minute, with Dir an hour.
	Age time.Duration
	// Bytes is how much, at most: in memory, and with Dir once more on disk, where a file takes up
	// to twice that. Default 8 MiB, with Dir 64 MiB. At least 1 MiB.
	Bytes int
	// Dir is a directory to keep messages in as well, so that a node that starts again, or a whole
	// cluster, goes on where it stopped. Default: none. A disk that is full, a directory that
	// cannot be written, and a file that is damaged or in use do not keep the node out. It holds
	// messages in memory alone then, and the log and Info.Store.Err say so.
	Dir string
}

// minRetain is the least that Retain.Bytes may be.
const minRetain = 1 << 20

// retainFile is in Retain.Dir.
const retainFile = "topics.db"

// open fills in defaults, has the core hold as much, and opens the store; nil if there is none.
func (r Retain) open(params *gossip.Config, log *logger) (*store.Store, error) {
	if r.Dir == "" {
		r = Retain{Age: orDefault(r.Age, time.Minute), Bytes: orDefault(r.Bytes, 8<<20)}
	} else {
		r = Retain{Age: orDefault(r.Age, time.Hour), Bytes: orDefault(r.Bytes, 64<<20), Dir: r.Dir}
	}
	if r.Age < 0 || r.Bytes < minRetain {
		return nil, fmt.Errorf("%w: to retain %d bytes for %s; at least %d bytes, and no "+
			"negative time", ErrConfig, r.Bytes, r.Age, minRetain)
	}
	params.Streams.Age, params.Streams.Bytes = r.Age, r.Bytes
	params.Streams.Pieces = max(r.Bytes/512, 1024)
	if r.Dir == "" {
		return nil, nil
	}
	params.Keep = true
	return store.Open(filepath.Join(r.Dir, retainFile), store.Options{
		Bytes: int64(r.Bytes), Age: r.Age,
		Warn: func(err error) {
			level := slog.LevelWarn
			if errors.Is(err, store.ErrAgain) {
				level = slog.LevelInfo
			}
			log.write(logLine{level, err.Error(), nil})
		},
	}), nil
}

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// restore gives the core what the store kept. It runs before anything else. Without a former run
// this node is a newcomer.
func (n *Node) restore() {
	if n.store == nil || !n.store.Former() {
		return
	}
	n.names = n.store.Names()
	out := &n.scratch().out
	n.core.Wake(n.now(), out)
	pieces := slices.SortedStableFunc(n.store.Pieces(), comparePieces)
	if err := n.core.Do(n.now(), gossip.Restore{Marks: n.store.Marks(),
		Pieces: slices.Values(pieces)}, out); err != nil {
		n.log.error("what was kept of the topics cannot be used", "error", err)
	}
	n.flush()
}

// comparePieces sorts as Restore wants it.
func comparePieces(a, b wire.Piece) int {
	return cmp.Or(cmp.Compare(a.Origin, b.Origin), cmp.Compare(a.Generation, b.Generation),
		cmp.Compare(a.Seq, b.Seq))
}

func closeStore(s *store.Store) error {
	if s == nil {
		return nil
	}
	return s.Close()
}

// keep passes on what is to be kept on disk.
func (n *Node) keep(out *gossip.Outbox) {
	if n.store == nil {
		return
	}
	for i := range out.Pieces {
		n.store.Keep(out.Pieces[i])
	}
	for i := range out.Marks {
		m := &out.Marks[i]
		name := n.names[m.Origin]
		if o, ok := n.core.Table().Get(m.Origin); ok {
			name = o.Name()
		}
		n.store.MarkNamed(*m, name)
	}
}

// Topic is what a node knows of a topic since its start.
type Topic struct {
	Name     string
	Messages uint64  // that were delivered here
	Bytes    uint64  // of their payloads
	Rate     float64 // messages a second, over the last ten seconds or so
	Held     int     // messages that this node still holds for others
}

// Topics returns the topics on which something was delivered here, or is held, by name. Of more
// than a thousand the rest is counted under the empty name.
func (n *Node) Topics() (list []Topic) {
	n.read(func() {
		for _, t := range n.core.Topics() {
			list = append(list, Topic(t))
		}
	})
	return list
}

// held returns the messages on some topics that are still held, where the core is at rest.
func (n *Node) held(s *subscriber) (list []Message) {
	now := n.wall(n.now())
	for m := range n.core.Messages() {
		if s.wants(m.Topic) {
			list = append(list, n.messageOf(&m, now))
		}
	}
	return list
}

// Replay is Subscribe that begins with the messages that this node still holds: in order for each
// origin, those of different origins in no order. So a program that was away, or started after its
// node had caught up, misses nothing that is retained; what it had before it knows by Origin,
// Generation and Seq. The Time of these is that of the call.
func (n *Node) Replay(ctx context.Context, topics ...string) iter.Seq[Message] {
	return n.listen(ctx, true, topics)
}
