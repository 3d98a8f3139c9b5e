package agent

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/internal/virtual"
)

// logged is a logger that a test can read.
func logged() (*slog.Logger, *logText) {
	t := &logText{}
	return slog.New(slog.NewTextHandler(t, nil)), t
}

// logText is what was logged. It is safe for concurrent use.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *logText) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *logText) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

func (t *logText) Reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b.Reset()
}

func TestPeersAreRemembered(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	log, text := logged()
	p, err := openPeers(dir, log)
	if err != nil {
		t.Fatal(err)
	}
	p.save(newFake())
	p.close()
	p, err = openPeers(dir, log)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if got, _ := p.former([]string{"x", "10.0.0.2:7747"}, "c"); len(got) > 0 {
		t.Errorf("seeds %v: one that was given came twice", got)
	}
	// the failed peer, not the node itself
	if got, _ := p.former(nil, "c"); !slices.Equal(got, []string{"10.0.0.2:7747"}) {
		t.Errorf("seeds %v", got)
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("files %v, want the lock and the peers", files)
	}
	if strings.Contains(text.String(), "WARN") {
		t.Error(text)
	}
}

func TestPeersOfOtherKinds(t *testing.T) {
	for about, content := range map[string]string{
		"empty":           "",
		"cut off":         `{"format":1,"cluster":"c","peers":["10.0`,
		"not JSON":        "\x00\x00\x00",
		"another format":  `{"format":2,"cluster":"c","peers":[]}`,
		"another cluster": `{"format":1,"cluster":"d","peers":["10.0.0.1:1"]}`,
		"not an address":  `{"format":1,"cluster":"c","peers":["10.0.0.1:1","rm -rf"]}`,
		"no port":         `{"format":1,"cluster":"c","peers":["10.0.0.1:0"]}`,
		"no host":         `{"format":1,"cluster":"c","peers":["0.0.0.0:7747"]}`,
		"no interface":    `{"format":1,"cluster":"c","peers":["[fe80::1]:7747"]}`,
		"too many": `{"format":1,"cluster":"c","peers":["10.0.0.1:1"` +
			strings.Repeat(`,"10.0.0.1:1"`, maxPeers) + `]}`,
		"too large": `{"format":1,"cluster":"c","peers":[]}` + strings.Repeat(" ", maxFile),
	} {
		t.Run(about, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, peersFile), []byte(content),
				0o644); err != nil {
				t.Fatal(err)
			}
			log, text := logged()
			p, err := openPeers(dir, log)
			if err != nil {
				t.Fatal(err)
			}
			defer p.close()
			if got, _ := p.former([]string{"x"}, "c"); len(got) > 0 {
				t.Errorf("seeds %v", got)
			}
			if n := strings.Count(text.String(), "WARN"); n != 1 {
				t.Errorf("%d warnings, want one:\n%s", n, text)
			}
			p.save(newFake()) // and it heals
			if got, _, err := p.read("c"); err != nil || len(got) != 1 {
				t.Errorf("afterwards %v, %v", got, err)
			}
		})
	}
}

// TestPeersCannotBeSaved stands for a full or read-only disk: a directory in the file's place makes
// the rename fail, also for root.
func TestPeersCannotBeSaved(t *testing.T) {
	dir := t.TempDir()
	log, text := logged()
	p, err := openPeers(dir, log)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	blocker := filepath.Join(dir, peersFile, "in the way")
	if err := os.MkdirAll(blocker, 0o755); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		p.save(newFake())
	}
	if n := strings.Count(text.String(), "WARN"); n != 1 {
		t.Errorf("%d warnings, want one:\n%s", n, text)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*.tmp*")); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
	if err := os.RemoveAll(filepath.Join(dir, peersFile)); err != nil {
		t.Fatal(err)
	}
	p.save(newFake())
	if got, _, err := p.read("c"); err != nil || len(got) != 1 ||
		!strings.Contains(text.String(), "can be saved again") {
		t.Errorf("afterwards %v, %v\n%s", got, err, text)
	}
}

