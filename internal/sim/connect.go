package sim

import (
	"encoding/binary"
	"net/netip"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
)

// TCP, as far as nodes use it: they try connections and close them. A packet asks for one; the
// host's kernel takes it even while the process stands still, refuses it if no process is there,
// and says nothing if the host is down. What is lost is not sent again, though real kernels would
// after a second.

const (
	tcpMark = 0x06 // the first byte, which no datagram of the protocol has
	tcpAsk  = 0xff // the second byte; else an outcome
	tcpSize = 32   // with Overhead, a TCP segment without data
)

// connect sends the packet that asks for a connection.
func (s *shard) connect(p *proc, depart gossip.Time, c gossip.Connect) {
	var b [tcpSize]byte
	b[0], b[1] = tcpMark, tcpAsk
	binary.BigEndian.PutUint64(b[2:], uint64(c.Peer.ID))
	binary.BigEndian.PutUint32(b[10:], c.Peer.Instance)
	s.fates[s.w.transmit(s, depart, p.host, s.w.hostAt(c.Peer.Addr), b[:])]++
}

// isTCP says whether a packet is not a datagram.
func isTCP(data []byte) bool { return len(data) > 0 && data[0] == tcpMark }

// kernel lets a host's kernel answer, and says whether the packet was for it.
func (s *shard) kernel(h *host, f *flight) bool {
	if !isTCP(f.data) || f.data[1] != tcpAsk {
		return false
	}
	if h.down {
		s.fates[nobody]++
	} else {
		f.data[1] = byte(detect.Refused)
		if h.proc != nil {
			f.data[1] = byte(detect.Accepted)
			s.taken(h.proc, f.at, s.w.hosts[f.src].addr.Addr())
		}
		s.fates[s.w.transmit(s, f.at, h, f.src, f.data)]++
	}
	s.pool.put(f.data)
	return true
}

// taken tells a node that somebody came to its port, unless it stands still: then it takes nothing.
func (s *shard) taken(p *proc, now gossip.Time, from netip.Addr) {
	if p.blocked() <= now && p.head == len(p.inbox) {
		p.node.TakenFrom(p.clock(now), from, &s.out)
		s.after(p, now)
	}
}

// connected tells a node what came of a connection that it tried.
func (s *shard) connected(p *proc, now gossip.Time, f *flight) {
	c := gossip.Connect{Peer: plane.Peer{
		ID:       member.ID(binary.BigEndian.Uint64(f.data[2:])),
		Instance: binary.BigEndian.Uint32(f.data[10:]),
		Addr:     s.w.hosts[f.src].addr,
	}}
	p.node.Connected(p.clock(now), c, detect.Outcome(f.data[1]), &s.out)
}
