package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// The file has four buckets. "meta" has the version. "marks" has for each stream, by origin and
// generation: next, seq, when that was written, and the name of the origin if it was known.
// "pieces" has a bucket for each segment, by its number, with bodies by origin, generation and
// sequence. "index" has for each segment how many pieces and bytes it has, and when the first and
// the last of them came. All numbers are 8 bytes, most significant first; times are in milliseconds
// of Unix time. A body and a mark end with a checksum over key and value (CRC-32C): what a bad disk
// changed is not passed on to anybody.
var (
	bucketMeta   = []byte("meta")
	bucketMarks  = []byte("marks")
	bucketPieces = []byte("pieces")
	bucketIndex  = []byte("index")
	keyVersion   = []byte("version")
	keyRoom      = []byte("room") // for a moment
)

const (
	version  = 1
	keySize  = 24
	markSize = 24 // without the name
	sumSize  = 4
	maxMarks = 4 * stream.MaxStreams
)

// segment is what the index has of one.
type segment struct {
	number      uint64
	count       uint64
	bytes       int64
	first, last int64
}

// errNew says that a file has nothing in it yet.
var errNew = errors.New("new")

// create makes the buckets of a new file.
func create(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketMeta, bucketMarks, bucketPieces, bucketIndex} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketMeta).Put(keyVersion, number(version))
}

// read reads the index, or says that the file is new.
func (s *Store) read(tx *bolt.Tx) error {
	meta, marks, pieces, index := tx.Bucket(bucketMeta), tx.Bucket(bucketMarks),
		tx.Bucket(bucketPieces), tx.Bucket(bucketIndex)
	switch {
	case meta == nil:
		return errNew
	case marks == nil || pieces == nil || index == nil:
		return errors.New("something is missing in it")
	}
	if v := meta.Get(keyVersion); len(v) != 8 || binary.BigEndian.Uint64(v) != version {
		return fmt.Errorf("its format is %x, this program writes %d", v, version)
	}
	s.index = s.index[:0]
	now := s.opts.now().UnixMilli()
	err := index.ForEach(func(k, v []byte) error {
		if len(k) != 8 || len(v) != 32 || pieces.Bucket(k) == nil {
			return errors.New("its index is not whole")
		}
		// The index has no checksum. What can be counted is counted, and no time is in the future,
		// or a segment would never go.
		g := segment{number: binary.BigEndian.Uint64(k)}
		g.last = min(int64(binary.BigEndian.Uint64(v[24:])), now)
		g.first = min(int64(binary.BigEndian.Uint64(v[16:])), g.last)
		s.index = append(s.index, g)
		return countPieces(pieces.Bucket(k), &s.index[len(s.index)-1])
	})
	list := readMarks(marks)
	if err == nil && len(list) < marks.Stats().KeyN {
		return errors.New("how far a stream was delivered is not whole: it would come again")
	}
	s.kept = len(list)
	for _, m := range list {
		if k := streamKey(m.key); s.known[k].when == 0 { // what this node did itself prevails
			s.known[k] = namedMark{m.Mark, m.name, m.when}
		}
	}
	s.count()
	return err
}

