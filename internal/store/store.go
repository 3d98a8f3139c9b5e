// Package store keeps topics on disk: the pieces that a node holds of everybody's streams, and how
// far it delivered them (package gossip/stream says what these are). With it a node that starts
// again delivers nothing twice, has what it published and others missed, and a whole cluster can
// stop and go on.
//
// It is one bbolt file, written in batches by a goroutine of its own: Keep and Mark cost an append
// to a slice and wait for no disk. What was written last before a crash may be missing, some
// hundred milliseconds of it; what is there is whole. Nothing that is wrong with the file or its
// disk stops a node, neither at the start nor later. It costs what could not be written, which is
// counted, and is told once. A file that cannot be opened or written is tried again. A damaged one
// is moved aside, and a new one is begun; so it is where somebody removed the file of a node that
// runs.
//
// Pieces stand in segments in the order in which they came. A segment goes as a whole when it is
// too old or there are too many bytes. That is cheap, and the oldest goes first.
package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Errors that Stats.Err and Options.Warn wrap.
var (
	ErrAgain   = errors.New("kept again") // what was wrong is not any more; Options.Warn alone
	ErrInUse   = errors.New("in use by another process")
	ErrDamaged = errors.New("damaged")
)

// Options say how much is kept. The zero value of each field means its default.
type Options struct {
	// of pieces, at most; default 64 MiB. The file is up to about twice as large
	Bytes int64
	Age   time.Duration // a piece is kept for, at most; default 1 h
	Flush time.Duration // what comes in is written within; default 250 ms

	// Warn is told what is wrong with the file, once until it works again, and that (ErrAgain):
	// once each in five minutes at most; nil: nobody. It is called from Open, from the store's
	// goroutine, and from Flush and Close.
	Warn func(error)

	now  func() time.Time // for tests
	size int              // of the file, at most; for tests
}

const (
	maxPending = 8 << 20          // bytes that wait for the disk; what comes beyond is not kept
	retry      = 10 * time.Second // after a failure
	// bytes for which there must be room before a full disk counts as mended
	minRoom = 64 << 10
	// between two words of a failure, of a disk that is full now and then
	sayEvery   = 5 * time.Minute
	lookEvery  = 10 * time.Second // whether the file is still there
	lockWait   = time.Second
	segments   = 16 // that Bytes and Age are divided into
	maxDamaged = 3  // files that were moved aside are kept
)

// Stats is what a store counts since it was opened; Held to Waiting are of now.
type Stats struct {
	Path    string // of the file
	Written uint64 // pieces
	Dropped uint64 // pieces that were not kept: the disk was full, broken or too slow
	Failed  uint64 // times that the file could not be opened, read or written
	Damaged uint64 // times that it was damaged and moved aside
	Removed uint64 // times that it was removed, or replaced by another, while it was open
	Held    int    // pieces on disk
	Bytes   int64  // of them
	Waiting int    // pieces that wait to be written
	Err     error  // why nothing is kept now; nil if all is well
}

// Store keeps pieces and marks. Its methods may be called at once from several goroutines.
type Store struct {
	path string
	opts Options

	mu      sync.Mutex
	pieces  []wire.Piece
	waiting int // bytes of them
	marks   map[streamKey]namedMark
	stats   Stats
	wake    chan struct{}
	stop    chan struct{}
	done    chan struct{}

	writing sync.Mutex              // for what follows, and for the disk
	index   []segment               // the oldest first
	known   map[streamKey]namedMark // the marks on disk, for a file that is begun anew
	kept    int                     // marks on disk
	db      *bolt.DB                // nil: the file is not open
	file    *os.File                // of db
	panics  int                     // of db, which cost memory
	failed  time.Time               // the last try to write or open; zero if it worked
	retry   <-chan time.Time        // tells when to try again; nil if it worked
	told    bool                    // Warn knows of the failure
	said    time.Time               // when Warn was told of one last; zero: never
	refused bool                    // another process has the file: it is not tried again
	begun   bool                    // the file that is open was a new one
	former  bool                    // see Former
}

type streamKey [16]byte

func keyOf(origin, generation uint64) (k streamKey) {
	binary.BigEndian.PutUint64(k[:], origin)
	binary.BigEndian.PutUint64(k[8:], generation)
	return k
}

// Open makes a store in a file. It never fails: what is wrong with the file is told to Warn, and
// the store does without it until it can be opened.
func Open(path string, opts Options) *Store {
	s := &Store{
		path: path, opts: opts.withDefaults(),
		marks: map[streamKey]namedMark{}, known: map[streamKey]namedMark{},
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	err := s.open(lostAtStart)
	s.former = err == nil && !s.begun
	if err != nil {
		s.wrote(0, nil, err)
	}
	go s.run()
	return s
}

// Former says whether the file was there, whole, when it was opened: a former run of this node
// wrote it. What Marks and Pieces do not name began since then. Without it a node is a newcomer.
func (s *Store) Former() bool {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.former
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

// namedMark is a mark with the name of the origin; empty if it is not known, and then one that is
// kept stays.
type namedMark struct {
	stream.Mark
	name string
	when int64 // it changed, in milliseconds of Unix time; 0: now
}

// Mark keeps how far a stream is delivered, in place of what was kept of that stream before.
func (s *Store) Mark(m stream.Mark) { s.MarkNamed(m, "") }

// MarkNamed is Mark that keeps the name of the origin as well, for Names. An empty name leaves what
// is kept.
func (s *Store) MarkNamed(m stream.Mark, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := keyOf(uint64(m.Origin), m.Generation)
	before, known := s.marks[k]
	if !known && len(s.marks) >= maxMarks {
		return // nothing could be written for long, and that is counted
	}
	s.marks[k] = namedMark{Mark: m, name: cmp.Or(name, before.name)}
	s.signal()
}

// signal has the goroutine look, if it does not yet.
func (s *Store) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run writes what has come in, once in each Flush at most, tries again what failed, and looks now
// and then whether the file is still there.
func (s *Store) run() {
	defer close(s.done)
	timer := time.NewTimer(s.opts.Flush)
	defer timer.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-s.again():
		case <-look.C:
		case <-s.wake:
			timer.Reset(s.opts.Flush)
			select {
			case <-s.stop:
				return
			case <-timer.C:
			}
		}
		s.write(false)
	}
}

// again returns what tells when to try again; nil if nothing failed.
func (s *Store) again() <-chan time.Time {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.retry
}

// Flush writes what has come in so far and returns when it is on the disk, or could not be written.
func (s *Store) Flush() error { return s.write(true) }

// Close writes what has come in and closes the file. Nothing else may be called after it.
func (s *Store) Close() error {
	close(s.stop)
	<-s.done
	err := s.write(true)
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.db == nil {
		return err
	}
	return errors.Join(err, safely(s.db.Close))
}

// Stats returns the counts.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Path = s.path
	st.Waiting = len(s.pieces)
	return st
}
