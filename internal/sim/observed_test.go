package sim

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// The observations that histories are made of.

// at puts a moment on an observation.
func at(d time.Duration, o Obs) Obs {
	o.At = gossip.Time(d)
	return o
}

func alive(gen uint64, inc uint32) Holding  { return Holding{gen, inc, member.Alive, true} }
func failed(gen uint64, inc uint32) Holding { return Holding{gen, inc, member.Failed, true} }
func left(gen uint64, inc uint32) Holding   { return Holding{gen, inc, member.Left, true} }

func started(node int32, gen uint64) Obs {
	return Obs{Kind: Started, Node: node, host: node, After: Holding{Gen: gen}}
}

func saw(node, of int32, h Holding) Obs {
	return Obs{Kind: Saw, Told: true, Node: node, Member: of, After: h}
}

func word(kind ObsKind, node, of int32, gen uint64) Obs {
	return Obs{Kind: kind, Node: node, Member: of, After: Holding{Gen: gen}}
}

func view(node int32, hash uint64, live int) Obs {
	return Obs{Kind: View, Node: node, Hash: hash, Count: live}
}

func delivered(node, origin int32, seq uint64) Obs {
	return Obs{Kind: Delivered, Node: node, Member: origin, Seq: seq, Order: seq,
		After: Holding{Gen: 1}}
}

// later is delivered, of the publisher's second life.
func later(node, origin int32, seq uint64) Obs {
	o := delivered(node, origin, seq)
	o.After.Gen = 2
	return o
}

func skipped(node, origin int32, seq uint64) Obs {
	o := delivered(node, origin, seq)
	o.Kind, o.From = Skipped, seq
	return o
}

// lostUpTo tells a node that messages from one to another are lost.
func lostUpTo(node, origin int32, from, to uint64) Obs {
	o := skipped(node, origin, to)
	o.From = from
	return o
}

func restored(node, origin int32, seq uint64) Obs {
	o := delivered(node, origin, seq)
	o.Kind = Restored
	return o
}

func awaited(node int32, seq uint64) Obs {
	o := delivered(node, node, seq)
	o.Kind, o.Told = Published, true
	return o
}

func spreadTo(node int32, seq uint64, have, of int) Obs {
	o := delivered(node, node, seq)
	o.Kind, o.Count, o.From = Spread, have, uint64(of)
	return o
}

func over(node int32, seq uint64) Obs {
	o := spreadTo(node, seq, 3, 3)
	o.Told = true
	return o
}

func keyMap(node, owner int32, hash uint64) Obs {
	return Obs{Kind: Map, Node: node, Member: owner, Hash: hash}
}
