package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// joined is a world whose nodes know each other.
func joined(t *testing.T, o Options) *World {
	t.Helper()
	o.Warm = true
	w, err := newWorld(o)
	if err != nil {
		t.Fatal(err)
	}
	w.join()
	w.run(w.now.Add(5*time.Second), nil)
	w.epoch = w.now
	return w
}

// do does actions, now, and lets some time pass.
func do(t *testing.T, w *World, d time.Duration, actions ...string) {
	t.Helper()
	for _, text := range actions {
		a, err := ParseAction("0s=" + text)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.apply(a); err != nil {
			t.Fatal(err)
		}
	}
	w.run(w.now.Add(d), nil)
	if len(w.rec.failures) > 0 {
		t.Fatal(list(w.rec.failures))
	}
}

// held is what a process holds of another.
func held(w *World, node, of int) Holding {
	m, ok := w.procs[node].node.Table().Get(w.idOf[of])
	if !ok {
		return Holding{}
	}
	return holding(&m)
}

func TestPausedProcessQueuesPackets(t *testing.T) {
	w := joined(t, Options{Nodes: 10, Network: Network{Buffer: 5 * (skbOverhead + 100)}})
	p := w.procs[3]
	wakes := p.node.Stats().PacketsOut
	do(t, w, 3*time.Second, "pause:n3,for=10s")
	if len(p.inbox) == 0 {
		t.Error("nothing waits in the socket of a process that stands still")
	}
	if p.node.Stats().PacketsOut != wakes {
		t.Error("a process that stands still sent something")
	}
	do(t, w, 7*time.Second)
	if p.held > w.plan.buffer || w.shards[0].fates[full] == 0 {
		t.Errorf("the socket holds %d bytes of %d, and %d packets were dropped", p.held,
			w.plan.buffer, w.shards[0].fates[full])
	}
	do(t, w, 2*time.Second)
	if len(p.inbox) != 0 || p.node.Stats().PacketsOut == wakes {
		t.Error("it does not go on after its pause")
	}
}

func TestSlowProcess(t *testing.T) {
	w := joined(t, Options{Nodes: 4})
	heard := w.hosts[1].heard
	do(t, w, 2*time.Second, "slow:n1,cost=700ms,for=2s")
	worked := w.hosts[1].heard - heard - uint64(len(w.procs[1].inbox)-w.procs[1].head)
	if worked > 4 {
		t.Errorf("%d inputs of 700 ms each in 2 s", worked)
	}
}

func TestRestartIsANewLife(t *testing.T) {
	w := joined(t, Options{Nodes: 6})
	before := held(w, 0, 3)
	do(t, w, 3*time.Second, "clock:n3,by=-1h", "restart:n3")
	if after := held(w, 0, 3); !after.live() || after.Gen <= before.Gen {
		t.Errorf("n0 held n3 for %s and holds it for %s after a restart with its clock gone "+
			"back", before, after)
	}
}

func TestMoveChangesPlaces(t *testing.T) {
	w := joined(t, Options{Nodes: 6})
	do(t, w, 10*time.Second, "move:n3/n4")
	if m, _ := w.procs[0].node.Table().Get(w.idOf[3]); m.Addr() != addrOf(4) ||
		m.State != member.Alive {
		t.Errorf("n3 is %s at %s, want it alive at %s", m.State, m.Addr(), addrOf(4))
	}
	do(t, w, 10*time.Second, "restart:n4")
	if m, _ := w.procs[0].node.Table().Get(w.idOf[4]); m.Addr() != addrOf(3) ||
		m.State != member.Alive {
		t.Errorf("n4 is %s at %s, want it alive at %s", m.State, m.Addr(), addrOf(3))
	}
}

func TestCutIsOneWay(t *testing.T) {
	w := joined(t, Options{Nodes: 4})
	do(t, w, 0, "cut:n0/n1,oneway,for=1m")
	s := w.shards[0]
	if f := w.transmit(s, w.now, w.hosts[0], 1, []byte("x")); f != cut {
		t.Errorf("n0 to n1: %s", f)
	}
	if f := w.transmit(s, w.now, w.hosts[1], 0, []byte("x")); f != sent {
		t.Errorf("n1 to n0: %s", f)
	}
	if f := w.transmit(s, w.now, w.hosts[0], 2, []byte("x")); f != sent {
		t.Errorf("n0 to n2: %s", f)
	}
}

