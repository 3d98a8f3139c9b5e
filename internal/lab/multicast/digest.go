package multicast

// This file is the anti-entropy below gossip and delegation: each node's probes, to a member at
// random at a time, carry a digest, here one bit. A node that turns out to lack the message gets
// it. Probes are sent anyway and are not counted; what they lead to is.

// probeTimer is the timer of probes.
const probeTimer = -1

// probes begins to probe.
func (m *member) probes() { m.after(m.between(0, m.w.o.Repair), probeTimer) }

// probe sends a digest.
func (m *member) probe() {
	m.send(m.pick(1)[0], probe, m.digest())
	m.after(m.jitter(m.w.o.Repair), probeTimer)
}

// digest is 1 if the member has the message.
func (m *member) digest() uint32 {
	if m.has {
		return 1
	}
	return 0
}

// repair repairs what a digest shows to be missing on either side, or answers a member that asks
// for it.
func (m *member) repair(with int, k kind, args []uint32) {
	theirs := k == probe && args[0] == 1
	switch {
	case m.has && !theirs:
		m.send(with, data)
	case !m.has && theirs:
		m.send(with, want, 1)
	}
}

// pick draws distinct others.
func (m *member) pick(k int) []int {
	n := len(m.w.members)
	k = min(k, n-1)
	all := make([]int, 0, k)
draw:
	for len(all) < k {
		x := m.rng.IntN(n)
		if x == m.me {
			continue
		}
		for _, y := range all {
			if x == y {
				continue draw
			}
		}
		all = append(all, x)
	}
	return all
}
