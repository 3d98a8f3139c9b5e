package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/size"
	"github.com/starling-gossip/starling/internal/virtual"
)

// warned is a store's options with what it says, and a clock of the test's.
type warned struct {
	Options
	said []string
	at   time.Time
}

func warnings() *warned {
	w := &warned{at: time.UnixMilli(1_000_000)}
	w.Options = Options{Flush: time.Hour, now: func() time.Time { return w.at },
		Warn: func(err error) { w.said = append(w.said, err.Error()) }}
	return w
}

// sample returns a file with 300 pieces and marks, and some free pages.
func sample(t *testing.T, size int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "topics.db")
	at := time.Unix(1_700_000_000, 0)
	s := open(t, path, Options{Bytes: 20 << 10, Flush: time.Hour,
		now: func() time.Time { return at }})
	for i := range uint64(300) {
		s.Keep(piece(i%5+1, 1, i+1, size))
		s.Mark(stream.Mark{Origin: member.ID(i + 1), Generation: 1, Next: 2})
		if i%50 == 49 {
			flush(t, s)
		}
	}
	closed(t, s)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestNothingKeepsANodeOut: whatever is in the place of the file, there is a store, which says once
// what is wrong, with the file's name and what to do. What is damaged is moved aside; then all is
// as if there had been no file.
func TestNothingKeepsANodeOut(t *testing.T) {
	whole := sample(t, 60)
	newer := slices.Clone(whole)
	for i := 0; i+8 <= len(newer); i += 1 {
		if bytes.HasPrefix(newer[i:], []byte("version\x00\x00\x00\x00\x00\x00\x00\x01")) {
			newer[i+14] = 9
		}
	}
	for name, data := range map[string][]byte{
		"text": []byte(strings.Repeat("not a database. ", 4096)), "zeros": make([]byte,
			1<<16), "a byte": {7}, "nothing": {},
		"short": whole[:len(whole)/4], "very short": whole[:5000], "a newer format": newer,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "topics.db")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			w := warnings()
			s := Open(path, w.Options)
			if st := s.Stats(); st.Err != nil || st.Damaged != 1 || st.Held != 0 {
				t.Errorf("%+v", st)
			}
			if len(w.said) != 1 || !strings.Contains(w.said[0], path+" is damaged") ||
				!strings.Contains(w.said[0], path+".damaged-1") {
				t.Errorf("it says %q", w.said)
			}
			// what it keeps is lost, and it is not promised from others
			if !strings.Contains(w.said[0], "newcomer") || s.Former() {
				t.Errorf("it says %q; of a former run: %v", w.said, s.Former())
			}
			if moved, err := os.ReadFile(path + ".damaged-1"); err != nil ||
				!bytes.Equal(moved, data) {
				t.Errorf("moved aside: %d bytes of %d, %v", len(moved), len(data), err)
			}
			s.Keep(piece(1, 1, 1, 100))
			closed(t, s)
			s = open(t, path, Options{now: w.now})
			defer closed(t, s)
			if got := slices.Collect(s.Pieces()); len(got) != 1 {
				t.Errorf("%d pieces are kept", len(got))
			}
		})
	}
}

// TestUnusable: a file that cannot be opened is said once, and tried again until it can be.
func TestUnusable(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "topics.db")
	if err := os.MkdirAll(path, 0o700); err != nil { // a directory in its place
		t.Fatal(err)
	}
	w := warnings()
	s := Open(path, w.Options)
	if err := s.Stats().Err; err == nil || errors.Is(err, ErrDamaged) {
		t.Errorf("it says %v", err)
	}
	for i := range 3 {
		s.Keep(piece(1, 1, uint64(i+1), 100))
		s.Mark(stream.Mark{Origin: 1, Generation: 1, Next: uint64(i + 2)})
		w.at = w.at.Add(retry)
		if s.write(false) == nil {
			t.Fatal("a directory can be written")
		}
	}
	if len(w.said) != 1 || !strings.Contains(w.said[0], path) ||
		!strings.Contains(w.said[0], "memory") {
		t.Errorf("it says %q", w.said)
	}
	if st := s.Stats(); st.Dropped != 3 || st.Failed != 4 || st.Damaged != 0 {
		t.Errorf("%+v", st)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s.Keep(piece(1, 1, 4, 100))
	w.at = w.at.Add(retry)
	if err := s.write(false); err != nil {
		t.Error(err)
	}
	if len(w.said) != 2 || !strings.Contains(w.said[1], "again") {
		t.Errorf("it says %q", w.said)
	}
	closed(t, s)
	s = open(t, path, Options{now: w.now})
	defer closed(t, s)
	if marks := slices.Collect(s.Marks()); len(marks) != 1 || marks[0].Next != 4 {
		t.Errorf("marks %v", marks)
	}
}