func TestLinkFates(t *testing.T) {
	big := make([]byte, 1000)
	for name, c := range map[string]struct {
		net  Network
		want fate
	}{
		"mtu":    {Network{Within: Link{MTU: 1000}}, tooLong},
		"loss":   {Network{Within: Link{Loss: 0.999999}}, lost},
		"uplink": {Network{Own: Bandwidth{Rate: 1000, Queue: 1500}}, overrun},
	} {
		w, err := newWorld(Options{Nodes: 2, Network: c.net})
		if err != nil {
			t.Fatal(err)
		}
		var f fate
		for range 2 {
			f = w.transmit(w.shards[0], 0, w.hosts[0], 1, big)
		}
		if f != c.want {
			t.Errorf("%s: %s, want %s", name, f, c.want)
		}
	}
}

// What breaks a node in one of these ways is caught by the checker named.
func TestBrokenNodesAreCaught(t *testing.T) {
	const culprit = 3
	deliver := func(p *proc, out *gossip.Outbox) {
		for _, e := range out.Events {
			if e.Kind == gossip.MessageDelivered && p.index == culprit {
				out.Events = append(out.Events, e)
				return
			}
		}
	}
	drop := func(kind gossip.EventKind) func(*proc, *gossip.Outbox) {
		return func(p *proc, out *gossip.Outbox) {
			kept := out.Events[:0]
			for _, e := range out.Events {
				if e.Kind != kind || p.index != culprit {
					kept = append(kept, e)
				}
			}
			out.Events = kept
		}
	}
	swallow := func(p *proc, out *gossip.Outbox) {
		out.Events = slices.DeleteFunc(out.Events, func(e gossip.Event) bool {
			return p.index == culprit && e.Kind == gossip.MessageDelivered && e.Message.Seq == 4
		})
	}
	late := func() func(*proc, *gossip.Outbox) { // the fourth message comes after the fifth
		var held []gossip.Event
		return func(p *proc, out *gossip.Outbox) {
			for i := 0; p.index == culprit && i < len(out.Events); i++ {
				switch e := out.Events[i]; {
				case e.Kind != gossip.MessageDelivered:
				case e.Message.Seq == 4:
					held = append(held, e)
					out.Events = slices.Delete(out.Events, i, i+1)
					i--
				case e.Message.Seq == 5:
					out.Events = slices.Insert(out.Events, i+1, held...)
					return
				}
			}
		}
	}
	for _, c := range []struct {
		way, checker, action string
		tamper               func(*proc, *gossip.Outbox)
	}{
		{"delivers a message twice", "messages", "1s=publish:n0", deliver},
		{"swallows one of many", "order", "1s=publish:n0,every=100ms,times=9", swallow},
		{"delivers the latest first", "order", "1s=publish:n0,every=100ms,times=9", late()},
		{"swallows a message", "messages", "1s=publish:n0", drop(gossip.MessageDelivered)},
		{"does not tell a failure", "untold", "1s=crash:n5", drop(gossip.MemberFailed)},
		{"does not tell the end of a former life", "rejoined", "1s=restart:n5",
			drop(gossip.MemberFailed)},
		{"sends every packet fifty times", "load", "1s=clock:n0,by=1s",
			func(p *proc, out *gossip.Outbox) {
				if p.index != culprit {
					return
				}
				for _, pk := range out.Packets {
					for range 50 {
						out.Packets = append(out.Packets, pk)
					}
				}
			}},
		{"floods", "budget", "1s=clock:n0,by=1s", func(p *proc, out *gossip.Outbox) {
			if p.index != culprit || len(out.Packets) == 0 {
				return
			}
			for range 2000 {
				out.Packets = append(out.Packets, gossip.Packet{To: addrOf(9999),
					Data: make([]byte, 1100)})
			}
		}},
		{"sends nothing, though well", "accuracy", "1s=clock:n0,by=1s",
			func(p *proc, out *gossip.Outbox) {
				if p.index == culprit && p.w.epoch > 0 {
					out.Packets = out.Packets[:0]
				}
			}},
		{"never learns of a restart of others", "convergence", "1s=restart:n5",
			func(p *proc, out *gossip.Outbox) {
				if p.index == culprit && p.w.epoch > 0 {
					p.paused = gossip.Never - 1<<61 // deaf and dumb from then on
				}
			}},
	} {
		a, err := ParseAction(c.action)
		if err != nil {
			t.Fatal(err)
		}
		r := run(t, Options{Nodes: 10, Duration: 90 * time.Second, Actions: []Action{a},
			tamper: c.tamper})
		all := list(r.Violations)
		if !strings.Contains("\n"+all, "\n"+c.checker+" at") {
			t.Errorf("a node that %s: %s did not say so:\n%s", c.way, c.checker, all)
		}
	}
}
