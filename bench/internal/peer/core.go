package peer

// This file runs Starling's core on a virtual network. It is what the project's driver is under
// real sockets, without them: one goroutine hands in datagrams, outcomes of connections, commands
// and the time, and carries out what the core wants.

import (
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/starling-gossip/starling/bench/internal/virtual"
	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/inquest"
)

const connectWait = 2 * time.Second // as the project's driver waits

var errStopped = errors.New("the node has stopped")

type coreNode struct {
	spec  Spec
	host  *virtual.Host
	start time.Time
	core  *gossip.Node
	out   gossip.Outbox

	seeds    []netip.AddrPort
	calls    chan func()
	writable chan struct{} // there is room for messages again
	welcomed chan struct{}
	quit     chan struct{} // closed to stop
	done     chan struct{} // closed when stopped
	let      bool          // a seed has let this node in
}

func startCore(s Spec) (Node, error) {
	h := fnv.New64a()
	h.Write([]byte(s.Name))
	cfg := gossip.Config{Inquest: inquest.Config{Grace: s.Tune.grace()}}
	self := gossip.Self{Name: s.Name, Generation: uint64(time.Now().UnixMilli()),
		Addr: s.Host.Addr()}
	core, err := gossip.New(&cfg, self, rand.NewPCG(h.Sum64(), uint64(time.Now().UnixNano())),
		rand.NewPCG(uint64(time.Now().UnixNano()), h.Sum64()))
	if err != nil {
		return nil, err
	}
	n := &coreNode{
		spec: s, host: s.Host, start: time.Now(), core: core,
		calls: make(chan func()), writable: make(chan struct{},
			1), welcomed: make(chan struct{}), quit: make(chan struct{}), done: make(chan struct{}),
	}
	call(s.Live, s.Name)
	go n.run()
	return n, nil
}

func (n *coreNode) now() gossip.Time { return gossip.Time(time.Since(n.start)) }

func (n *coreNode) run() {
	defer close(n.done)
	n.core.Wake(n.now(), &n.out)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n.flush(); !n.core.Stopped(); n.flush() {
		if d := n.core.Deadline(); d != gossip.Never {
			timer.Reset(time.Duration(d - n.now()))
		}
		select {
		case <-n.quit:
			return
		case p := <-n.host.Packets:
			n.receive(p)
		case c := <-n.host.Conns:
			c.Close() // as the project's driver does: that the kernel took it says all
		case f := <-n.calls:
			f()
		case <-timer.C:
			n.drain()
			if n.now() >= n.core.Deadline() {
				n.core.Wake(n.now(), &n.out)
			}
		}
	}
}

func (n *coreNode) receive(p virtual.Packet) {
	n.host.Took(p)
	n.core.Receive(n.now(), p.From, p.Data, &n.out)
}

// drain hands in what waits in the socket before the core is told the time, as the project's driver
// does.
func (n *coreNode) drain() {
	for {
		select {
		case p := <-n.host.Packets:
			n.receive(p)
		default:
			return
		}
	}
}

// flush does what the core wants done.
func (n *coreNode) flush() {
	for _, p := range n.out.Packets {
		n.host.Send(p.To, p.Data)
	}
	for i := range n.out.Events {
		n.tell(&n.out.Events[i])
	}
	for _, c := range n.out.Connects {
		go n.connect(c)
	}
	n.out.Reset()
}

func (n *coreNode) tell(e *gossip.Event) {
	switch e.Kind {
	case gossip.MessageDelivered:
		if n.spec.Hear != nil {
			n.spec.Hear(append([]byte(nil), e.Message.Payload...))
		}
	case gossip.Writable:
		select {
		case n.writable <- struct{}{}:
		default:
		}
	case gossip.SeedsWanted:
		if len(n.seeds) > 0 {
			go n.ask(n.seeds)
		}
	case gossip.Welcomed:
		if !n.let {
			n.let = true
			close(n.welcomed)
		}
	case gossip.MemberJoined, gossip.MemberRecovered:
		call(n.spec.Live, e.Member.Handle.Value().Name)
	case gossip.MemberFailed:
		call(n.spec.Fail, e.Member.Handle.Value().Name)
	case gossip.MemberLeft:
		call(n.spec.Leave, e.Member.Handle.Value().Name)
	}
}

// connect tries a connection and tells the core what came of it.
func (n *coreNode) connect(c gossip.Connect) {
	conn, err := n.host.Dial(c.Peer.Addr.String(), connectWait)
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
		return
	}
	outcome := detect.Refused
	if err == nil {
		conn.Close()
		outcome = detect.Accepted
	}
	n.do(func() { n.core.Connected(n.now(), c, outcome, &n.out) })
}

// do runs f on the node's goroutine.
func (n *coreNode) do(f func()) error {
	ran := make(chan struct{})
	select {
	case n.calls <- func() { f(); close(ran) }:
		<-ran
		return nil
	case <-n.done:
		return errStopped
	}
}

func (n *coreNode) command(c gossip.Command) (err error) {
	if stopped := n.do(func() { err = n.core.Do(n.now(), c, &n.out) }); stopped != nil {
		return stopped
	}
	return err
}

func (n *coreNode) ask(seeds []netip.AddrPort) { n.command(gossip.Join{Seeds: seeds}) }

func (n *coreNode) Addr() string { return n.host.Addr().String() }

func (n *coreNode) Join(ctx context.Context, seed string) error {
	a, err := netip.ParseAddrPort(seed)
	if err != nil {
		return err
	}
	n.do(func() { n.seeds = append(n.seeds, a) })
	n.ask([]netip.AddrPort{a})
	select {
	case <-n.welcomed:
		return nil
	case <-n.done:
		return errStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (n *coreNode) Live() (live int) {
	n.do(func() { live = n.core.Table().Live() })
	return live
}

func (n *coreNode) Publish(payload []byte) error {
	for {
		err := n.command(gossip.Publish{Topic: topic, Payload: payload})
		if !errors.Is(err, gossip.ErrBackpressure) {
			return err
		}
		select {
		case <-n.writable:
		case <-n.done:
			return errStopped
		}
	}
}

func (n *coreNode) Copies() (copies int64) {
	n.do(func() {
		s := n.core.StreamStats()
		copies = int64(s.Delivered - s.Published + s.Duplicates)
	})
	return copies
}

func (n *coreNode) Crash() {
	select {
	case <-n.quit:
	default:
		close(n.quit)
	}
	<-n.done
}

func (n *coreNode) Leave() error {
	err := n.command(gossip.Leave{})
	if err != nil {
		return err
	}
	<-n.done
	return nil
}
