package swim

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// askFor hands in a request to ping target for asker.
func (f *fake) askFor(asker, target int, seq uint32) {
	b := wire.AppendPingReq(nil, wire.PingReq{Seq: seq, Target: id(target),
		Instance: f.peer(target).Instance})
	f.d.Receive(f.now, plane.Sender{Peer: f.peer(asker)}, wire.TypePingReq, wire.Body(b))
}

func TestRelayedPing(t *testing.T) {
	f := newFake(t, 5, Config{})
	f.askFor(1, 2, 900)
	if len(f.sent) != 1 || f.sent[0].kind != wire.TypePing || f.sent[0].to != id(2) {
		t.Fatalf("%+v", f.sent)
	}
	seq := f.sent[0].seq()
	f.sent = nil
	f.receive(3, wire.TypeAck, seq) // not from the target
	if len(f.sent) != 0 {
		t.Error("relayed the ack of another")
	}
	f.receive(2, wire.TypeAck, seq)
	if len(f.sent) != 1 || f.sent[0].kind != wire.TypeAck || f.sent[0].to != id(1) ||
		f.sent[0].seq() != 900 {
		t.Errorf("%+v", f.sent)
	}
	f.sent = nil
	f.receive(2, wire.TypeAck, seq) // twice
	f.run(5*period, func(s sent) {
		if s.kind == wire.TypeNack {
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
	ping, asked := f.sent[0], f.now
	f.sent = nil
	for f.count(wire.TypeNack) == 0 && f.now.Sub(asked) < time.Second {
		f.wake()
	}
	if waited := f.now.Sub(asked); waited != 40*time.Millisecond {
		t.Errorf("the nack came after %s, not 80 %% of 50 ms", waited)
	}
	f.sent = nil
	f.receive(2, wire.TypeAck, ping.seq())
	if len(f.sent) != 1 || f.sent[0].kind != wire.TypeAck || f.sent[0].to != id(1) {
		t.Errorf("a late ack was not passed on: %+v", f.sent)
	}

	f = newFake(t, 5, Config{NoNack: true})
	f.askFor(1, 2, 900)
	f.run(5*period, func(s sent) {
		if s.kind == wire.TypeNack {
			t.Error("a nack though nacks are off")
		}
	})
}

func TestUnknownTargetIsNackedAtOnce(t *testing.T) {
	f := newFake(t, 3, Config{})
	for _, m := range []wire.PingReq{
		{Seq: 5, Target: 12345, Instance: 1},
		{Seq: 5, Target: id(2), Instance: f.peer(2).Instance + 1}, // another life
	} {
		f.sent = nil
		f.d.Receive(f.now, plane.Sender{Peer: f.peer(1)}, wire.TypePingReq,
			wire.Body(wire.AppendPingReq(nil, m)))
		if len(f.sent) != 1 || f.sent[0].kind != wire.TypeNack || f.sent[0].seq() != 5 {
			t.Errorf("%+v", f.sent)
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
