package gossip

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Whether a datagram comes from a member is looked up once, and again after news in it: what one
// says after it said that it leaves is not taken, what a newcomer says after its record is.
func TestSenderChangesWithinItsDatagram(t *testing.T) {
	for _, c := range []struct {
		name string
		news []byte
		want string // the topics of the messages that are delivered
	}{
		{"a member that leaves", wire.AppendUpdate(nil, &wire.Update{ID: member.IDOf("n1"),
			Check: recordOf("n1", 1, addrOf(1)).Check(),
			Claim: wire.Claim{Generation: 1, State: member.Left}}), "before "},
		{"no news of it", nil, "before after "},
		{"a life that is known from here on",
			wire.AppendRecord(nil, recordOf("n1", 2, addrOf(1)), &wire.Claim{}), "after "},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, generation, seq := newLoop(t, 4, SWIM), uint32(1), uint64(2)
			if c.want == "after " {
				generation, seq = 2, 1
			}
			origin := l.nodes[2].id
			l.nodes[0].Receive(l.now, addrOf(1), forge("n1", generation, carry(origin, 1, "before",
				nil), c.news, carry(origin, seq, "after", nil)), &l.out)
			got := ""
			for _, e := range l.out.Events {
				if e.Kind == MessageDelivered {
					got += string(e.Message.Topic) + " "
				}
			}
			if got != c.want {
				t.Errorf("delivered: %q, want %q", got, c.want)
			}
		})
	}
}

// Datagrams are counted for the zone where a member is now, one after the other.
func TestTrafficFollowsAMemberToItsZone(t *testing.T) {
	l := newLoop(t, 3, SWIM)
	n := l.nodes[0]
	for i, zone := range []string{"", "east", "east", "west"} {
		r := recordOf("n1", uint64(i+2), addrOf(1))
		r.Zone = zone
		n.Receive(l.now, addrOf(1), forge("n1", uint32(i+2),
			wire.AppendRecord(nil, r, &wire.Claim{})), &l.out)
		n.Receive(l.now, addrOf(1), forge("n1", uint32(i+2)), &l.out)
		n.Receive(l.now, addrOf(1), forge("n1", uint32(i+2)), &l.out)
	}
	in := map[string]uint64{}
	for _, z := range n.Traffic() {
		in[z.Zone] += z.PacketsIn
	}
	// the datagram that brings a move is counted for the zone before
	if in["east"] != 6 || in["west"] != 2 {
		t.Errorf("datagrams from east and west: %v, want 6 and 2", in)
	}
}

// A member that is in a former life, since its clock went back, is told of the later one, and asked
// for its record. What comes is not taken. It is asked for again so often a second at most: else
// the two would ask each other for ever, as fast as they can.
func TestFormerLifeIsAskedSeldom(t *testing.T) {
	l := newLoop(t, 3, SWIM)
	n := l.nodes[0]
	n.Receive(l.now, addrOf(1), forge("n1", 10,
		wire.AppendRecord(nil, recordOf("n1", 10, addrOf(1)), &wire.Claim{})), &l.out)
	record := wire.AppendRecord(nil, recordOf("n1", 5, addrOf(9)), &wire.Claim{})
	told, asked := 0, 0
	for range 10_000 {
		l.now = l.now.Add(time.Millisecond)
		l.out.Reset()
		n.Receive(l.now, addrOf(9), forge("n1", 5, record), &l.out)
		for _, p := range l.out.Packets {
			if _, r, err := wire.Open(p.Data); err == nil && p.To == addrOf(9) {
				for m, _, ok := r.Next(); ok; m, _, ok = r.Next() {
					if m == wire.TypeRequest {
						asked++
					} else if m == wire.TypeRecord {
						told++
					}
				}
			}
		}
	}
	if told == 0 || asked < 100 || asked > 300 {
		t.Errorf("in ten seconds told %d times of the later life, and asked %d times", told, asked)
	}
}
