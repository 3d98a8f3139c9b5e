// Package store keeps topics on disk: the pieces that a node holds of everybody's streams, and how far it delivered them
// (package gossip/stream says what these are). With it a node that starts again delivers nothing twice, has what it
// published and others missed, and a whole cluster can stop and go on.
//
// It is one bbolt file, written in batches by a goroutine of its own: Keep and Mark cost an append to a slice and wait
// for no disk. What was written last before a crash may be missing, some hundred milliseconds of it; what is there is
// whole. A disk that is full or broken costs what could not be written, which is counted and told once, and nothing else:
// the node goes on, and so does the store when there is room again.
//
// Pieces stand in segments in the order in which they came; a segment goes as a whole when it is too old or there are too
// many bytes, which is cheap, and by which the oldest goes first.
package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/starling-gossip/starling/gossip/stream"
	"github.com/starling-gossip/starling/gossip/wire"
)

// Errors of Open.
var (
	ErrInUse   = errors.New("in use by another process")
	ErrDamaged = errors.New("damaged")
)

// Options say how much is kept. The zero value of each field means its default.
type Options struct {
	Bytes int64         // of pieces, at most; default 64 MiB. The file is up to about twice as large
	Age   time.Duration // a piece is kept for, at most; default 1 h
	Flush time.Duration // what comes in is written within; default 250 ms

	// Warn is told when writing fails and when it works again; nil: nobody. It is called from the store's goroutine, and
	// from Flush and Close.
	Warn func(error)

	now  func() time.Time // for tests
	size int              // of the file, at most; for tests
}

const (
	maxPending = 8 << 20          // bytes that wait for the disk; what comes beyond is not kept
	retry      = 10 * time.Second // after a failure
	lockWait   = time.Second
	segments   = 16 // that Bytes and Age are divided into
)

// Stats is what a store counts since it was opened; Held to Waiting are of now.
type Stats struct {
	Written uint64 // pieces
	Dropped uint64 // pieces that were not kept: the disk was full, broken or too slow
	Failed  uint64 // batches that could not be written
	Held    int    // pieces on disk
	Bytes   int64  // of them
	Waiting int    // pieces that wait to be written
	Err     error  // of the last batch; nil if it was written
}

// Store keeps pieces and marks. Its methods may be called at once from several goroutines.
type Store struct {
	path string
	opts Options
	db   *bolt.DB

	mu      sync.Mutex
	pieces  []wire.Piece
	waiting int // bytes of them
	marks   map[streamKey]stream.Mark
	stats   Stats
	wake    chan struct{}
	stop    chan struct{}
	done    chan struct{}

	writing sync.Mutex // for what follows, and for the disk
	index   []segment  // the oldest first
	kept    int        // marks on disk
	failed  time.Time  // the last batch; zero if it was written
	broken  bool       // nothing is written any more
}

type streamKey [16]byte

func keyOf(origin, generation uint64) (k streamKey) {
	binary.BigEndian.PutUint64(k[:], origin)
	binary.BigEndian.PutUint64(k[8:], generation)
	return k
}

// Open opens the store in a file, which it makes if there is none. It fails with ErrInUse or ErrDamaged, or with what the
// file system says.
func Open(path string, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("topics: %w", err)
	}
	s := &Store{
		path: path, opts: opts, marks: map[streamKey]stream.Mark{},
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	if err := s.open(); err != nil {
		return nil, s.explain(err)
	}
	go s.run()
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.Bytes <= 0 {
		o.Bytes = 64 << 20
	}
	if o.Age <= 0 {
		o.Age = time.Hour
	}
	if o.Flush <= 0 {
		o.Flush = 250 * time.Millisecond
	}
	if o.Warn == nil {
		o.Warn = func(error) {}
	}
	if o.now == nil {
		o.now = time.Now
	}
	return o
}

func (s *Store) open() error {
	return safely(func() (err error) {
		s.db, err = bolt.Open(s.path, 0o600, &bolt.Options{
			Timeout: lockWait, FreelistType: bolt.FreelistMapType, MaxSize: s.opts.size,
		})
		if err != nil {
			return err
		}
		if err = s.db.View(s.load); errors.Is(err, errNew) { // only a new file is written to: the disk may be full
			if err = s.db.Update(create); err == nil {
				err = s.db.View(s.load)
			}
		}
		if err != nil {
			s.db.Close()
		}
		return err
	})
}

// explain says what an error is about and what to do.
func (s *Store) explain(err error) error {
	var path *fs.PathError
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("topics: %s is %w: give each node a directory of its own", s.path, ErrInUse)
	case errors.As(err, &path):
		return fmt.Errorf("topics: %w", err)
	}
	return fmt.Errorf("topics: %s is %w (%w): move it away; what others still keep comes from them", s.path, ErrDamaged, err)
}

// safely turns a panic of the library over a damaged file into an error, and so a fault: the file is mapped into memory,
// and may be shorter than it says.
func safely(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	return f()
}

// Keep keeps a piece. Its body must not be written to any more.
func (s *Store) Keep(p wire.Piece) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting+len(p.Body) > maxPending {
		s.stats.Dropped++
		return
	}
	s.pieces = append(s.pieces, p)
	s.waiting += len(p.Body) + keySize
	s.signal()
}

// Mark keeps how far a stream is delivered, in place of what was kept of that stream before.
func (s *Store) Mark(m stream.Mark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := keyOf(uint64(m.Origin), m.Generation)
	if _, known := s.marks[k]; !known && len(s.marks) >= maxMarks {
		return // nothing could be written for long, and that is counted
	}
	s.marks[k] = m
	s.signal()
}

// signal has the goroutine look, if it does not yet.
func (s *Store) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run writes what has come in, once in each Flush at most.
func (s *Store) run() {
	defer close(s.done)
	timer := time.NewTimer(s.opts.Flush)
	defer timer.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-s.wake:
		}
		timer.Reset(s.opts.Flush)
		select {
		case <-s.stop:
			return
		case <-timer.C:
		}
		s.write(false)
	}
}

// Flush writes what has come in so far and returns when it is on the disk, or could not be written.
func (s *Store) Flush() error { return s.write(true) }

// Close writes what has come in and closes the file. Nothing else may be called after it.
func (s *Store) Close() error {
	close(s.stop)
	<-s.done
	err := s.write(true)
	return errors.Join(err, safely(s.db.Close))
}

// Stats returns the counts.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Waiting = len(s.pieces)
	return st
}
