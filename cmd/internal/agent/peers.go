package agent

// This file remembers the peers on disk, so that a restarted agent finds its cluster again without
// being told. The file is a hint and never worth a crash: what cannot be read or written is said
// once and done without.

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/starling-gossip/starling"
)

const (
	peersFile = "peers.json"
	maxPeers  = 128             // remembered at most: enough that some are still there tomorrow
	maxFile   = 1 << 20         // bytes; a larger file is not ours
	saveEvery = 3 * time.Second // between two writes at least
	// after a write that failed, without a change too: a disk has room again. So often it is looked
	// whether the lock and the file are still there
	saveAgain   = 10 * time.Second
	firstSave   = 500 * time.Millisecond // after the start: a cluster comes in at once
	peersFormat = 1
)

// peers is the file in a data directory that this process holds the lock of. A nil *peers remembers
// nothing.
type peers struct {
	dir    string
	log    *slog.Logger
	lock   *os.File
	last   []string // what the file has
	id     uint64   // the same, of the cluster
	broken bool     // the last write failed, and was said
	taken  bool     // another agent has the directory by now: nothing is written there
}

// savedPeers is the file's content.
type savedPeers struct {
	Format  int      `json:"format"`
	Cluster string   `json:"cluster"`
	ID      string   `json:"cluster_id,omitempty"` // in hexadecimal
	Peers   []string `json:"peers"`
}

// openPeers makes the directory and locks it. That another agent has it is an error; that it cannot
// be used is not.
func openPeers(dir string, log *slog.Logger) (*peers, error) {
	if dir == "" {
		return nil, nil
	}
	lock, err := takeDir(dir)
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("--data-dir %s is in use by another agent: give each its own", dir)
	}
	if err != nil {
		log.Warn("the data directory cannot be used; this agent will not remember its peers",
			"dir", dir, "error", err)
		return nil, nil
	}
	return &peers{dir: dir, log: log, lock: lock}, nil
}

const lockFile = "lock"

// takeDir makes a directory, unless it is there, and locks it.
func takeDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return lockDir(filepath.Join(dir, lockFile))
}

// lost looks whether somebody removed or replaced the lock, with the directory or alone, or removed
// the peers: then it says so and takes what it can anew. It says whether there is something to
// write.
func (p *peers) lost() bool {
	there, err := os.Stat(filepath.Join(p.dir, lockFile))
	if held, heldErr := p.lock.Stat(); err == nil && heldErr == nil && os.SameFile(there, held) {
		_, err := os.Stat(p.path())
		if p.broken || p.last == nil || !errors.Is(err, fs.ErrNotExist) {
			return false
		}
		p.log.Warn("the remembered peers were removed while this agent runs; they are written anew",
			"file", p.path())
		p.last = nil
		return true
	}
	lock, err := takeDir(p.dir)
	switch {
	case err == nil:
		p.log.Warn("the data directory, or the lock in it, was removed or replaced while this "+
			"agent "+
			"runs; it is locked again, and the peers are written anew", "dir", p.dir)
		p.lock.Close()
		p.lock, p.last, p.taken = lock, nil, false
	case errors.Is(err, errLocked):
		if !p.taken {
			p.log.Warn("the data directory, or the lock in it, was removed or replaced while this "+
				"agent runs, and another agent has it by now: this one saves no "+
				"peers", "dir", p.dir)
		}
		p.taken = true
	}
	return !p.taken && !p.broken
}

func (p *peers) path() string { return filepath.Join(p.dir, peersFile) }

// former returns the peers of last time that are not among the seeds, as many as a node takes
// beside those, and which cluster it was.
func (p *peers) former(seeds []string, cluster string) (peers []string, id uint64) {
	if p == nil {
		return nil, 0
	}
	saved, id, err := p.read(cluster)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.log.Warn("the remembered peers cannot be read and are passed over; the file is "+
			"written anew", "file", p.path(), "error", err)
	}
	p.last, p.id = saved, id
	for _, addr := range saved {
		if len(seeds)+len(peers) < starling.MaxSeeds && !slices.Contains(seeds, addr) {
			peers = append(peers, addr)
		}
	}
	if len(peers) > 0 {
		p.log.Info("peers of last time are tried too", "peers", len(peers))
	}
	return peers, id
}

