package starling

// This file finds the way into a cluster: it looks the seeds up whenever the core asks. It keeps
// which seeds refused, for the errors of the calls that wait.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

const (
	// seedsAtOnce is how many addresses are asked at once, which is what the core takes.
	seedsAtOnce = 64
	// Names are looked up again, while nobody answers or none is found, after pauses from
	// firstRelookup to relookup.
	firstRelookup = 200 * time.Millisecond
	relookup      = 5 * time.Second
)

// lonePauses are those after which a node that found only itself looks again; the last one goes on.
var lonePauses = [...]time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second}

// seed is one seed as it was written. One whose host begins with _ is the name of SRV records,
// which bring their ports.
type seed struct {
	text string
	host string
	port uint16
}

func (s *seed) service() bool { return strings.HasPrefix(s.host, "_") }

func parseSeeds(texts []string) ([]seed, error) {
	if len(texts) > MaxSeeds {
		return nil, fmt.Errorf("%w: %d seeds, at most %d are allowed", ErrConfig, len(texts),
			MaxSeeds)
	}
	seeds := make([]seed, 0, len(texts))
	for _, s := range texts {
		host, port, err := splitAddr(strings.TrimSpace(s), DefaultPort)
		if err == nil && (host == "" || port == 0) {
			err = fmt.Errorf("%q lacks the host or the port", s)
		}
		if err == nil && strings.HasPrefix(host, "_") && strings.Contains(s, ":") {
			err = fmt.Errorf("%q is a name of SRV records, which bring their ports: write it "+
				"without one", s)
		}
		if err == nil && unzoned(host) {
			err = noZone(s, host)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: Seeds: %w", ErrConfig, err)
		}
		seeds = append(seeds, seed{s, host, port})
	}
	return seeds, nil
}

// oneHosts refuses seeds that are written as an address of many hosts: each of them would get all
// that is meant for one, and answer it.
func oneHosts(m machine, seeds []seed) error {
	for _, s := range seeds {
		a, err := netip.ParseAddr(s.host)
		if err != nil {
			continue
		}
		if why := everybodys(m, a.Unmap()); why != "" {
			return fmt.Errorf("%w: Seeds: %q is %s: name a member's own address", ErrConfig,
				s.text, why)
		}
	}
	return nil
}

// resolve looks all seeds up at the same time. Of what it found, the first so many are of the first
// given seeds.
func (n *Node) resolve(ctx context.Context, seeds []seed, given int) (found []netip.AddrPort,
	first int, err error) {
	answers, errs := make([][]netip.AddrPort, len(seeds)), make([]error, len(seeds))
	var all sync.WaitGroup
	for i, s := range seeds {
		all.Go(func() {
			if answers[i], errs[i] = n.lookUp(ctx, &s); errs[i] != nil {
				errs[i] = fmt.Errorf("seed %s: %w", s.text, errs[i])
			}
		})
	}
	all.Wait()
	for i, s := range seeds {
		usable, unfit := false, errFamily
		for _, to := range answers[i] {
			if !serves(n.conn.LocalAddr(), to.Addr()) || to.Addr().IsUnspecified() ||
				to.Port() == 0 {
				continue
			}
			if why := everybodys(n.machine, to.Addr()); why != "" {
				unfit = fmt.Errorf("%s is %s", to.Addr(), why)
				continue
			}
			usable = true
			if len(found) < MaxSeeds && !slices.Contains(found, to) {
				found = append(found, to)
			}
		}
		if errs[i] == nil && !usable {
			errs[i] = fmt.Errorf("seed %s: %w", s.text, unfit)
		}
		if i < given {
			first = len(found)
		}
	}
	return found, first, errors.Join(errs...)
}

// lookUp returns the addresses of a seed. Of SRV records it is those of all targets, of the lowest
// priority first; it fails if no target has any.
func (n *Node) lookUp(ctx context.Context, s *seed) (found []netip.AddrPort, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	if !s.service() {
		return n.lookUpHost(ctx, s.host, s.port)
	}
	targets, err := n.machine.lookupSRV(ctx, s.host)
	if err != nil {
		return nil, err
	}
	targets = targets[:min(len(targets), MaxSeeds)]
	answers, errs := make([][]netip.AddrPort, len(targets)), make([]error, len(targets))
	var all sync.WaitGroup
	for i, t := range targets {
		all.Go(func() { answers[i], errs[i] = n.lookUpHost(ctx, t.Target, t.Port) })
	}
	all.Wait()
	if found = slices.Concat(answers...); found == nil {
		return nil, cmp.Or(errors.Join(errs...), errNoTarget)
	}
	return found, nil
}

// errNoTarget says that a service is there and offered by nobody.
var errNoTarget = errors.New("its SRV records name no host")

func (n *Node) lookUpHost(ctx context.Context, host string,
	port uint16) (found []netip.AddrPort, err error) {
	a, err := netip.ParseAddr(host)
	addrs := []netip.Addr{a}
	if err != nil {
		if addrs, err = n.machine.lookupIP(ctx, host); err != nil {
			return nil, err
		}
	}
	for _, a := range addrs {
		found = append(found, netip.AddrPortFrom(a.Unmap(), port))
	}
	return found, nil
}

