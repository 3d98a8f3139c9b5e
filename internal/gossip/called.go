package gossip

import (
	"net/netip"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
)

// WaitsForCall says whether others hold this node failed, and it has not contradicted: it has asked
// them to call it, and does so when something that they send to its address comes here.
func (v View) WaitsForCall() bool { return v.n.called.WaitsForCall() }

// Unreached says whether this node's address does not lead to it: others hear it, and nothing that
// they send to the address of its record comes here. While it is isolated nobody knows.
func (v View) Unreached() bool { return v.n.called.Unreached() }

// HeardFrom returns where the datagrams of a failed member come from that is heard still.
func (v View) HeardFrom(id member.ID) (from netip.AddrPort, ok bool) {
	return v.n.called.HeardFrom(v.n.now, id)
}

// calledHost is the node as that sees it.
type calledHost struct {
	env
	reachable
}

func (h calledHost) Ways() int                          { return h.n.ways.Len() }
func (h calledHost) SpreadSelf()                        { h.n.roster.News.SpreadSelf() }
func (h calledHost) WayAt(i int) (plane.Peer, Time)     { return h.n.ways.At(i) }
func (h calledHost) LastHeard(id member.ID) Time        { return h.n.ways.Heard(id) }
func (h calledHost) Note(m member.Member, p plane.Peer) { h.n.roster.Note(&m, p, false) }
func (h calledHost) Woke()                              { h.n.door.WokeNow() }

func (h calledHost) AppendNote(b []byte, m member.Member) []byte {
	n := h.n
	start := len(n.flow.Bytes)
	n.roster.News.AppendMember(&m, false, n.id)
	n.roster.News.AppendFingerprint()
	b = append(b, n.flow.Bytes[start:]...)
	n.flow.Drop(start)
	return b
}

func (h calledHost) SetDeaf(now Time, m member.Member) {
	f := m.Fact()
	f.Cause = member.CauseDeaf
	h.n.roster.Apply(f, false, 0, now.Sub(m.Since))
}

func (h calledHost) HeldFailed(self member.Member, since time.Duration) {
	e := Event{Kind: HeldFailed, Member: self, Gap: since}
	h.n.out.Events = append(h.n.out.Events, e)
}

func (h calledHost) Unreached(on bool) { h.n.tell(pick(on, Unreached, Reached), h.n.roster.Self()) }