// TestInUse: a file that another process has open is left alone, for good: what is in it is not
// this node's.
func TestInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "topics.db")
	first := open(t, path, Options{})
	w := warnings()
	second := Open(path, w.Options)
	if err := second.Stats().Err; !errors.Is(err, ErrInUse) ||
		!strings.Contains(err.Error(), path) || len(w.said) != 1 {
		t.Errorf("opened twice: %v; it says %q", err, w.said)
	}
	closed(t, first)
	second.Keep(piece(1, 1, 1, 100))
	w.at = w.at.Add(time.Hour)
	if second.Flush() == nil || second.Stats().Dropped != 1 {
		t.Error("it takes the file over later")
	}
	second.Close()
}

// TestNewFileOnAFullDisk: a file that could not be begun leaves nothing behind that would be told
// as damaged.
func TestNewFileOnAFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "topics.db")
	w := warnings()
	w.size = 1 << 10
	s := Open(path, w.Options)
	if st := s.Stats(); st.Err == nil || errors.Is(st.Err, ErrDamaged) || st.Damaged != 0 ||
		len(w.said) != 1 {
		t.Errorf("%+v; it says %q", st, w.said)
	}
	s.Keep(piece(1, 1, 1, 100))
	w.at = w.at.Add(retry)
	if s.write(false) == nil || len(w.said) != 1 {
		t.Errorf("it says %q", w.said)
	}
	s.opts.size = 0
	s.Keep(piece(1, 1, 2, 100))
	w.at = w.at.Add(retry)
	if err := s.write(false); err != nil || s.Stats().Held != 1 {
		t.Errorf("with room: %v, %+v", err, s.Stats())
	}
	closed(t, s)
}

// TestMarksSurviveAFailedWrite: a mark is not repeated by the node, so the store must not lose it;
// a newer one prevails.
func TestMarksSurviveAFailedWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "topics.db")
	w := warnings()
	w.size = 256 << 10
	s := open(t, path, w.Options)
	s.Mark(stream.Mark{Origin: 1, Generation: 1, Next: 5, Seq: 5})
	s.Mark(stream.Mark{Origin: 2, Generation: 1, Next: 5, Seq: 5})
	for i := range uint64(1000) {
		s.Keep(piece(1, 1, i+1, 1000))
	}
	if s.write(false) == nil {
		t.Fatal("a megabyte has room in a quarter of one")
	}
	s.Mark(stream.Mark{Origin: 2, Generation: 1, Next: 9, Seq: 9})
	w.at = w.at.Add(retry)
	if err := s.write(false); err != nil {
		t.Fatal(err)
	}
	closed(t, s)
	s = open(t, path, Options{})
	defer closed(t, s)
	got := slices.SortedFunc(s.Marks(), func(a,
		b stream.Mark) int {
		return int(a.Origin) - int(b.Origin)
	})
	want := []stream.Mark{{Origin: 1, Generation: 1, Next: 5, Seq: 5},
		{Origin: 2, Generation: 1, Next: 9, Seq: 9}}
	if !slices.Equal(got, want) {
		t.Errorf("marks %v, want %v", got, want)
	}
}

