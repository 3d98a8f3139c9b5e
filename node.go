package starling

// This file is a node's life: start, join, leave, close.

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
	"github.com/starling-gossip/starling/internal/store"
	"github.com/starling-gossip/starling/internal/transport"
)

// Node is a member of a cluster. Start or Join makes one; Leave or Close ends it. All methods are
// safe from any goroutine.
type Node struct {
	// Set at the start.
	name, cluster string
	detector      gossip.Detector
	seeds         []seed // those of the configuration, and then former peers
	given         int    // how many of them are of the configuration
	start         time.Time
	conn          *transport.Conn
	tcpProbe      *tcpProbe    // nil: no connections
	store         *store.Store // nil: topics are in memory alone
	machine       machine
	log           logger
	calls         chan *call

	// Of the goroutine that runs the loop.
	core    *gossip.Node
	sealer  *transport.Sealer // nil: in the clear
	working *scratch          // nil while waiting
	seeking bool              // the seeds are being looked up
	// of what seeks, once the node runs; nil: the node knows its address
	late   *late
	found  []netip.AddrPort // of the seeds of the configuration, at the last lookup
	former []netip.AddrPort // of former peers
	// the position among these, and those of joins, that is dialled next
	asked       int
	parted      bool // a member of the other IP family is waited for
	alone       bool // at the last lookup the seeds led to this node alone
	joins       []*join
	otherKeys   []otherKey    // of seeds
	stood       gossip.Time   // when this process last stood still for long; 0: never
	stoodFor    time.Duration // and for how long
	watchers    []*watcher
	subscribers subscribers
	keyWatchers []*keyWatcher
	trackers    []*tracker
	writable    chan struct{} // closed when there is room for messages again; nil: nobody waits
	home        home
	places      coordCache
	ways        ways
	names       map[member.ID]string // of origins, from the store; nil without one
	// the core knows the members of the cluster, and the calls that wait for that were told
	complete bool
	unsent   error // of the leave; read when done is closed

	// Shared.
	joining       joining
	changes       atomic.Uint64 // of the member table
	cached        atomic.Pointer[snapshot]
	unopenedCount atomic.Uint64
	alteredCount  atomic.Uint64
	background    sync.WaitGroup // lookups and the like
	ctx           context.Context
	cancel        context.CancelFunc    // of ctx, with which lookups end
	reason        atomic.Pointer[error] // why to stop; nil: go on
	done          chan struct{}
	afterStop     sync.Mutex // guards the core once done is closed
}

// Start makes a node that runs at once, alone at first, and asks its seeds to let it in, in the
// background, until one does. Errors are about the Config (ErrConfig) or the socket.
func Start(cfg Config) (*Node, error) {
	seeds, err := parseSeeds(slices.Concat(cfg.Seeds, cfg.Peers))
	if err == nil { // a peer of before may have become such an address since
		err = oneHosts(cfg.host(), seeds[:len(cfg.Seeds)])
	}
	if err != nil {
		return nil, err
	}
	params, err := cfg.Tuning.params()
	if err == nil && cfg.KeyRing != nil {
		err = cfg.KeyRing.usable()
	}
	if err != nil {
		return nil, err
	}
	params.Cluster = cfg.Cluster
	topics, err := cfg.Retain.open(&params, &logger{to: cfg.Logger})
	if err != nil {
		return nil, err
	}
	conn, tcpProbe, err := open(cfg.Bind, &params)
	if err != nil {
		return nil, errors.Join(err, closeStore(topics))
	}
	self, missing, err := cfg.self(conn.LocalAddr())
	if err == nil {
		n := &Node{name: self.Name, cluster: cmp.Or(cfg.Cluster, "starling"),
			detector: params.Detector, machine: cfg.host(),
			seeds: seeds, given: len(cfg.Seeds), conn: conn, tcpProbe: tcpProbe, store: topics,
			log: logger{to: cfg.Logger}}
		if missing != nil {
			n.late = &late{cfg.Advertise, cfg.AdvertiseOutside}
			n.noteLate(0, missing)
		}
		n.settle(&self)
		if n.core, err = gossip.New(&params, self, rand.NewPCG(rand.Uint64(), rand.Uint64()),
			newProof()); err == nil {
			n.begin(&cfg)
			return n, nil
		}
		err = &namedError{ErrConfig, err}
	}
	conn.Close()
	if tcpProbe != nil {
		tcpProbe.listener.Close()
	}
	return nil, errors.Join(err, closeStore(topics))
}

// What the core leaves free in each datagram is enough for sealing it, and it knows what a checksum
// takes.
const _ = uint(wire.SealSize-transport.SealOverhead) + uint(wire.SumSize-transport.SumSize)

