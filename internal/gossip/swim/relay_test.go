package swim

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect/detecttest"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// askFor hands in a request to ping target for asker.
func (f *fake) askFor(asker, target int, seq uint32) {
	b := wire.AppendPingReq(nil, wire.PingReq{Seq: seq, Target: id(target),
		Instance: f.Peer(target).Instance})
	f.d.Receive(f.Now, plane.Sender{Peer: f.Peer(asker)}, wire.TypePingReq, wire.Body(b))
}

func TestRelayedPing(t *testing.T) {
	f := newFake(t, 5, Config{})
	f.askFor(1, 2, 900)
	if len(f.Sent) != 1 || f.Sent[0].Kind != wire.TypePing || f.Sent[0].To != id(2) {
		t.Fatalf("%+v", f.Sent)
	}
	seq := f.Sent[0].Seq()
	f.Sent = nil
	f.receive(3, wire.TypeAck, seq) // not from the target
	if len(f.Sent) != 0 {
		t.Error("relayed the ack of another")
	}
	f.receive(2, wire.TypeAck, seq)
	if len(f.Sent) != 1 || f.Sent[0].Kind != wire.TypeAck || f.Sent[0].To != id(1) ||
		f.Sent[0].Seq() != 900 {
		t.Errorf("%+v", f.Sent)
	}
	f.Sent = nil
	f.receive(2, wire.TypeAck, seq) // twice
	f.run(5*period, func(s detecttest.Sent) {
		if s.Kind == wire.TypeNack {
			t.Error("a nack after the ack")
		}
		f.ackAll(s)
	})
}

// Lifeguard, section IV-A: a helper that gets no answer says so at 80 % of the timeout; an ack that
// comes after that is passed on still.
func TestNack(t *testing.T) {
	f := newFake(t, 5, Config{})
	f.run(10*period, f.ackAll) // round trips of nothing: the timeout is the floor
	f.askFor(1, 2, 900)
	ping, asked := f.Sent[0], f.Now
	f.Sent = nil
	for f.count(wire.TypeNack) == 0 && f.Now.Sub(asked) < time.Second {
		f.wake()
	}
	if waited := f.Now.Sub(asked); waited != 40*time.Millisecond {
		t.Errorf("the nack came after %s, not 80 %% of 50 ms", waited)
	}
	f.Sent = nil
	f.receive(2, wire.TypeAck, ping.Seq())
	if len(f.Sent) != 1 || f.Sent[0].Kind != wire.TypeAck || f.Sent[0].To != id(1) {
		t.Errorf("a late ack was not passed on: %+v", f.Sent)
	}

	f = newFake(t, 5, Config{NoNack: true})
	f.askFor(1, 2, 900)
	f.run(5*period, func(s detecttest.Sent) {
		if s.Kind == wire.TypeNack {
			t.Error("a nack though nacks are off")
		}
	})
}

func TestUnknownTargetIsNackedAtOnce(t *testing.T) {
	f := newFake(t, 3, Config{})
	for _, m := range []wire.PingReq{
		{Seq: 5, Target: 12345, Instance: 1},
		{Seq: 5, Target: id(2), Instance: f.Peer(2).Instance + 1}, // another life
	} {
		f.Sent = nil
		f.d.Receive(f.Now, plane.Sender{Peer: f.Peer(1)}, wire.TypePingReq,
			wire.Body(wire.AppendPingReq(nil, m)))
		if len(f.Sent) != 1 || f.Sent[0].Kind != wire.TypeNack || f.Sent[0].Seq() != 5 {
			t.Errorf("%+v", f.Sent)
		}
	}
}

func TestRelaysAreBounded(t *testing.T) {
	f := newFake(t, 5, Config{})
	for i := range 10 * maxRelays {
		f.askFor(1, 2, uint32(i))
	}
	if len(f.d.relays) > maxRelays {
		t.Errorf("%d relays", len(f.d.relays))
	}
	if f.count(wire.TypePing) != maxRelays || f.count(wire.TypeNack) != 9*maxRelays {
		t.Errorf("%d pings, %d nacks", f.count(wire.TypePing), f.count(wire.TypeNack))
	}
	f.run(2*period, f.ackAll)
	if len(f.d.relays) != 0 || cap(f.d.relays) > 8 {
		t.Errorf("after the storm: %d relays, room for %d", len(f.d.relays), cap(f.d.relays))
	}
}