// TestDamagedFilesAreBounded: the first ones stay, and the newest.
func TestDamagedFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "topics.db")
	for i := range 3 * maxDamaged {
		if err := os.WriteFile(path, bytes.Repeat([]byte{byte(i + 1)}, 1<<14), 0o600); err != nil {
			t.Fatal(err)
		}
		closed(t, open(t, path, Options{}))
	}
	files, _ := filepath.Glob(path + ".damaged-*")
	last, err := os.ReadFile(fmt.Sprintf("%s.damaged-%d", path, maxDamaged))
	if len(files) != maxDamaged || err != nil || last[0] != 3*maxDamaged {
		t.Errorf("%q, %v", files, err)
	}
}

// TestDamagedWhileOpen: a file that is cut short under a running store costs the pieces that were
// in it. The store begins anew with all marks, also those that do not change any more: what was
// delivered must not come again.
func TestDamagedWhileOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "topics.db")
	w := warnings()
	s := open(t, path, w.Options)
	for i := range uint64(2000) {
		s.Keep(piece(1, 1, i+1, 1000))
	}
	s.MarkNamed(stream.Mark{Origin: 2, Generation: 7, Next: 5, Seq: 3}, "two")
	flush(t, s)
	if err := os.Truncate(path, 8192); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(30) {
		s.Keep(piece(1, 1, 3000+i, 1000))
		s.Mark(stream.Mark{Origin: 1, Generation: 1, Next: 3000 + i})
		w.at = w.at.Add(retry)
		s.write(false)
	}
	if st := s.Stats(); st.Err != nil || st.Damaged != 1 || st.Held == 0 || st.Held != 30 {
		t.Errorf("%+v; it says %q", st, w.said)
	}
	if len(w.said) != 1 || strings.Contains(w.said[0], "newcomer") ||
		!strings.Contains(w.said[0], "after a restart") {
		t.Errorf("it says %q", w.said)
	}
	closed(t, s)
	s = open(t, path, Options{now: w.now})
	defer closed(t, s)
	marks := slices.Collect(s.Marks()) // the longest silent first
	want := []stream.Mark{{Origin: 2, Generation: 7, Next: 5, Seq: 3},
		{Origin: 1, Generation: 1, Next: 3029}}
	if !slices.Equal(marks, want) || s.Names()[2] != "two" || !s.Former() {
		t.Errorf("marks %v, names %v, of a former run: %t", marks, s.Names(), s.Former())
	}
}

// TestDamagedWhileRead: where a reader finds the damage, a new file with all marks is begun too,
// though nothing comes to be written.
func TestDamagedWhileRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "topics.db")
	w := warnings()
	s := open(t, path, w.Options)
	for i := range uint64(2000) {
		s.Keep(piece(1, 1, i+1, 1000))
	}
	s.Mark(stream.Mark{Origin: 2, Generation: 7, Next: 5, Seq: 3})
	flush(t, s)
	if err := os.Truncate(path, 8192); err != nil {
		t.Fatal(err)
	}
	for range s.Pieces() {
	}
	flush(t, s)
	if st := s.Stats(); st.Err != nil || st.Damaged != 1 {
		t.Fatalf("%+v; it says %q", st, w.said)
	}
	closed(t, s)
	s = open(t, path, Options{now: w.now})
	defer closed(t, s)
	if marks := slices.Collect(s.Marks()); len(marks) != 1 || marks[0].Next != 5 || !s.Former() {
		t.Errorf("marks %v, of a former run: %t", marks, s.Former())
	}
}

// TestSpoiledMark: of a stream whose mark is spoiled nobody knows how far it was delivered, so that
// all of it would come again. Such a file counts as damaged: the node is a newcomer.
func TestSpoiledMark(t *testing.T) {
	path := filepath.Join(t.TempDir(), "topics.db")
	s := open(t, path, Options{})
	for i := range 3 {
		s.MarkNamed(stream.Mark{Origin: member.ID(i + 1), Generation: 1, Next: 9},
			fmt.Sprint("name-", i))
	}
	closed(t, s)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.ReplaceAll(b, []byte("name-1"), []byte("name-7"))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	w := warnings()
	s = Open(path, w.Options)
	defer closed(t, s)
	if s.Former() || s.Stats().Damaged != 1 || len(w.said) != 1 ||
		!strings.Contains(w.said[0], "newcomer") {
		t.Errorf("of a former run: %t; %+v; it says %q", s.Former(), s.Stats(), w.said)
	}
	if marks := slices.Collect(s.Marks()); len(marks) > 0 {
		t.Errorf("marks %v", marks)
	}
}