// seek looks up the seeds in the background, until one has an address, and hands them to the core,
// which asks again when they did not answer. A node that finds only itself looks on, with growing
// pauses: the others may have found only themselves too, each before the names led to all.
func (n *Node) seek() {
	if n.seeking {
		return
	}
	n.seeking = true
	n.background.Go(func() {
		pause := firstRelookup
		for looks := 0; ; looks++ {
			missing := n.findSelf()
			found, first, err := n.resolve(n.ctx, n.seeds, n.given)
			n.joining.looked(errors.Join(missing, err))
			enough, alone := missing == nil && (len(found) > 0 || len(n.seeds) == 0), false
			n.call(n.ctx, func(now gossip.Time, out *gossip.Outbox) {
				if missing != nil {
					n.noteLate(now, missing)
				}
				if err != nil {
					n.log.warn(now, "lookup", "looking up seeds", "error", err)
				}
				if !enough {
					return
				}
				n.found, n.former = found[:first], found[first:]
				n.guess(now, out)
				n.dial(now, out)
				alone = n.noteAlone()
				n.seeking = alone
			})
			// No address at all must not reach the core, which would think itself the first of its
			// cluster.
			switch {
			case !enough && n.pause(pause):
				pause = min(2*pause, relookup)
				looks = -1
			case alone && n.pause(lonePauses[min(looks, len(lonePauses)-1)]):
			default:
				return
			}
		}
	})
}

// noteLate says that this node does not know its own address yet.
func (n *Node) noteLate(now gossip.Time, err error) {
	n.log.warn(now, "late", "this node's own address is not found yet; it is looked up again, "+
		"and nobody is asked to let the node in before",
		"error", err)
}

// noteAlone says whether this node has seeds, and found only itself; the log says so once.
func (n *Node) noteAlone() bool {
	was := n.alone
	n.alone = n.given > 0 && n.core.Complete() && n.core.Table().Live() <= 1 &&
		n.core.Table().Len() <= 1
	if n.alone && !was {
		n.log.write(logLine{slog.LevelInfo, "alone so far: the seeds lead to this node alone; " +
			"looking on", []any{"name", n.name}})
	}
	return n.alone
}

// dial hands the addresses to the core, the seeds' and those that a Join waits for: of many the
// next few at each call, so that all have their turn.
func (n *Node) dial(now gossip.Time, out *gossip.Outbox) error {
	n.joins = slices.DeleteFunc(n.joins, func(j *join) bool { return j.over.Load() })
	var wished []netip.AddrPort
	for _, j := range n.joins {
		wished = append(wished, j.addrs...)
	}
	var some []netip.AddrPort
	some, n.asked = nextSeeds(slices.Concat(n.found, n.former, wished), n.asked)
	turn := func(all []netip.AddrPort) []netip.AddrPort {
		return slices.DeleteFunc(slices.Clone(all),
			func(a netip.AddrPort) bool { return !slices.Contains(some, a) })
	}
	return n.core.Do(now, gossip.Join{Seeds: turn(n.found), Peers: turn(n.former),
		Merge: turn(wished)}, out)
}

// nextSeeds returns seedsAtOnce addresses, from the one at a position on and round to the first
// again, and the position after them; all if there are no more than that. Never fewer: a node that
// is handed nothing but an address of its own takes itself for the first of its cluster.
func nextSeeds(all []netip.AddrPort, from int) (some []netip.AddrPort, next int) {
	if len(all) <= seedsAtOnce {
		return all, 0
	}
	for i := range seedsAtOnce {
		some = append(some, all[(from+i)%len(all)])
	}
	return some, (from + seedsAtOnce) % len(all)
}

// Welcomed waits until a seed has let this node in and it knows all members, or it is the first of
// its cluster. When ctx ends first the error says what was tried and which seeds refused.
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
		what := "no seed let %q in"
		if n.joining.isIn() {
			what = "%q is in the cluster, but does not know all members yet"
		}
		return n.joinError(ctx, what, n.seeds, n.joining.lookup())
	}
}

// Join asks further seeds to let this node in, so that two clusters become one, and waits until one
// of them has. One that is a member already, as far as this node knows, is asked too: it may be
// elsewhere by now. An address of this node's own suffices. When ctx ends first the error says what
// was tried and which seeds refused.
func (n *Node) Join(ctx context.Context, seeds ...string) error {
	parsed, err := parseSeeds(seeds)
	if err := cmp.Or(err, oneHosts(n.machine, parsed)); err != nil || len(parsed) == 0 {
		return err
	}
	j := &join{done: make(chan struct{})}
	defer j.over.Store(true)
	again := time.NewTicker(relookup)
	defer again.Stop()
	for {
		found, _, lookupErr := n.resolve(ctx, parsed, 0)
		if len(found) > 0 {
			if err := n.expect(ctx, j, found); err != nil && ctx.Err() == nil {
				return err
			}
		}
		select {
		case <-j.done:
			return nil
		case <-n.done:
			return n.Err()
		case <-ctx.Done():
			what := "no seed let %q in"
			if n.joining.refusal() == nil && n.otherKeysError() == nil && lookupErr == nil {
				what = "no seed answered %q"
			}
			return n.joinError(ctx, what, parsed, lookupErr)
		case <-again.C:
		}
	}
}

