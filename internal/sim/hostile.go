package sim

import (
	"encoding/binary"

	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Datagrams that no honest node sent: made up, or sent again long after. Sealing drops them all:
// what a stranger made does not open, and what was opened before is known.

// seen is how many of its packets each host's network remembers, to be sent again or made into
// others.
const seenPackets = 8

// overheard is a packet that somebody on the way took down.
type overheard struct {
	to   int32
	data []byte
}

// overhear takes some packets down, older ones with them.
func (h *host) overhear(to int32, data []byte, r uint64) {
	x := overheard{to, append([]byte(nil), data...)}
	if len(h.overheard) < seenPackets {
		h.overheard = append(h.overheard, x)
	} else if r%16 == 0 {
		h.overheard[r/16%seenPackets] = x
	}
}

// forge sends a process a datagram with made-up content, from a member's address: one that was
// overheard with other bodies, or types and bodies at random behind a header that is right.
func (w *World) forge(p *proc) {
	rng := newStream(w.seed, 9, w.drawn, uint64(p.index))
	from := w.hosts[rng.Uint64()%uint64(len(w.hosts))]
	var data []byte
	if x := w.anyOverheard(&rng); x != nil && rng.Uint64()%2 == 0 {
		data = append(data, x.data...)
		for range 1 + rng.Uint64()%6 {
			if len(data) > wire.HeaderSize+wire.MessageSize {
				at := wire.HeaderSize + wire.MessageSize +
					int(rng.Uint64()%uint64(len(data)-wire.HeaderSize-wire.MessageSize))
				data[at] = byte(rng.Uint64())
			}
		}
	} else {
		gen := uint64(epoch0)
		if q := from.proc; q != nil {
			gen = q.gen
		}
		h := wire.Header{Cluster: wire.ClusterHash(w.cluster()), From: w.idOf[from.index],
			Generation: uint32(gen)}
		data = wire.AppendHeader(nil, h)
		for range 1 + rng.Uint64()%3 {
			n := rng.Uint64() % 64
			data = append(data, byte(rng.Uint64()%0x48), byte(n))
			for ; n >= 8; n -= 8 {
				data = binary.BigEndian.AppendUint64(data, rng.Uint64()>>(rng.Uint64()%64))
			}
			for ; n > 0; n-- {
				data = append(data, byte(rng.Uint64()))
			}
		}
	}
	w.inject(from.index, p.host.index, data)
}

// replay sends an old datagram again, to where it went.
func (w *World) replay(p *proc) {
	rng := newStream(w.seed, 10, w.drawn, uint64(p.index))
	h := p.host
	if len(h.overheard) == 0 {
		return
	}
	x := h.overheard[rng.Uint64()%uint64(len(h.overheard))]
	w.inject(h.index, x.to, x.data)
}

func (w *World) anyOverheard(rng *stream) *overheard {
	h := w.hosts[rng.Uint64()%uint64(len(w.hosts))]
	if len(h.overheard) == 0 {
		return nil
	}
	return &h.overheard[rng.Uint64()%uint64(len(h.overheard))]
}

// inject puts a packet on its way that its source did not send.
func (w *World) inject(from, to int32, data []byte) {
	if w.opt.Sealed {
		return
	}
	s := w.shardOf(to)
	h := w.hosts[from]
	h.copies++
	s.packets.push(flight{at: w.now.Add(MinLatency), dst: to, src: from, seq: h.copies,
		data: s.pool.copy(data)})
}

// cluster is the cluster's name.
func (w *World) cluster() string {
	if w.opt.Gossip.Cluster == "" {
		return "starling"
	}
	return w.opt.Gossip.Cluster
}