// TestGone: if a file is removed, or replaced, while it is open, that is told once, and which of
// the two it was. From then on the store keeps what comes in the file that is in its place, with
// all marks. It is noticed though nothing comes.
func TestGone(t *testing.T) {
	for name, x := range map[string]struct {
		do   func(path string) error
		said string
	}{
		"removed": {os.Remove, "was removed while this node had it open; a new one is " +
			"begun;"},
		"its directory too": {func(path string) error {
			return os.RemoveAll(filepath.Dir(path))
		}, "was removed"},
		"moved": {func(path string) error { return os.Rename(path, path+".old") },
			"was removed while this node had it open; a new one is begun;"},
		"replaced": {func(path string) error {
			b, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path+".copy", b, 0o600),
				os.Rename(path+".copy", path))
		}, "was replaced by another file while this node had it open; this node goes on with " +
			"that one;"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "data", "topics.db")
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex // the store warns from a goroutine of its own
				var warned []string
				s := Open(path, Options{Warn: func(err error) {
					mu.Lock()
					defer mu.Unlock()
					warned = append(warned, err.Error())
				}})
				said := func() []string {
					mu.Lock()
					defer mu.Unlock()
					return slices.Clone(warned)
				}
				s.Keep(piece(1, 1, 1, 100))
				s.Mark(stream.Mark{Origin: 1, Generation: 1, Next: 2, Seq: 1})
				flush(t, s)
				virtual.Pass(3 * lookEvery)
				if said := said(); len(said) > 0 {
					t.Errorf("it says %q", said)
				}
				if err := x.do(path); err != nil {
					t.Fatal(err)
				}
				virtual.Pass(lookEvery)
				if st, said := s.Stats(), said(); len(said) != 1 ||
					!strings.Contains(said[0], x.said) ||
					!strings.Contains(said[0], "leave it where it is") || st.Removed != 1 ||
					st.Err != nil {
					t.Errorf("%+v; it says %q", st, said)
				}
				s.Keep(piece(2, 1, 1, 100))
				s.Mark(stream.Mark{Origin: 2, Generation: 1, Next: 2, Seq: 1})
				virtual.Pass(3 * lookEvery)
				closed(t, s)
				if said := said(); len(said) != 1 {
					t.Errorf("it says %q", said)
				}
				s = open(t, path, Options{})
				defer closed(t, s)
				if marks := slices.Collect(s.Marks()); len(marks) != 2 || !s.Former() {
					t.Errorf("marks %v, of a former run: %t", marks, s.Former())
				}
				held := 1
				if name == "replaced" {
					held = 2
				}
				if got := slices.Collect(s.Pieces()); len(got) != held || got[held-1].Origin != 2 {
					t.Errorf("%d pieces", len(got))
				}
			})
		})
	}
}

// TestGoneAndNoOther: where no other file can be begun, that is told too, and it is tried again.
func TestGoneAndNoOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "topics.db")
	w := warnings()
	s := open(t, path, w.Options)
	s.Mark(stream.Mark{Origin: 1, Generation: 1, Next: 2, Seq: 1})
	flush(t, s)
	if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.write(false)
		w.at = w.at.Add(time.Second)
	}
	if st := s.Stats(); st.Err == nil || st.Removed != 1 || st.Failed != 1 || len(w.said) != 2 ||
		!strings.Contains(w.said[0], "replaced") || strings.Contains(w.said[0], "goes on") ||
		!strings.Contains(w.said[1], "is not a file") {
		t.Errorf("%+v; it says %q", st, w.said)
	}
	w.at = w.at.Add(retry)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s.write(false)
	closed(t, s)
	s = open(t, path, Options{})
	defer closed(t, s)
	if marks := slices.Collect(s.Marks()); len(marks) != 1 || len(w.said) != 3 {
		t.Errorf("marks %v; it said %q", marks, w.said)
	}
}