func countPieces(b *bolt.Bucket, g *segment) error {
	return b.ForEach(func(_, v []byte) error {
		g.count++
		g.bytes += int64(max(len(v)-sumSize, 0) + keySize)
		return nil
	})
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealed returns a value with its checksum.
func sealed(key, value []byte) []byte {
	b := append(make([]byte, 0, len(value)+sumSize), value...)
	return binary.BigEndian.AppendUint32(b, crc32.Update(crc32.Checksum(key, castagnoli),
		castagnoli, value))
}

// unsealed returns a value without its checksum, if that is right.
func unsealed(key, b []byte) (value []byte, ok bool) {
	if len(b) < sumSize {
		return nil, false
	}
	value = b[:len(b)-sumSize]
	sum := binary.BigEndian.Uint32(b[len(b)-sumSize:])
	return value, sum == crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}

func number(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

// count brings the counts of what is on disk up to date.
func (s *Store) count() {
	var held uint64
	var bytes int64
	for _, g := range s.index {
		held += g.count
		bytes += g.bytes
	}
	s.mu.Lock()
	s.stats.Held, s.stats.Bytes = int(held), bytes
	s.mu.Unlock()
}

// write writes what waits. After a failure it tries again only after a while, unless it must. It
// tries also with nothing that waits: otherwise a store that works again would be told as failing
// until something came.
func (s *Store) write(must bool) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	gone := s.leaveGone()
	s.mu.Lock()
	pieces, marks := s.pieces, s.marks
	// else it was damaged or removed, and is begun anew now
	fine := gone == "" && (s.db != nil || !s.failed.IsZero())
	if len(pieces) == 0 && len(marks) == 0 && fine && (must || s.refused || s.failed.IsZero()) {
		err := s.stats.Err
		s.mu.Unlock()
		return err
	}
	wait := s.refused || !must && gone == "" && !s.failed.IsZero() &&
		s.opts.now().Sub(s.failed) < retry
	s.pieces, s.waiting = nil, 0
	if wait {
		s.stats.Dropped += uint64(len(pieces))
		err := s.stats.Err
		s.mu.Unlock()
		return err
	}
	s.marks = make(map[streamKey]namedMark)
	s.mu.Unlock()

	err := s.update(pieces, marks)
	if gone != "" {
		s.tellGone(gone, err)
	}
	err = s.wrote(len(pieces), marks, err)
	s.count()
	return err
}

// update writes a batch, into a file that it opens if that is not open, and into a new one if it is
// damaged.
func (s *Store) update(pieces []wire.Piece, marks map[streamKey]namedMark) (err error) {
	for range 2 {
		err = nil
		if s.db == nil {
			if err := s.open(lostLater); err != nil {
				return err
			}
			for k, m := range s.known {
				if newer, ok := marks[k]; ok {
					m = namedMark{newer.Mark, cmp.Or(newer.name, m.name), newer.when}
				}
				marks[k] = m
			}
		}
		index, kept := slices.Clone(s.index), s.kept
		write := func(pieces []wire.Piece) error {
			return safely(func() error {
				return s.db.Update(func(tx *bolt.Tx) error { return s.batch(tx, pieces, marks) })
			})
		}
		if !s.failed.IsZero() { // what is too old goes, and then there must be room again
			if err = write(nil); err == nil {
				index, kept = slices.Clone(s.index), s.kept
				err = safely(s.room)
			}
		}
		if err == nil {
			err = write(pieces)
		}
		if err == nil {
			return nil
		}
		s.index, s.kept = index, kept
		if err = explain(s.path, err); !errors.Is(err, ErrDamaged) {
			return err
		}
		if err := s.abandon(err); err != nil {
			return err
		}
	}
	return err
}

// room says whether there is room for minRoom. A short write, or none, may find a place in the file
// while the disk is full, and the next one does not.
func (s *Store) room() error {
	err := s.db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketMeta).Put(keyRoom, make([]byte, minRoom))
	})
	if err != nil {
		return err
	}
	return s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Delete(keyRoom) })
}

// wrote notes what became of a batch, and returns the error with what it is about.
func (s *Store) wrote(pieces int, marks map[streamKey]namedMark, err error) error {
	s.mu.Lock()
	now := s.opts.now()
	again, first := err == nil && s.told, err != nil && s.failed.IsZero()
	tell := err != nil && !s.told && (s.said.IsZero() || now.Sub(s.said) >= sayEvery)
	if s.told = err != nil && (s.told || tell); tell {
		s.said = now
	}
	if err == nil {
		s.failed, s.retry = time.Time{}, nil
		s.stats.Written += uint64(pieces)
	} else {
		err = fmt.Errorf("topics are not kept: %w", err)
		s.failed = now
		s.retry = time.After(retry)
		s.stats.Failed++
		s.stats.Dropped += uint64(pieces)
		for k, m := range marks { // newer ones prevail
			newer, known := s.marks[k]
			switch {
			case known:
				newer.name = cmp.Or(newer.name, m.name)
				s.marks[k] = newer
			case len(s.marks) < maxMarks:
				s.marks[k] = m
			}
		}
	}
	s.stats.Err = err
	s.mu.Unlock()
	switch {
	case tell:
		s.opts.Warn(err)
	case again:
		s.opts.Warn(fmt.Errorf("topics are %w: %s; what came meanwhile is not", ErrAgain, s.path))
	}
	if first {
		s.signal() // the goroutine tries again later
	}
	return err
}

