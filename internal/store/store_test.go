package store

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("STORE_TEST_WRITE"); path != "" {
		writeForEver(path)
		return
	}
	goleak.VerifyTestMain(m)
}

func open(t *testing.T, path string, opts Options) *Store {
	t.Helper()
	if opts.Flush == 0 {
		opts.Flush = time.Hour // tests say when
	}
	s := Open(path, opts)
	if err := s.Stats().Err; err != nil {
		t.Fatal(err)
	}
	return s
}

func closed(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func flush(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
}

func piece(origin, generation, seq uint64, size int) wire.Piece {
	body := bytes.Repeat([]byte{byte(seq)}, size)
	return wire.Piece{Origin: member.ID(origin), Generation: generation, Seq: seq, Body: body}
}

func samePieces(a, b []wire.Piece) bool {
	return slices.EqualFunc(a, b, func(p, q wire.Piece) bool {
		return p.Origin == q.Origin && p.Generation == q.Generation && p.Seq == q.Seq &&
			bytes.Equal(p.Body, q.Body)
	})
}

func TestWhatIsKeptIsThereAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "topics.db")
	s := open(t, path, Options{})
	want := []wire.Piece{piece(1, 5, 1, 10), piece(1, 5, 2, 1200), piece(1, 6, 1, 3),
		piece(2, 1, 300, 7)}
	for _, p := range []int{3, 1, 0, 2} {
		s.Keep(want[p])
	}
	s.Mark(stream.Mark{Origin: 1, Generation: 5, Next: 2, Seq: 1})
	s.Mark(stream.Mark{Origin: 1, Generation: 5, Next: 3, Seq: 2})
	s.Mark(stream.Mark{Origin: 2, Generation: 1, Next: 301, Seq: 44})
	if st := s.Stats(); st.Waiting != 4 || st.Held != 0 {
		t.Errorf("before: %+v", st)
	}
	closed(t, s)

	s = open(t, path, Options{})
	defer closed(t, s)
	if got := slices.Collect(s.Pieces()); !samePieces(got, want) {
		t.Errorf("pieces %v, want %v", got, want)
	}
	marks := slices.SortedFunc(s.Marks(), func(a,
		b stream.Mark) int {
		return int(a.Origin) - int(b.Origin)
	})
	if want := []stream.Mark{{Origin: 1, Generation: 5, Next: 3, Seq: 2},
		{Origin: 2, Generation: 1, Next: 301, Seq: 44}}; !slices.Equal(marks, want) {
		t.Errorf("marks %v, want %v", marks, want)
	}
	if st := s.Stats(); st.Held != 4 || st.Bytes != 10+1200+3+7+4*keySize {
		t.Errorf("%+v", st)
	}
	for range s.Pieces() {
		break // one may stop early
	}
	for range s.Marks() {
		break
	}
}

// The oldest go when there is too much; the file does not grow for ever.
func TestBytesAreBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "topics.db")
	s := open(t, path, Options{Bytes: 1 << 20})
	defer closed(t, s)
	var half int64
	for i := range uint64(8000) {
		s.Keep(piece(i%3+1, 1, i/3+1, 1000))
		if i%100 == 99 {
			flush(t, s)
		}
		if i == 4000 {
			info, _ := os.Stat(path)
			half = info.Size()
		}
	}
	st := s.Stats()
	if st.Bytes > 1<<20 || st.Bytes < 7<<17 || st.Written != 8000 || st.Dropped != 0 {
		t.Errorf("%+v", st)
	}
	got := slices.Collect(s.Pieces())
	if len(got) != st.Held {
		t.Errorf("%d pieces, %d are counted", len(got), st.Held)
	}
	for _, p := range got {
		if int(p.Seq) < (8000-st.Held)/3-1 {
			t.Fatalf("piece %d of %d is here still", p.Seq, p.Origin)
		}
	}
	if info, _ := os.Stat(path); info.Size() > half || info.Size() > 8<<20 {
		t.Errorf("the file has %d bytes, half way %d", info.Size(), half)
	}
}

func TestAgeIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "topics.db")
	now := time.Unix(1e9, 0)
	opts := Options{Age: time.Minute, now: func() time.Time { return now }}
	s := open(t, path, opts)
	for i := range uint64(120) {
		s.Keep(piece(1, 1, i+1, 10))
		flush(t, s)
		now = now.Add(time.Second)
	}
	if st := s.Stats(); st.Held < 60 || st.Held > 70 {
		t.Errorf("%d pieces of the last minute are held", st.Held)
	}
	closed(t, s)
	now = now.Add(30 * time.Second)
	s = open(t, path, opts)
	defer closed(t, s)
	if n := len(slices.Collect(s.Pieces())); n < 30 || n > 40 {
		t.Errorf("%d pieces are there after half a minute's rest", n)
	}
}

func TestMarksAreBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "topics.db")
	now := time.Unix(1e9, 0)
	s := open(t, path, Options{now: func() time.Time { return now }})
	defer closed(t, s)
	for i := range uint64(3 * maxMarks) {
		s.Mark(stream.Mark{Origin: member.ID(i + 1), Generation: 1, Next: 2})
		if i%1000 == 0 {
			flush(t, s)
			now = now.Add(time.Second)
		}
	}
	flush(t, s)
	if s.kept > maxMarks {
		t.Errorf("%d marks on disk", s.kept)
	}
	marks := slices.Collect(s.Marks())
	if len(marks) != s.kept || marks[len(marks)-1].Origin < 3*maxMarks-1000 {
		t.Errorf("%d marks, the last of stream %d", len(marks), marks[len(marks)-1].Origin)
	}
}

// A disk that is full: said once, counted, what was there stays, and when there is room it goes on.
func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "topics.db")
	now := time.Unix(1e9, 0)
	var mu sync.Mutex
	var said []string
	s := open(t, path, Options{size: 1 << 20, now: func() time.Time { return now },
		Warn: func(err error) {
			mu.Lock()
			defer mu.Unlock()
			said = append(said, err.Error())
		}})
	put := func(from, to uint64) (err error) {
		for i := from; i < to; i++ {
			s.Keep(piece(1, 1, i, 1000))
		}
		s.Mark(stream.Mark{Origin: 1, Generation: 1, Next: to, Seq: to})
		return s.write(false)
	}
	if err := put(1, 101); err != nil {
		t.Fatal(err)
	}
	if err := put(101, 2001); err == nil || !strings.Contains(err.Error(), path) {
		t.Fatalf("two megabytes into one: %v", err)
	}
	if err := put(2001, 2101); err == nil { // it is not even tried
		t.Error("no error while the disk is full")
	}
	st := s.Stats()
	if st.Failed != 1 || st.Dropped != 2000 || st.Held != 100 || st.Err == nil || len(said) != 1 {
		t.Errorf("%+v; said %q", st, said)
	}
	if n := len(slices.Collect(s.Pieces())); n != 100 {
		t.Errorf("%d pieces are left", n)
	}
	s.db.MaxSize = 0
	now = now.Add(retry)
	if err := put(2101, 2201); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if st := s.Stats(); st.Held != 200 || st.Err != nil || len(said) != 2 {
		t.Errorf("%+v; said %q", st, said)
	}
	closed(t, s)
	s = open(t, path, Options{now: func() time.Time { return now }})
	defer closed(t, s)
	if marks := slices.Collect(s.Marks()); len(marks) != 1 || marks[0].Next != 2201 {
		t.Errorf("marks %v", marks)
	}
}