// TestSweep damages a file in thousands of ways: a byte, a run, a number that points elsewhere, a
// page that stands twice, a cut. The store opens, gives whole pieces or none, and keeps what comes;
// it never panics or hangs.
func TestSweep(t *testing.T) {
	whole := sample(t, 60)
	page := os.Getpagesize()
	pages := len(whole) / page
	for pages > 4 && bytes.Count(whole[(pages-1)*page:pages*page], []byte{0}) == page {
		pages-- // the file grows ahead of what is in it
	}
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	damages := []func(b []byte) []byte{
		func(b []byte) []byte { b[rng.IntN(pages*page)] ^= byte(1 + rng.IntN(255)); return b },
		func(b []byte) []byte { // in the head of a page and its elements
			at := rng.IntN(pages)*page + rng.IntN(256)
			b[at] ^= byte(1 + rng.IntN(255))
			return b
		},
		func(b []byte) []byte {
			at := rng.IntN(pages * page)
			for i := range min(1<<rng.IntN(14), len(b)-at) {
				b[at+i] = byte(rng.Uint32())
			}
			return b
		},
		func(b []byte) []byte { // a number that may be one of a page, a count or a length
			at := rng.IntN(pages)*page + 8*rng.IntN(64)
			binary.NativeEndian.PutUint64(b[at:], uint64(rng.IntN(pages+2)))
			return b
		},
		func(b []byte) []byte { // a page stands in the place of another
			from, to := rng.IntN(pages), 2+rng.IntN(pages-2)
			copy(b[to*page:(to+1)*page], b[from*page:])
			if rng.IntN(2) == 0 {
				binary.NativeEndian.PutUint64(b[to*page:], uint64(to))
			}
			return b
		},
		func(b []byte) []byte { return b[:rng.IntN(pages*page)] },
	}
	for i := range size.Of(10, 40, 2000) * len(damages) {
		kind := i % len(damages)
		bad := damages[kind](slices.Clone(whole))
		path := filepath.Join(dir, fmt.Sprintf("%d.db", i))
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		endures(t, fmt.Sprintf("damage %d of kind %d", i, kind), path)
		os.Remove(path)
		os.Remove(path + ".damaged-1")
	}
}

