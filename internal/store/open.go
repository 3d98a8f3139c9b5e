package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// This file opens the database, and does what can be done when that fails.

// open opens the file, which it makes if there is none. A damaged one it moves aside and begins
// anew, which is told; any other error it returns. What is lost with a damaged one is told as cost.
func (s *Store) open(cost string) error {
	if s.panics > maxDamaged {
		s.refused = true
		return fmt.Errorf("%s was %w %d times: messages are kept in memory alone until this "+
			"node starts again", s.path,
			ErrDamaged, s.panics)
	}
	err := s.try()
	if errors.Is(err, ErrDamaged) {
		if err = s.aside(err, cost); err == nil {
			err = s.try()
		}
	}
	s.refused = errors.Is(err, ErrInUse)
	return err
}

// try opens the file once.
func (s *Store) try() error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return explain(s.path, err)
	}
	info, err := os.Stat(s.path)
	fresh := errors.Is(err, fs.ErrNotExist)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return explain(s.path, &fs.PathError{Op: "open", Path: s.path,
			Err: errors.New("is not a file")})
	case err == nil && info.Size() == 0:
		// a crash on a full disk leaves that, and bbolt would begin anew in it
		err = errors.New("it is empty")
	case err == nil:
		err = s.look()
	case fresh:
		err = nil
	}
	if err == nil {
		err = s.load()
	}
	if err != nil && fresh {
		os.Remove(s.path) // a part of a new file would be told as damaged next time
	}
	return explain(s.path, err)
}

// look says whether the file is whole, while nobody else writes to it.
func (s *Store) look() error {
	return s.handle(bolt.Options{ReadOnly: true},
		func(db *bolt.DB) error { return errors.Join(verify(s.path), db.Close()) })
}

// load opens the database and reads its index.
func (s *Store) load() error {
	s.begun = false
	return s.handle(bolt.Options{FreelistType: bolt.FreelistMapType, MaxSize: s.opts.size},
		func(db *bolt.DB) error {
			err := db.View(s.read)
			if errors.Is(err, errNew) { // only a new file is written to: the disk may be full
				s.begun = true
				if err = db.Update(create); err == nil {
					err = db.View(s.read)
				}
			}
			if err != nil {
				return errors.Join(err, db.Close())
			}
			s.db = db
			return nil
		})
}

// handle opens the file and does something with it. After a panic nobody has it.
func (s *Store) handle(o bolt.Options, f func(*bolt.DB) error) error {
	var file *os.File
	o.Timeout = lockWait
	o.OpenFile = func(name string, flag int, mode fs.FileMode) (*os.File, error) {
		var err error
		file, err = os.OpenFile(name, flag, mode)
		return file, err
	}
	err := safely(func() error {
		db, err := bolt.Open(s.path, 0o600, &o)
		if err != nil {
			return err
		}
		return f(db)
	})
	if errors.Is(err, errPanic) && file != nil {
		file.Close()
	}
	s.file = file
	return err
}

// What a damaged file costs: one that is found at the start, and one that turns out to be damaged
// while the node holds in memory what it had written.
const (
	lostAtStart = "lost are the messages that it kept, for others and for a replay, and what " +
		"was published while this node " +
		"was away does not come either: this node goes on as a newcomer, and what others hold " +
		"stays with them"
	lostLater = "what it kept is not there after a restart; what this node holds in memory it " +
		"still has"
)

// aside gives a damaged file another name, and tells what that costs. Of more than maxDamaged the
// first ones stay, and the newest.
func (s *Store) aside(damage error, cost string) error {
	to := ""
	for n := 1; n <= maxDamaged; n++ {
		to = fmt.Sprintf("%s.damaged-%d", s.path, n)
		if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err := os.Rename(s.path, to); err != nil {
		return fmt.Errorf("%w, and cannot be moved aside (%w): messages are kept in memory "+
			"alone; move it away by hand", damage, err)
	}
	s.index, s.kept = nil, 0
	s.mu.Lock()
	s.stats.Damaged++
	s.mu.Unlock()
	s.opts.Warn(fmt.Errorf("%w: it is moved to %s and a new one is begun; %s; nothing needs to "+
		"be done", damage, to, cost))
	return nil
}

// abandon lets go of a database in which something turned out to be damaged, and moves its file
// aside. After a panic it may hold its own locks for ever, so that Close would hang: what it has
// mapped into memory, and its lock on the file, stay until the process ends.
func (s *Store) abandon(why error) error {
	if errors.Is(why, errPanic) {
		s.file.Close()
		s.panics++
	} else {
		safely(s.db.Close)
	}
	s.db = nil
	err := s.aside(why, lostLater)
	s.refused = err != nil
	return err
}

// leaveGone lets go of a file that is not in its place any more: what is written to it nobody
// finds. It returns what happened to it; empty: nothing.
func (s *Store) leaveGone() (what string) {
	if s.db == nil {
		return ""
	}
	there, err := os.Stat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		what = "was removed"
	case err != nil:
		return "" // the disk may come back
	default:
		if open, err := s.file.Stat(); err != nil || os.SameFile(there, open) {
			return ""
		}
		what = "was replaced by another file"
	}
	safely(s.db.Close)
	s.db, s.index, s.kept = nil, nil, 0
	s.mu.Lock()
	s.stats.Removed++
	s.mu.Unlock()
	return what
}

// tellGone says that the file is not the one any more that it was, and what became of that.
func (s *Store) tellGone(what string, err error) {
	now := ""
	switch {
	case err == nil && s.begun:
		now = "; a new one is begun"
	case err == nil:
		now = "; this node goes on with that one"
	}
	s.opts.Warn(fmt.Errorf("%s %s while this node had it open%s; %s; leave it where it is until "+
		"the "+
		"node has ended", s.path, what, now, lostLater))
}

// explain says of which kind an error about the file is, and what to do.
func explain(path string, err error) error {
	var file *fs.PathError
	var errno syscall.Errno
	switch {
	case err == nil, errors.Is(err, ErrInUse), errors.Is(err, errUnusable):
		return err
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("%s is %w: messages are kept in memory alone until this node starts "+
			"again; give each node a "+
			"directory of its own", path, ErrInUse)
	case errors.As(err, &file), errors.As(err, &errno), errors.Is(err, berrors.ErrMaxSizeReached):
		return fmt.Errorf("%s %w (%w): messages are kept in memory alone; it is tried again "+
			"every %s; see to the room on "+
			"the disk, the owner and the mode of the file and its "+
			"directory", path, errUnusable, err, retry)
	}
	return fmt.Errorf("%s is %w (%w)", path, ErrDamaged, err)
}

var errUnusable = errors.New("cannot be used")

// safely turns a panic of the library over a damaged file into an error, and so a fault: the file
// is mapped into memory, and may be shorter than it says.
func safely(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	return f()
}

// errPanic says that the library is in no known state.
var errPanic = errors.New("panic")