// open binds what the node's detector needs.
func open(bind string, params *gossip.Config) (conn *transport.Conn, k *tcpProbe, err error) {
	if params.Detector == gossip.INQUEST && !params.Inquest.NoKernel {
		return listenBoth(bind, params.MTU)
	}
	conn, err = listen(bind, params.MTU)
	return conn, nil, err
}

func listen(bind string, mtu int) (*transport.Conn, error) {
	if bind == "" {
		bind = fmt.Sprintf(":%d", DefaultPort)
	}
	addr, err := bindAddr(thisMachine{}, bind)
	if err != nil {
		return nil, err
	}
	conn, err := transport.Listen(addr, transport.Options{MaxDatagram: max(mtu,
		transport.DefaultMaxDatagram)})
	if err != nil {
		return nil, fmt.Errorf("starling: %w", err)
	}
	return conn, nil
}

// newProof is where the core draws the numbers that nobody may guess.
func newProof() rand.Source {
	var seed [32]byte
	crand.Read(seed[:])
	return rand.NewChaCha8(seed)
}

// familyOf is which addresses a socket sends to.
func familyOf(local netip.AddrPort) gossip.Family {
	v4, v6 := serves(local, netip.AddrFrom4([4]byte{192, 0, 2, 1})), serves(local,
		netip.MustParseAddr("2001:db8::1"))
	switch {
	case v4 && !v6:
		return gossip.IPv4
	case v6 && !v4:
		return gossip.IPv6
	}
	return gossip.AnyFamily
}

// host is what the node asks of its host.
func (cfg *Config) host() machine {
	if cfg.machine != nil {
		return cfg.machine
	}
	return thisMachine{}
}