// read reads the file and holds it to be damaged unless every part is as it was written.
func (p *peers) read(cluster string) (peers []string, id uint64, err error) {
	info, err := os.Stat(p.path())
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() { // reading might wait for ever
		return nil, 0, errors.New("it is not a file")
	}
	if info.Size() > maxFile {
		return nil, 0, fmt.Errorf("%d bytes are too many, at most %d are expected",
			info.Size(), maxFile)
	}
	text, err := os.ReadFile(p.path())
	if err != nil {
		return nil, 0, err
	}
	var saved savedPeers
	if err := json.Unmarshal(text, &saved); err != nil {
		return nil, 0, fmt.Errorf("damaged: %w", err)
	}
	if saved.Format != peersFormat || len(saved.Peers) > maxPeers {
		return nil, 0, fmt.Errorf("format %d with %d peers is not known here", saved.Format,
			len(saved.Peers))
	}
	if saved.Cluster != cluster {
		return nil, 0, fmt.Errorf("they are of the cluster %q, this is %q", saved.Cluster, cluster)
	}
	if saved.ID != "" {
		if id, err = strconv.ParseUint(saved.ID, 16, 64); err != nil {
			return nil, 0, fmt.Errorf("damaged: %w", err)
		}
	}
	for _, addr := range saved.Peers {
		a, err := netip.ParseAddrPort(addr)
		if err != nil {
			return nil, 0, fmt.Errorf("damaged: %w", err)
		}
		if !reachable(a) { // a node would not start with it
			return nil, 0, fmt.Errorf("damaged: %s is nobody's address", addr)
		}
	}
	return saved.Peers, id, nil
}

// reachable says whether an address can be one of a peer: a link-local one of IPv6 means another
// host on each interface.
func reachable(a netip.AddrPort) bool {
	ip := a.Addr()
	return a.Port() != 0 && !ip.IsUnspecified() &&
		(ip.Zone() != "" || ip.Is4() || !ip.IsLinkLocalUnicast())
}

// follow writes the peers when they have changed, seldom, until ctx ends, and once more then.
func (p *peers) follow(ctx context.Context, node Node) {
	if p == nil {
		return
	}
	changed := make(chan struct{}, 1)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for range node.Watch(ctx) {
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	}()
	p.saveAtIntervals(ctx, node, changed)
	<-watched
	p.save(node)
}

func (p *peers) saveAtIntervals(ctx context.Context, node Node, changed <-chan struct{}) {
	pause := time.NewTimer(firstSave)
	defer pause.Stop()
	look := time.NewTicker(saveAgain)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-node.Done():
			return
		case <-pause.C:
		}
		var again <-chan time.Time
		if p.broken {
			again = time.After(saveAgain - saveEvery)
		}
		for wait := true; wait; {
			select {
			case <-ctx.Done():
				return
			case <-node.Done():
				return
			case <-changed:
				wait = false
			case <-again:
				wait = false
			case <-look.C:
				wait = !p.lost()
			}
		}
		p.save(node)
		pause.Reset(saveEvery)
	}
}

// save writes the file if it would differ. Alone, a node keeps what it knew: those peers may come
// back.
func (p *peers) save(node Node) {
	now, info := choosePeers(node), node.Info()
	if p.taken || len(now) == 0 || !p.broken && slices.Equal(now, p.last) &&
		info.ClusterID == p.id {
		return
	}
	saved := savedPeers{Format: peersFormat, Cluster: info.Cluster,
		ID: clusterID(info.ClusterID), Peers: now}
	text, err := json.MarshalIndent(saved, "", "\t")
	if err == nil {
		err = writeAtomically(p.path(), append(text, '\n'))
	}
	if err != nil {
		if !p.broken {
			p.log.Warn("the peers cannot be saved; this is said once until it works again",
				"file", p.path(), "error", err)
		}
		p.broken = true
		return
	}
	if p.broken {
		p.log.Info("the peers can be saved again", "file", p.path())
	}
	p.last, p.id, p.broken = now, info.ClusterID, false
}

// choosePeers picks the addresses of live and failed members. Of too many each node picks others,
// by a hash of both names, and picks the same again as long as they are there: so the file changes
// seldom.
func choosePeers(node Node) []string {
	type ranked struct {
		rank uint64
		addr string
	}
	self := node.Self().Name
	var all []ranked
	for m := range node.Members() {
		if m.Name == self || m.State == starling.Left || !reachable(m.Addr) {
			continue
		}
		h := fnv.New64a()
		h.Write([]byte(self + "\x00" + m.Name))
		all = append(all, ranked{h.Sum64(), m.Addr.String()})
	}
	slices.SortFunc(all, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank),
			cmp.Compare(a.addr, b.addr))
	})
	var out []string
	for _, r := range all[:min(len(all), maxPeers)] {
		out = append(out, r.addr)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// close gives the directory back.
func (p *peers) close() {
	if p != nil {
		p.lock.Close()
	}
}

// writeAtomically replaces a file so that a crash at any moment leaves the old or the new one,
// whole.
func writeAtomically(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".tmp*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = cmp.Or(err, f.Sync(), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}
