package multicast

// Unicast: the origin sends the message to each member, and again until the member has acknowledged
// it or is given up. It is what a program does that keeps a list of its peers. All load is the
// origin's, O(n) datagrams out and as many back: with n it becomes the origin's time to send, and
// the implosion of acknowledgements at its socket.

import "github.com/starling-gossip/starling/internal/gossip"

type unicast struct {
	*member
	waits []int // tries for each member; 0: it has acknowledged, or is given up
}

func newUnicast(m *member) node { return &unicast{member: m} }

func (u *unicast) start() {}

func (u *unicast) publish() {
	u.waits = make([]int, len(u.w.members))
	for i := range u.waits {
		if i != u.me {
			u.try(i)
		}
	}
}

// try sends the message to one member and looks again after a while.
func (u *unicast) try(to int) {
	u.waits[to]++
	u.send(to, data)
	u.after(u.w.o.backoff(u.waits[to]), to)
}

func (u *unicast) receive(from int, k kind, _ []uint32, _ bool) {
	switch k {
	case data:
		u.send(from, ack) // each copy: the last acknowledgement may have been lost
	case ack:
		u.waits[from] = 0
	}
}

func (u *unicast) timer(to int, _ gossip.Time) {
	switch {
	case u.waits[to] == 0:
	case u.waits[to] >= u.w.o.Tries:
		u.waits[to] = 0
	default:
		u.try(to)
	}
}
