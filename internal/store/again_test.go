package store

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/virtual"
)

// TestTriedAgainByTime: a disk that has room again is found so, though nothing comes that could be
// written. While it is full nothing says that it works, though what waits would find a place in the
// file.
func TestTriedAgainByTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "topics.db")
	synctest.Test(t, func(t *testing.T) {
		var said []string
		s := Open(path, Options{size: 48 << 10, Warn: func(err error) {
			said = append(said,
				err.Error())
		}})
		for i := range uint64(200) {
			s.Keep(piece(1, 1, i+1, 1000))
		}
		s.Mark(stream.Mark{Origin: 1, Generation: 1, Next: 201, Seq: 200})
		virtual.Pass(4 * retry)
		if st := s.Stats(); st.Err == nil || st.Failed != 4 || len(said) != 1 {
			t.Errorf("full: %+v; said %q", st, said)
		}
		s.writing.Lock()
		s.db.MaxSize = 0
		s.writing.Unlock()
		virtual.Pass(retry)
		if st := s.Stats(); st.Err != nil || st.Failed != 4 || st.Dropped != 200 || len(said) != 2 {
			t.Errorf("with room again: %+v; said %q", st, said)
		}
		for m := range s.Marks() {
			if m.Next != 201 {
				t.Errorf("mark %+v", m)
			}
		}
		virtual.Pass(10 * retry)
		closed(t, s)
		if len(said) != 2 {
			t.Errorf("said %q", said)
		}
	})
}

// TestFullNowAndThen: a short write that fits a full disk does not say that the disk works. A disk
// that is full now and then is told once in five minutes. A disk that stays full is told then.
func TestFullNowAndThen(t *testing.T) {
	w := warnings()
	w.size = 128 << 10
	s := open(t, filepath.Join(t.TempDir(), "topics.db"), w.Options)
	defer closed(t, s)
	seq := uint64(0)
	keep := func(pieces int) error {
		for range pieces {
			seq++
			s.Keep(piece(1, 1, seq, 1000))
		}
		w.at = w.at.Add(retry)
		return s.write(false)
	}
	for keep(8) == nil {
	}
	now := w.at
	for range 10 {
		if err := keep(1); err == nil {
			t.Error("a short one fits, and so the disk is not full any more")
		}
	}
	if n := len(w.said); n != 1 {
		t.Errorf("said %q", w.said)
	}
	for w.at.Sub(now) < 4*time.Minute {
		s.db.MaxSize = 0
		if err := keep(1); err != nil {
			t.Fatal(err)
		}
		s.db.MaxSize = 128 << 10
		if keep(200) == nil {
			t.Fatal("it has room")
		}
	}
	if n := len(w.said); n != 2 || s.Stats().Err == nil {
		t.Errorf("said %q", w.said)
	}
	for w.at.Sub(now) < 6*time.Minute {
		keep(300)
	}
	s.db.MaxSize = 0
	if err := keep(1); err != nil || len(w.said) != 4 {
		t.Errorf("%v; said %q", err, w.said)
	}
}

// TestOpenedAgainByTime: a file that could not be opened is, once it can be, though nothing comes.
func TestOpenedAgainByTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "topics.db")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := Open(path, Options{})
		virtual.Pass(3*retry + time.Second)
		if st := s.Stats(); st.Err == nil || st.Failed != 4 {
			t.Errorf("while it is a directory: %+v", st)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		virtual.Pass(retry)
		if st := s.Stats(); st.Err != nil || st.Failed != 4 {
			t.Errorf("afterwards: %+v", st)
		}
		closed(t, s)
	})
}

// TestRefusedIsNotTried: a file that another process has is not tried again.
func TestRefusedIsNotTried(t *testing.T) {
	path := filepath.Join(t.TempDir(), "topics.db")
	other := open(t, path, Options{})
	defer closed(t, other)
	synctest.Test(t, func(t *testing.T) {
		s := Open(path, Options{})
		defer s.Close()
		virtual.Pass(5 * retry)
		if st := s.Stats(); st.Err == nil || st.Failed != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// TestNamesSurviveAFailedWrite: the name of an origin is kept with its marks, stays with one that
// comes without it, and is written again after a write that failed.
func TestNamesSurviveAFailedWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "topics.db")
	w := warnings()
	w.size = 256 << 10
	s := open(t, path, w.Options)
	s.MarkNamed(stream.Mark{Origin: 1, Generation: 1, Next: 5, Seq: 5}, "one")
	s.MarkNamed(stream.Mark{Origin: 2, Generation: 1, Next: 5, Seq: 5}, "two")
	for i := range uint64(1000) {
		s.Keep(piece(1, 1, i+1, 1000))
	}
	if s.write(false) == nil {
		t.Fatal("it has room")
	}
	s.Mark(stream.Mark{Origin: 2, Generation: 1, Next: 9, Seq: 9})
	w.at = w.at.Add(retry)
	if err := s.write(false); err != nil {
		t.Fatal(err)
	}
	s.Mark(stream.Mark{Origin: 1, Generation: 1, Next: 9, Seq: 9})
	s.Mark(stream.Mark{Origin: 3, Generation: 1, Next: 2, Seq: 1})
	closed(t, s)
	s = open(t, path, Options{})
	defer closed(t, s)
	if names := s.Names(); len(names) != 2 || names[1] != "one" || names[2] != "two" {
		t.Error(names)
	}
	for m := range s.Marks() {
		if m.Origin < 3 && m.Next != 9 {
			t.Errorf("%+v", m)
		}
	}
}