// What comes faster than the disk takes it is not kept beyond a bound; nobody waits for it.
func TestSlowDisk(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "topics.db"), Options{})
	defer closed(t, s)
	for i := range uint64(12 << 10) {
		s.Keep(piece(1, 1, i+1, 1000))
	}
	if st := s.Stats(); st.Dropped == 0 || st.Waiting > maxPending/1000 {
		t.Errorf("%+v", st)
	}
}

// A process that is killed while it writes leaves what it flushed, whole.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "topics.db")
	for round := range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "STORE_TEST_WRITE="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		flushed := 0
		for lines.Scan() && flushed < 40*(round+1) {
			if _, err := fmt.Sscan(lines.Text(), &flushed); err != nil {
				t.Fatal(err)
			}
		}
		cmd.Process.Kill()
		cmd.Wait()
		s := open(t, path, Options{})
		got := slices.Collect(s.Pieces())
		if len(got) < flushed {
			t.Errorf("%d pieces of %d that were flushed", len(got), flushed)
		}
		for i, p := range got {
			if p.Seq != uint64(i+1) || !bytes.Equal(p.Body, piece(1, 1, p.Seq, 500).Body) {
				t.Fatalf("piece %d is %d, %x", i, p.Seq, p.Body[:3])
			}
		}
		for m := range s.Marks() {
			if m.Next != uint64(len(got))+1 {
				t.Errorf("the mark is at %d, with %d pieces", m.Next, len(got))
			}
		}
		closed(t, s)
	}
}

// writeForEver is the process that gets killed: it goes on where it was.
func writeForEver(path string) {
	s := Open(path, Options{Flush: time.Hour})
	n := uint64(len(slices.Collect(s.Pieces())))
	for {
		for range 5 {
			n++
			s.Keep(piece(1, 1, n, 500))
		}
		s.Mark(stream.Mark{Origin: 1, Generation: 1, Next: n + 1, Seq: n})
		if err := s.Flush(); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(n)
	}
}

// The store's goroutine writes by itself, and many may keep at once.
func TestWritesByItself(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "topics.db"), Options{Flush: time.Millisecond})
	var wg sync.WaitGroup
	for g := range uint64(4) {
		wg.Go(func() {
			for i := range uint64(100) {
				s.Keep(piece(g+1, 1, i+1, 100))
				s.Mark(stream.Mark{Origin: member.ID(g + 1), Generation: 1, Next: i + 2})
			}
		})
	}
	wg.Wait()
	for deadline := time.Now().Add(30 * time.Second); s.Stats().Written < 400 &&
		time.Now().Before(deadline); {
		<-time.After(time.Millisecond)
	}
	if st := s.Stats(); st.Written != 400 || st.Waiting != 0 {
		t.Errorf("%+v", st)
	}
	closed(t, s)
}

// BenchmarkKeep is what keeping a piece of 1,000 bytes costs, the disk included.
func BenchmarkKeep(b *testing.B) {
	s := Open(filepath.Join(b.TempDir(), "topics.db"), Options{Flush: time.Hour})
	defer s.Close()
	body := make([]byte, 1000)
	seq := uint64(0)
	for b.Loop() {
		seq++
		s.Keep(wire.Piece{Origin: 1, Generation: 1, Seq: seq, Body: body})
		if seq%1000 == 0 {
			s.Flush()
		}
	}
}

// A file that was there tells of a former run, though nothing is in it; a new one, one begun anew
// and one that cannot be opened do not.
func TestFormer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "topics.db")
	s := open(t, path, Options{})
	if s.Former() {
		t.Error("a new file tells of a former run")
	}
	closed(t, s)
	if s = open(t, path, Options{}); !s.Former() {
		t.Error("the file was there")
	}
	closed(t, s)
	if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s = open(t, path, Options{}); s.Former() {
		t.Error("what was kept is lost")
	}
	closed(t, s)
	if s = Open(t.TempDir(), Options{}); s.Former() {
		t.Error("a directory tells of a former run")
	}
	if err := s.Close(); err == nil {
		t.Error("a directory can be written")
	}
}