// batch makes room, and writes pieces and marks, in one transaction.
func (s *Store) batch(tx *bolt.Tx, pieces []wire.Piece, marks map[streamKey]namedMark) error {
	now := s.opts.now().UnixMilli()
	if err := s.expire(tx, now); err != nil {
		return err
	}
	var key [keySize]byte
	for _, p := range pieces {
		b, err := s.segment(tx, now)
		if err != nil {
			return err
		}
		k := keyOf(uint64(p.Origin), p.Generation)
		copy(key[:], k[:])
		binary.BigEndian.PutUint64(key[16:], p.Seq)
		if err := b.Put(key[:], sealed(key[:], p.Body)); err != nil {
			return err
		}
		g := &s.index[len(s.index)-1]
		g.count++
		g.bytes += int64(len(p.Body) + keySize)
		g.last = now
	}
	if err := s.expire(tx, now); err != nil {
		return err
	}
	if err := s.putIndex(tx, len(pieces) > 0); err != nil {
		return err
	}
	return s.putMarks(tx, marks, now)
}

// segment returns the bucket of the newest segment, or of a new one when that is full or old.
func (s *Store) segment(tx *bolt.Tx, now int64) (*bolt.Bucket, error) {
	all := tx.Bucket(bucketPieces)
	if n := len(s.index); n > 0 {
		g := s.index[n-1]
		if g.bytes < s.opts.Bytes/segments && now-g.first < s.opts.Age.Milliseconds()/segments {
			return all.Bucket(number(g.number)), nil
		}
		if err := s.putIndex(tx, true); err != nil {
			return nil, err
		}
	}
	g := segment{number: 1, first: now, last: now}
	if n := len(s.index); n > 0 {
		g.number = s.index[n-1].number + 1
	}
	s.index = append(s.index, g)
	return all.CreateBucket(number(g.number))
}

// putIndex writes what the index has of the newest segment.
func (s *Store) putIndex(tx *bolt.Tx, changed bool) error {
	if !changed || len(s.index) == 0 {
		return nil
	}
	g := s.index[len(s.index)-1]
	var v []byte
	for _, n := range [...]uint64{g.count, uint64(g.bytes), uint64(g.first), uint64(g.last)} {
		v = binary.BigEndian.AppendUint64(v, n)
	}
	return tx.Bucket(bucketIndex).Put(number(g.number), v)
}

// expire drops the segments that are too old, and the oldest while there are too many bytes.
func (s *Store) expire(tx *bolt.Tx, now int64) error {
	bytes := int64(0)
	for _, g := range s.index {
		bytes += g.bytes
	}
	for len(s.index) > 0 {
		g := s.index[0]
		if bytes <= s.opts.Bytes && now-g.last < s.opts.Age.Milliseconds() {
			return nil
		}
		if err := tx.Bucket(bucketPieces).DeleteBucket(number(g.number)); err != nil {
			return err
		}
		if err := tx.Bucket(bucketIndex).Delete(number(g.number)); err != nil {
			return err
		}
		bytes -= g.bytes
		s.index = s.index[1:]
	}
	return nil
}

func (s *Store) putMarks(tx *bolt.Tx, marks map[streamKey]namedMark, now int64) error {
	b := tx.Bucket(bucketMarks)
	for k, m := range marks {
		name, when := m.name, cmp.Or(m.when, now)
		if before := b.Get(k[:]); before == nil {
			s.kept++
		} else if old, ok := unsealed(k[:], before); ok && name == "" && len(old) > markSize {
			name = string(old[markSize:])
		}
		v := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(number(m.Next),
			m.Seq), uint64(when))
		v = append(v, name...)
		if err := b.Put(k[:], sealed(k[:], v)); err != nil {
			return err
		}
		s.known[k] = namedMark{m.Mark, name, when}
	}
	if s.kept <= maxMarks {
		return nil
	}
	list := readMarks(b) // too many streams: those that were silent for longest go
	old := list[:len(list)-maxMarks/2]
	for _, m := range old {
		if err := b.Delete(m.key); err != nil {
			return err
		}
		delete(s.known, streamKey(m.key))
	}
	s.kept -= len(old)
	return nil
}
