package starling

// This file finds the way into a cluster: it looks the seeds up whenever the core asks, and keeps track of who
// refused, for the errors of those who wait.

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/starling-gossip/starling/gossip"
)

const (
	// MaxSeeds bounds the seeds, and the addresses that they stand for.
	MaxSeeds = 256
	// relookup is how often Node.Join looks names up while nobody answers.
	relookup = 5 * time.Second
)

// seed is one seed as it was written.
type seed struct {
	text string
	host string
	port uint16
}

func parseSeeds(texts []string) ([]seed, error) {
	if len(texts) > MaxSeeds {
		return nil, fmt.Errorf("%w: %d seeds, at most %d are allowed", ErrConfig, len(texts), MaxSeeds)
	}
	seeds := make([]seed, 0, len(texts))
	for _, s := range texts {
		host, port, err := splitAddr(strings.TrimSpace(s), DefaultPort)
		if err == nil && (host == "" || port == 0) {
			err = fmt.Errorf("%q lacks the host or the port", s)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: Seeds: %w", ErrConfig, err)
		}
		seeds = append(seeds, seed{s, host, port})
	}
	return seeds, nil
}

// resolve looks all seeds up at the same time.
func (n *Node) resolve(ctx context.Context, seeds []seed) (found []netip.AddrPort, err error) {
	answers, errs := make([][]netip.Addr, len(seeds)), make([]error, len(seeds))
	var all sync.WaitGroup
	for i, s := range seeds {
		all.Go(func() {
			if answers[i], errs[i] = lookUp(ctx, s.host); errs[i] != nil {
				errs[i] = fmt.Errorf("seed %s: %w", s.text, errs[i])
			}
		})
	}
	all.Wait()
	for i, s := range seeds {
		usable := false
		for _, a := range answers[i] {
			to := netip.AddrPortFrom(a, s.port)
			if !serves(n.conn.LocalAddr(), a) || a.IsUnspecified() {
				continue
			}
			usable = true
			if len(found) < MaxSeeds && !slices.Contains(found, to) {
				found = append(found, to)
			}
		}
		if errs[i] == nil && !usable {
			errs[i] = fmt.Errorf("seed %s: %w", s.text, errFamily)
		}
	}
	return found, errors.Join(errs...)
}

// seek looks up the seeds in the background and hands them to the core; the core asks again if that was in vain.
func (n *Node) seek() {
	if n.seeking {
		return
	}
	n.seeking = true
	n.background.Go(func() {
		found, lookupErr := n.resolve(n.ctx, n.seeds)
		n.joining.looked(lookupErr)
		n.call(n.ctx, func(now gossip.Time, out *gossip.Outbox) {
			n.seeking = false
			if lookupErr != nil {
				n.log.warn(now, "lookup", "looking up seeds", "error", lookupErr)
			}
			// No address at all must not reach the core, which would think itself the first of its cluster.
			if len(found) > 0 || len(n.seeds) == 0 {
				n.joining.refused(n.core.Do(now, gossip.Join{Seeds: found}, out))
			}
		})
	})
}

// Welcomed waits until a seed has let this node in, or it is the first of its cluster. When ctx ends first the error
// says what was tried and who refused.
func (n *Node) Welcomed(ctx context.Context) error {
	select {
	case <-n.joining.first:
		return nil
	default:
	}
	select {
	case <-n.joining.first:
		return nil
	case <-n.done:
		return n.Err()
	case <-ctx.Done():
		return n.joinError(ctx, n.seeds, nil)
	}
}

// Join asks further seeds to let this node in, so that two clusters become one, and waits until one of them has.
// When ctx ends first the error says what was tried and who refused.
func (n *Node) Join(ctx context.Context, seeds ...string) error {
	parsed, err := parseSeeds(seeds)
	if err != nil || len(parsed) == 0 {
		return err
	}
	welcome := n.joining.wait()
	defer n.joining.forget(welcome)
	again := time.NewTicker(relookup)
	defer again.Stop()
	for {
		found, lookupErr := n.resolve(ctx, parsed)
		if len(found) > 0 {
			if err := n.do(ctx, gossip.Join{Seeds: found}); err != nil && ctx.Err() == nil {
				return err
			}
		}
		select {
		case <-welcome:
			return nil
		case <-n.done:
			return n.Err()
		case <-ctx.Done():
			return n.joinError(ctx, parsed, lookupErr)
		case <-again.C:
		}
	}
}

func (n *Node) joinError(ctx context.Context, seeds []seed, lookupErr error) error {
	tried := make([]string, len(seeds))
	for i, s := range seeds {
		tried[i] = s.text
	}
	err := fmt.Errorf("starling: no seed let %q in (tried %s): %w", n.name, strings.Join(tried, ", "), ctx.Err())
	if lookupErr == nil {
		lookupErr = n.joining.lookup()
	}
	return errors.Join(err, n.joining.refusal(), lookupErr)
}

// joining is how it goes with joining. It is shared between the node's goroutine and those who wait.
type joining struct {
	first chan struct{} // closed at the first welcome

	mu         sync.Mutex
	done       bool // first is closed
	waiting    []chan struct{}
	refusedErr error // the last refusal since the last welcome
	lookupErr  error // of the last lookup
}

func (j *joining) welcomed() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.done {
		j.done = true
		close(j.first)
	}
	for _, w := range j.waiting {
		close(w)
	}
	j.waiting, j.refusedErr = nil, nil
}

func (j *joining) refused(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		j.refusedErr = err
	}
}

func (j *joining) looked(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lookupErr = err
}

func (j *joining) refusal() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.refusedErr
}

func (j *joining) lookup() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lookupErr
}

// wait returns a channel that the next welcome closes.
func (j *joining) wait() chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	w := make(chan struct{})
	j.waiting = append(j.waiting, w)
	return w
}

func (j *joining) forget(w chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if i := slices.Index(j.waiting, w); i >= 0 {
		j.waiting = slices.Delete(j.waiting, i, i+1)
	}
}