// endures opens what may be damaged, and uses it.
func endures(t *testing.T, name, path string) {
	t.Helper()
	w := warnings()
	s := Open(path, w.Options)
	for p := range s.Pieces() {
		if !bytes.Equal(p.Body, piece(1, 1, p.Seq, 60).Body) {
			t.Fatalf("%s: a piece that was spoiled comes back as %x", name, p.Body)
		}
	}
	for range s.Marks() {
	}
	for i := range uint64(40) {
		s.Keep(piece(9, 9, i+1, 2000))
		s.Mark(stream.Mark{Origin: 9, Generation: 9, Next: i + 2})
		w.at = w.at.Add(retry)
		if err := s.write(false); err != nil && i > 0 {
			t.Fatalf("%s: %v; it says %q", name, err, w.said)
		}
	}
	if st := s.Stats(); st.Err != nil || len(w.said) > 1 {
		t.Fatalf("%s: %+v; it says %q", name, st, w.said)
	}
	if err := s.Close(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	s = Open(path, w.Options)
	var last uint64
	for p := range s.Pieces() {
		if p.Origin == 9 {
			last = p.Seq
		}
	}
	if s.Stats().Damaged > 0 || last != 40 {
		t.Fatalf("%s: after what was written %+v, the last piece is %d", name, s.Stats(), last)
	}
	s.Close()
}

// TestVerifyAcceptsWhatBoltWrites: of a file that is whole nothing is moved aside.
func TestVerifyAcceptsWhatBoltWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "any.db")
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rng := rand.New(rand.NewPCG(3, 4))
	name := func() []byte { return []byte(fmt.Sprint("b", rng.IntN(6))) }
	for round := range 150 {
		err := db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(name())
			if err != nil {
				return err
			}
			if rng.IntN(3) == 0 {
				if b, err = b.CreateBucketIfNotExists(name()); err != nil {
					return err
				}
			}
			for range rng.IntN(200) {
				key := binary.BigEndian.AppendUint64([]byte{'k'}, uint64(rng.IntN(3000)))
				if rng.IntN(3) == 0 {
					err = b.Delete(key)
				} else {
					err = b.Put(key, make([]byte, rng.IntN(20)*rng.IntN(20)*rng.IntN(40)))
				}
				if err != nil {
					return err
				}
			}
			if rng.IntN(8) == 0 {
				if err := tx.DeleteBucket(name()); err != nil &&
					!errors.Is(err, berrors.ErrBucketNotFound) {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(path); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}

// TestCircles: a tree in which a page is below itself, or stands twice, or free, is told before
// bbolt follows it: it would for ever. So is one whose keys are not in order, in which it would
// write to the wrong place.
func TestCircles(t *testing.T) {
	whole := sample(t, 60)
	path := filepath.Join(t.TempDir(), "topics.db")
	verified := func(b []byte) error {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return verify(path)
	}
	if err := verified(whole); err != nil {
		t.Fatal(err)
	}
	m, err := readMeta(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	ne, size := binary.NativeEndian, int(m.pageSize)
	v := verifier{file: bytes.NewReader(whole), meta: m, seen: make([]bool, m.pages)}
	if err := errors.Join(v.freelist(), v.tree(m.root, nil, nil, 0)); err != nil {
		t.Fatal(err)
	}
	free := freeOf(whole, m)
	branches, leaves := 0, 0
	for id := 2; id < int(m.pages); id++ {
		at := id * size
		if !v.seen[id] || ne.Uint64(whole[at:]) != uint64(id) || slices.Contains(free, uint64(id)) {
			continue
		}
		switch ne.Uint16(whole[at+8:]) {
		case flagBranch:
			branches++
			for _, to := range []uint64{uint64(id), m.root, m.pages, 0} {
				b := slices.Clone(whole)
				ne.PutUint64(b[at+pageHeader+8:], to) // its first child
				if verified(b) == nil {
					t.Errorf("the branch %d may point to page %d", id, to)
				}
			}
			// The last child's first key is no longer the one that the branch has of it.
			last := at + pageHeader + (int(ne.Uint16(whole[at+10:]))-1)*elementLen
			child := int(ne.Uint64(whole[last+8:]))*size + pageHeader
			b := slices.Clone(whole)
			b[child+int(ne.Uint32(b[child+4:])+ne.Uint32(b[child+8:]))-1]++
			if verified(b) == nil {
				t.Errorf("the last page below %d may begin with another key", id)
			}
		case flagLeaf:
			if ne.Uint16(whole[at+10:]) < 2 {
				continue
			}
			leaves++
			b := slices.Clone(whole) // the first two keys change places
			a := at + pageHeader
			one, two := ne.Uint32(b[a+4:]), ne.Uint32(b[a+elementLen+4:])
			ne.PutUint32(b[a+4:], two+elementLen)
			ne.PutUint32(b[a+elementLen+4:], one-elementLen)
			if verified(b) == nil {
				t.Errorf("the keys of the leaf %d may stand in any order", id)
			}
		}
	}
	if branches == 0 || leaves == 0 || len(free) == 0 {
		t.Errorf("%d branches, %d leaves, %d free pages", branches, leaves, len(free))
	}
	b := slices.Clone(whole)
	ne.PutUint64(b[int(m.free)*size+pageHeader:], m.root)
	if verified(b) == nil {
		t.Error("the root may be free")
	}
}

// freeOf returns the free pages of a file that is whole.
func freeOf(b []byte, m meta) (all []uint64) {
	ne, at := binary.NativeEndian, int(m.free)*int(m.pageSize)
	for i := range int(ne.Uint16(b[at+10:])) {
		all = append(all, ne.Uint64(b[at+pageHeader+8*i:]))
	}
	return all
}