// join is a Join that waits for one of some addresses.
type join struct {
	over atomic.Bool // nobody waits any more

	// Of the node's goroutine.
	addrs []netip.AddrPort
	done  chan struct{}
	heard bool // done is closed
}

func (j *join) welcome() {
	if !j.heard {
		j.heard = true
		close(j.done)
	}
}

// expect dials the addresses that a Join found.
func (n *Node) expect(ctx context.Context, j *join, found []netip.AddrPort) (err error) {
	called := n.call(ctx, func(now gossip.Time, out *gossip.Outbox) {
		self := n.core.Self()
		j.addrs = slices.DeleteFunc(found, func(a netip.AddrPort) bool { return a == self.Addr() })
		if !slices.Contains(n.joins, j) {
			n.joins = append(n.joins, j)
		}
		if len(j.addrs) == 0 {
			j.welcome()
			return
		}
		err = n.dial(now, out)
	})
	return cmp.Or(called, err)
}

// met ends the Joins that wait for a seed at one of two addresses, where it says that it is and
// where its Welcome came from. They differ where the seed is a link-local address.
func (n *Node) met(e *gossip.Event) {
	for _, j := range n.joins {
		if slices.Contains(j.addrs, e.Member.Addr()) || slices.Contains(j.addrs, e.Addr) {
			j.welcome()
		}
	}
}

func (n *Node) joinError(ctx context.Context, what string, seeds []seed, lookupErr error) error {
	tried := make([]string, len(seeds))
	for i, s := range seeds {
		tried[i] = s.text
	}
	err := fmt.Errorf("starling: "+what+" (tried %s): %w", n.name, strings.Join(tried, ", "),
		ctx.Err())
	return errors.Join(err, n.joining.refusal(), n.otherKeysError(), lookupErr)
}

// joining is how it goes with joining, for the calls that wait.
type joining struct {
	first chan struct{} // closed when the first whole table is in

	mu      sync.Mutex
	in      bool      // a seed has let this node in
	refused error     // the last refusal since the last welcome
	since   time.Time // refused has had these words
	lookups error     // of the last lookup
}

func (j *joining) welcomed() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.in, j.refused = true, nil
}

func (j *joining) isIn() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.in
}

// completed is called once.
func (j *joining) completed() { close(j.first) }

func (j *joining) refuse(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.refused == nil || j.refused.Error() != err.Error() {
		j.since = time.Now()
	}
	j.refused = err
}

func (j *joining) looked(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lookups = err
}

func (j *joining) refusal() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.refused
}

// RefusedReasons are what Info.RefusedFor can be. cluster: the seeds are of a cluster of another
// name. other_cluster: they are of another cluster of the same name. detector: they run another
// detector. address: what they send to the node's address does not come back. key: they have
// another key. lookup: their names lead to no address. name: the node waits for its name, which a
// member has that does not answer.
var RefusedReasons = [...]string{"cluster", "other_cluster", "detector", "address", "key",
	"lookup", "name", "other"}

// why says why no seed has let the node in, as far as it is known, in a sentence and in a word.
func (j *joining) why(otherKeys []string) (text, reason string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.refused
	switch {
	case j.in && err == nil:
		return "a seed has let it in, and it does not know all members yet", ""
	case err == nil && len(otherKeys) > 0:
		return strings.Join(otherKeys, "; "), "key"
	case err == nil && j.lookups != nil:
		return strings.ReplaceAll(j.lookups.Error(), "\n", "; "), "lookup"
	case err == nil:
		return "", ""
	case errors.Is(err, gossip.ErrWrongCluster):
		reason = "cluster"
	case errors.Is(err, gossip.ErrOtherCluster):
		reason = "other_cluster"
	case errors.Is(err, gossip.ErrWrongDetector):
		reason = "detector"
	case errors.Is(err, gossip.ErrNotReached):
		reason = "address"
	case errors.Is(err, gossip.ErrNameWaits):
		return fmt.Sprintf("%v (for %s so far)", err,
			time.Since(j.since).Round(time.Second)), "name"
	default:
		reason = "other"
	}
	if text = strings.TrimPrefix(err.Error(), "starling: "); j.in {
		text = "a seed has let it in, and it does not know all members yet; since then: " + text
	}
	return text, reason
}

// unreached says whether a seed has refused the node, since one let it in, because what the seed
// sends does not arrive. That is why others do not reach the node.
func (j *joining) unreached() (text, reason string) {
	if err := j.refusal(); errors.Is(err, gossip.ErrNotReached) {
		return err.Error(), "address"
	}
	return "", ""
}

func (j *joining) lookup() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lookups
}