// self is what the node will say of itself; missing is not nil if a name of an address of its own
// leads nowhere yet.
func (cfg *Config) self(local netip.AddrPort) (self gossip.Self, missing, err error) {
	self = gossip.Self{
		Name: cfg.Name, Generation: newGeneration(), Zone: cfg.Zone, Family: familyOf(local),
		ClusterID: cfg.ClusterID,
	}
	if self.Name == "" {
		if self.Name, err = os.Hostname(); err != nil {
			return self, nil, fmt.Errorf("%w: Name is empty, and the host does not tell its "+
				"name: %w", ErrConfig, err)
		}
	}
	var name notFound
	self.Addr, err = advertiseAddr(cfg.host(), cfg.Advertise, local, firstLookup)
	if errors.As(err, &name) {
		missing, err = err, nil
	}
	if err != nil {
		return self, nil, err
	}
	self.Outside, err = outsideAddr(cfg.host(), cfg.AdvertiseOutside, local, firstLookup)
	if errors.As(err, &name) {
		missing, err = errors.Join(missing, err), nil
	}
	if err != nil {
		return self, nil, err
	}
	if self.Tags, err = member.NewTags(cfg.Tags); err != nil {
		return self, nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return self, missing, nil
}

// lastGeneration is the last that this process gave out.
var lastGeneration atomic.Uint64

// newGeneration returns the milliseconds of Unix time, or more: a name that is started twice in one
// of them has two lives all the same.
func newGeneration() uint64 {
	for {
		last := lastGeneration.Load()
		g := max(uint64(time.Now().UnixMilli()), last+1)
		if lastGeneration.CompareAndSwap(last, g) {
			return g
		}
	}
}

// begin sets the loop going.
func (n *Node) begin(cfg *Config) {
	n.calls = make(chan *call, callQueue)
	n.done = make(chan struct{})
	n.joining.first = make(chan struct{})
	n.ctx, n.cancel = context.WithCancel(context.Background())
	if ring := cfg.KeyRing; ring != nil {
		n.sealer = transport.NewSealer(ring.ring, transport.SealerOptions{})
	} else {
		n.log.write(logLine{slog.LevelWarn, "no key: traffic is neither encrypted nor " +
			"authenticated", []any{"name", n.name}})
	}
	n.start = time.Now()
	if n.tcpProbe != nil {
		n.background.Go(func() {
			n.tcpProbe.serve(n.ctx, func(from netip.Addr) {
				n.call(n.ctx, func(now gossip.Time,
					out *gossip.Outbox) {
					n.core.TakenFrom(now, from, out)
				})
			})
		})
	}
	if self := n.core.Self(); cfg.machine == nil &&
		(!n.home.fixed || !self.Addr().Addr().IsLoopback()) {
		n.background.Go(n.watchHome)
	}
	go n.run()
}

// Join starts a node and waits until a seed has let it in and it knows all members; a node without
// seeds, or with itself as the only one, does not wait. When ctx ends first the node is closed, and
// the error says what was tried and which seeds refused.
func Join(ctx context.Context, cfg Config) (*Node, error) {
	n, err := Start(cfg)
	if err != nil {
		return nil, err
	}
	if err := n.Welcomed(ctx); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// SetTags replaces this node's tags, everywhere. At most 640 bytes in all; an error about them
// wraps ErrConfig.
func (n *Node) SetTags(ctx context.Context, tags map[string]string) error {
	encoded, err := member.NewTags(tags)
	if err == nil {
		err = n.do(ctx, gossip.SetTags{Tags: encoded})
	}
	if errors.Is(err, member.ErrRecord) {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return err
}

// Forget has members forgotten that are gone for good, here at once and everywhere else where they
// are held failed, left or unreachable: they count in no view any more, and their keys are void.
// All of them have to be failed, left or unreachable here (Info.Unreachable), or forgotten already,
// which is said to all once more; else the error wraps ErrLives or ErrNoMember, and none is
// forgotten. One that lives comes back by itself.
func (n *Node) Forget(ctx context.Context, names ...string) error {
	ids := make([]member.ID, len(names))
	for i, name := range names {
		if ids[i] = member.IDOf(name); !n.knows(name) && !n.forgot(ids[i]) {
			return unknown(name)
		}
	}
	return n.do(ctx, gossip.Forget{IDs: ids})
}

// forgot says whether this node remembers that it forgot a member.
func (n *Node) forgot(id member.ID) (ok bool) {
	n.read(func() { ok = n.core.Forgot(id) })
	return ok
}

// knows says whether a member of a name is in the table.
func (n *Node) knows(name string) bool {
	_, ok := n.Member(name)
	return ok
}

// SetKeyRing replaces the key ring of a node that was started with one. To change a cluster's key
// while it runs, see KeyRing.
func (n *Node) SetKeyRing(ring *KeyRing) error {
	if n.sealer == nil || ring == nil {
		return fmt.Errorf("%w: a node starts with a key ring and keeps one, or it never has "+
			"one", ErrConfig)
	}
	if err := ring.usable(); err != nil {
		return err
	}
	n.sealer.SetKeyRing(ring.ring)
	return nil
}

// goodbye is how long the others are told of a leave, at most.
const goodbye = 250 * time.Millisecond

// Leave first lets go what this node published: it waits until each live member has it or does not
// answer, and three others have it, all if there are fewer. Then it tells the others that this node
// goes, so that they see it as left and not as failed, and closes it. Meanwhile Publish fails with
// ErrLeaving.
//
// A quarter of a second before the deadline of ctx, or when ctx is cancelled, it waits no more and
// leaves. When ctx ends before that, or was cancelled before the call, the node is closed all the
// same, and the others may see it fail. Whichever it was, the error wraps ErrUnsent if something is
// not known to be out, and names the first such sequence. Leaving twice does nothing.
func (n *Node) Leave(ctx context.Context) error {
	wait := 24 * time.Hour
	if end, ok := ctx.Deadline(); ok {
		wait = time.Until(end) - goodbye
	}
	err := n.do(ctx, gossip.Leave{Wait: wait})
	if err == nil {
		select {
		case <-n.done:
		case <-ctx.Done():
			err = ctx.Err()
			n.do(context.Background(), gossip.Leave{})
			select {
			case <-n.done:
			case <-time.After(goodbye):
			}
		}
	}
	n.Close()
	switch reason := n.Err(); {
	case errors.Is(reason, ErrLeft) && n.unsent != nil:
		return fmt.Errorf("starling: left: %w", n.unsent)
	case errors.Is(reason, ErrLeft):
		return nil
	case err == nil:
		err = reason
	}
	err = fmt.Errorf("starling: stopped before the others were told of the leave: %w", err)
	n.afterStop.Lock()
	defer n.afterStop.Unlock()
	if unsent := n.core.Unsent(); unsent != nil {
		return fmt.Errorf("%w; %w", err, unsent)
	}
	return err
}

// Close stops the node at once, without telling anybody: to the others it looks like a crash. It
// returns when all resources are free. Closing a stopped node does nothing. It returns nil.
func (n *Node) Close() error {
	n.stop(ErrClosed)
	<-n.done
	return nil
}

// stop tells the loop to end; the first reason counts.
func (n *Node) stop(reason error) {
	if n.reason.CompareAndSwap(nil, &reason) {
		n.cancel()
		n.conn.Interrupt()
	}
}

// Done is closed when the node has stopped, whatever the reason.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err says why the node stopped: ErrClosed, ErrLeft, or an error that wraps ErrNameConflict or
// ErrSocket. It is nil while the node runs.
func (n *Node) Err() error {
	select {
	case <-n.done:
		return *n.reason.Load()
	default:
		return nil
	}
}