// What could not be written is tried again every ten seconds, also when no membership changes: a
// disk has room again.
func TestPeersAreSavedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		log, text := logged()
		p, err := openPeers(dir, log)
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		if err := os.MkdirAll(filepath.Join(dir, peersFile, "in the way"), 0o755); err != nil {
			t.Fatal(err)
		}
		node, changed := newFake(), make(chan struct{}, 1)
		changed <- struct{}{}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { p.saveAtIntervals(ctx, node, changed); close(ended) }()
		virtual.Pass(35 * time.Second)
		if n := strings.Count(text.String(), "WARN"); n != 1 {
			t.Errorf("%d warnings, want one:\n%s", n, text)
		}
		if err := os.RemoveAll(filepath.Join(dir, peersFile)); err != nil {
			t.Fatal(err)
		}
		virtual.Pass(saveAgain)
		if got, _, err := p.read("c"); err != nil || len(got) != 1 ||
			!strings.Contains(text.String(), "can be saved again") {
			t.Errorf("afterwards %v, %v\n%s", got, err, text)
		}
		before, err := os.Stat(p.path())
		if err != nil {
			t.Fatal(err)
		}
		virtual.Pass(time.Minute) // what was written is not written again
		if after, err := os.Stat(p.path()); err != nil || !os.SameFile(before, after) {
			t.Error("it was written without a change")
		}
		stop()
		<-ended
		// by a change that is taken back since: the list is the one that was written last
		p.broken = true
		if p.save(node); p.broken {
			t.Error("what is taken back is not written, and counts as broken for ever")
		}
	})
}

// A data directory that is removed under an agent, with its lock and its peers or a part of them,
// is made, locked and written anew, and that is said once. One that another agent has by then is
// left to that, until it lets go.
func TestDataDirIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "d")
		log, text := logged()
		p, err := openPeers(dir, log)
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		node, changed := newFake(), make(chan struct{}, 1)
		changed <- struct{}{}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { p.saveAtIntervals(ctx, node, changed); close(ended) }()
		virtual.Pass(time.Minute)
		if s := text.String(); s != "" {
			t.Errorf("while all is well: %s", s)
		}
		for _, x := range []struct{ remove, word string }{
			{dir, "data directory"},
			{filepath.Join(dir, lockFile), "data directory"},
			{p.path(), "peers were removed"},
		} {
			text.Reset()
			if err := os.RemoveAll(x.remove); err != nil {
				t.Fatal(err)
			}
			virtual.Pass(time.Minute)
			s := text.String()
			if strings.Count(s, "WARN") != 1 || !strings.Contains(s, x.word) {
				t.Errorf("without %s it says: %s", x.remove, s)
			}
			if got, _, err := p.read("c"); err != nil || len(got) != 1 {
				t.Errorf("without %s: %v, %v", x.remove, got, err)
			}
			if _, err := openPeers(dir, log); err == nil {
				t.Errorf("without %s another agent takes the directory", x.remove)
			}
		}

		text.Reset()
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		other, err := openPeers(dir, log)
		if err != nil {
			t.Fatal(err)
		}
		virtual.Pass(time.Minute)
		changed <- struct{}{}
		virtual.Pass(time.Minute)
		if s := text.String(); strings.Count(s, "WARN") != 1 ||
			!strings.Contains(s, "another agent has it") {
			t.Errorf("while another has it: %s", s)
		}
		if _, err := os.Stat(p.path()); err == nil {
			t.Error("it writes where another agent is")
		}
		other.close()
		virtual.Pass(time.Minute)
		if got, _, err := p.read("c"); err != nil || len(got) != 1 {
			t.Errorf("once the other let go: %v, %v", got, err)
		}
		stop()
		<-ended
	})
}

func TestDataDirThatIsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	log, text := logged()
	p, err := openPeers(path, log)
	if p != nil || err != nil || strings.Count(text.String(), "WARN") != 1 {
		t.Errorf("%v, %v\n%s", p, err, text)
	}
	if got, _ := p.former([]string{"x"}, "c"); len(got) > 0 {
		t.Errorf("seeds %v", got)
	}
	p.close()
}

func TestDataDirIsLocked(t *testing.T) {
	dir := t.TempDir()
	log, _ := logged()
	p, err := openPeers(dir, log)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openPeers(dir, log); err == nil ||
		!strings.Contains(err.Error(), "in use by another agent") {
		t.Errorf("a second agent: %v", err)
	}
	p.close()
	again, err := openPeers(dir, log)
	if err != nil {
		t.Fatal(err)
	}
	again.close()
}

func TestPeersAreBounded(t *testing.T) {
	node := newFake()
	for i := range 3000 {
		node.members = append(node.members, starling.Member{Name: fmt.Sprint(i),
			Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 7747)})
	}
	first := choosePeers(node)
	slices.Reverse(node.members[2:])
	if len(first) != maxPeers || !slices.Equal(first, choosePeers(node)) {
		t.Errorf("%d peers, want %d, the same ones in any order", len(first), maxPeers)
	}
}
