package gossip

import (
	"fmt"
	"slices"

	"github.com/starling-gossip/starling/gossip/detect"
	"github.com/starling-gossip/starling/gossip/member"
	"github.com/starling-gossip/starling/gossip/topology"
	"github.com/starling-gossip/starling/gossip/wire"
)

// Letting others in, and being refused.

// sampleSize is how many members a newcomer is told of at once.
const sampleSize = 15

// answerJoin lets a newcomer in, or says why not.
func (n *Node) answerJoin(peer detect.Peer, j *wire.Join) {
	switch {
	case string(j.Cluster) != n.cfg.Cluster: // two names with one hash
		n.refuse(peer, wire.WrongCluster, 0, n.cfg.Cluster)
		return
	case Detector(j.Detector) != n.cfg.Detector:
		n.refuse(peer, wire.WrongDetector, 0, n.cfg.Detector.String())
		return
	case n.entry.leaving:
		return
	}
	fact, err := j.Record.Fact()
	if err != nil || fact.State != member.Alive || member.IDOf(fact.Record.Value().Name) != peer.ID {
		n.stats.Malformed++
		return
	}
	r := fact.Record.Value()
	if m, known := n.table.Get(member.IDOf(r.Name)); known {
		switch {
		case m.State.Live() && m.Handle.Value().Addr != r.Addr && !n.claimHolds(&m, &r):
			return
		case r.Generation < m.Generation() || r.Generation == m.Generation() && m.Handle != fact.Record:
			n.refuse(peer, wire.OldGeneration, m.Generation(), "")
			return
		case !m.State.Live() && r.Generation == m.Generation():
			n.note(&m, peer, false) // it lives: let it refute, and come again
			return
		}
	} else if n.table.Len() >= member.MaxMembers {
		n.refuse(peer, wire.TableFull, 0, "")
		return
	}
	n.learn(peer, peer.ID, 0, &j.Record.Claim, &j.Record)
	n.sendWelcome(peer)
}

// sendWelcome tells a newcomer of this node and of a few others, so that it can ask many for the rest. In a flood of
// Joins it tells of this node alone, which costs no more than the Join.
func (n *Node) sendWelcome(peer detect.Peer) {
	start := n.open(peer.Instance)
	n.out.arena = wire.AppendWelcome(n.out.arena, uint32(n.table.Live()))
	var room [sampleSize + 1]member.Member
	sample := append(room[:0], n.Self())
	if n.welcomes.ready(n.now) {
		sample = topology.Pick(n.rng, &n.table, sampleSize, sample, n.id, peer.ID)
	}
	for i := range sample {
		before := len(n.out.arena)
		n.appendMember(&sample[i], true, n.id)
		if n.room(start) < wire.MessageSize+fingerprintSize {
			n.out.arena = n.out.arena[:before]
			break
		}
	}
	n.appendFingerprint()
	n.welcomes.take(len(n.out.arena) - start + ipOverhead)
	n.close(start, peer)
}

func (n *Node) refuse(peer detect.Peer, reason wire.Reason, generation uint64, text string) {
	if start, ok := n.reply(peer); ok {
		n.out.arena = wire.AppendRefuse(n.out.arena, reason, generation, text)
		n.closeReply(start, peer)
	}
}

// refuseStranger looks for a Join in a datagram of another cluster: whoever sent it was given a wrong address or a
// wrong name, and should hear of it.
func (n *Node) refuseStranger(peer detect.Peer, r wire.Reader) {
	for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
		switch t {
		case wire.TypeJoin:
			n.refuse(peer, wire.WrongCluster, 0, n.cfg.Cluster)
		case wire.TypeRefuse:
			if m, ok := wire.ReadRefuse(body); ok && m.Reason == wire.WrongCluster {
				n.refused(peer, &m)
			}
		}
	}
}

// refused hears that a seed did not let this node in.
func (n *Node) refused(peer detect.Peer, r *wire.Refuse) {
	if n.entry.leaving || n.entry.welcomed && !slices.Contains(n.entry.seeds, peer.Addr) {
		return
	}
	var err error
	switch r.Reason {
	case wire.OldGeneration:
		if r.Generation >= n.self.Value().Generation { // this host's clock went back
			n.goAbove(r.Generation, n.inc)
		}
		n.dial(peer.Addr)
		return
	case wire.WrongCluster:
		err = fmt.Errorf("%s: %w: %q, and this node to %q", peer.Addr, ErrWrongCluster, r.Text, n.cfg.Cluster)
	case wire.WrongDetector:
		err = fmt.Errorf("%s: %w: %q, and this node %q", peer.Addr, ErrWrongDetector, r.Text, n.cfg.Detector)
	case wire.TableFull:
		err = fmt.Errorf("%s: %w: its table of members is full", peer.Addr, ErrRefused)
	default:
		err = fmt.Errorf("%s: %w: reason %d", peer.Addr, ErrRefused, r.Reason)
	}
	n.out.Events = append(n.out.Events, Event{Kind: Refused, Err: err})
}
