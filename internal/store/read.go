package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"iter"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// What the store has, for stream.Streams.Restore.

// Marks goes through how far streams were delivered, those that changed last at the end.
func (s *Store) Marks() iter.Seq[stream.Mark] {
	return func(yield func(stream.Mark) bool) {
		var list []storedMark
		s.view(func(tx *bolt.Tx) { list = readMarks(tx.Bucket(bucketMarks)) })
		for _, m := range list {
			if !yield(m.Mark) {
				return
			}
		}
	}
}

// Names returns the names of the origins of which marks are kept, as far as they were known.
func (s *Store) Names() map[member.ID]string {
	names := map[member.ID]string{}
	s.view(func(tx *bolt.Tx) {
		for _, m := range readMarks(tx.Bucket(bucketMarks)) {
			if m.name != "" {
				names[m.Origin] = m.name
			}
		}
	})
	return names
}

// Pieces goes through all pieces that are kept and not too old, the oldest segment first and within
// each by origin, generation and sequence.
func (s *Store) Pieces() iter.Seq[wire.Piece] {
	return func(yield func(wire.Piece) bool) {
		s.writing.Lock()
		index := slices.Clone(s.index)
		s.writing.Unlock()
		now := s.opts.now().UnixMilli()
		for _, g := range index {
			if now-g.last >= s.opts.Age.Milliseconds() {
				continue
			}
			for _, p := range s.segmentPieces(g) {
				if !yield(p) {
					return
				}
			}
		}
	}
}

// segmentPieces returns the pieces of a segment.
func (s *Store) segmentPieces(g segment) (list []wire.Piece) {
	s.view(func(tx *bolt.Tx) {
		b := tx.Bucket(bucketPieces).Bucket(number(g.number))
		if b == nil { // it went meanwhile
			return
		}
		c := b.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			body, ok := unsealed(k, v)
			if !ok || len(k) != keySize {
				continue
			}
			u := func(i int) uint64 { return binary.BigEndian.Uint64(k[8*i:]) }
			list = append(list, wire.Piece{Origin: member.ID(u(0)), Generation: u(1),
				Seq: u(2), Body: bytes.Clone(body)})
		}
	})
	return list
}

// view reads. A file that turns out to be damaged gives what could be read of it.
func (s *Store) view(f func(tx *bolt.Tx)) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.db == nil {
		return
	}
	err := safely(func() error { return s.db.View(func(tx *bolt.Tx) error { f(tx); return nil }) })
	if err == nil {
		return
	}
	if err = s.abandon(explain(s.path, err)); err != nil {
		s.wrote(0, nil, err)
	}
	s.signal() // what is known goes into a new one
}

type storedMark struct {
	stream.Mark
	name string
	key  []byte
	when int64
}

// readMarks returns all marks, those that changed last at the end.
func readMarks(b *bolt.Bucket) (list []storedMark) {
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		v, ok := unsealed(k, v)
		if !ok || len(k) != 16 || len(v) < markSize {
			continue
		}
		list = append(list, storedMark{
			Mark: stream.Mark{
				Origin:     member.ID(binary.BigEndian.Uint64(k)),
				Generation: binary.BigEndian.Uint64(k[8:]),
				Next:       binary.BigEndian.Uint64(v), Seq: binary.BigEndian.Uint64(v[8:]),
			},
			name: string(v[markSize:]), key: bytes.Clone(k),
			when: int64(binary.BigEndian.Uint64(v[16:])),
		})
	}
	slices.SortStableFunc(list, func(a, b storedMark) int { return cmp.Compare(a.when, b.when) })
	return list
}
