package codec

import (
	"fmt"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Starling measures Starling's codec. Each packet carries a fingerprint of the sender's view too.
func Starling() (Cost, error) {
	var b [wire.DefaultMTU]byte
	buf := b[:0]
	return measured(func() (int, error) { return probe(buf) })
}

func probe(buf []byte) (int, error) {
	from, to := member.IDOf("node-4"), member.IDOf("node-17")
	print := wire.Fingerprint{Hash: 0x0123456789abcdef, Live: 128}
	b := wire.AppendHeader(buf, wire.Header{Cluster: 1, From: from, Generation: 1_700_000_000,
		To: member.Instance(to, 5)})
	b = wire.AppendPing(b, 70_000)
	b = wire.AppendUpdate(b, &wire.Update{ID: member.IDOf("node-99"), Check: 77,
		Claim: wire.Claim{Generation: 1_700_000_000_000, Incarnation: 2}})
	b = wire.AppendUpdate(b, &wire.Update{ID: member.IDOf("node-55"), Check: 78, Claim: wire.Claim{
		Generation: 1_700_000_000_000, Incarnation: 1, State: member.Suspect, Accuser: from,
	}})
	there := len(wire.AppendFingerprint(b, print))
	if err := read(buf[:there], 4); err != nil {
		return 0, err
	}
	b = wire.AppendHeader(buf, wire.Header{Cluster: 1, From: to, Generation: 1_700_000_000,
		To: member.Instance(from, 5)})
	back := len(wire.AppendFingerprint(wire.AppendAck(b, 70_000), print))
	return there + back, read(buf[:back], 2)
}

// read reads a datagram as a node does, and says whether so many messages were in it.
func read(datagram []byte, want int) error {
	_, r, err := wire.Open(datagram)
	if err != nil {
		return err
	}
	got := 0
	for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
		switch t {
		case wire.TypePing, wire.TypeAck:
			_, ok = wire.ReadSeq(body)
		case wire.TypeUpdate:
			_, ok = wire.ReadUpdate(body)
		case wire.TypeFingerprint:
			_, ok = wire.ReadFingerprint(body)
		}
		if ok {
			got++
		}
	}
	if got != want {
		return fmt.Errorf("%d of %d messages could be read", got, want)
	}
	return nil
}
