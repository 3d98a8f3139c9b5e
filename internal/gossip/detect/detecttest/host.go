// Package detecttest has what a failure detector's tests need of a node: a table, and a list of
// what the detector sent and said.
package detecttest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/plane/planetest"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Sent is one message of a datagram that the detector sent. Body has memory of its own.
type Sent struct {
	At   mono.Time
	To   member.ID
	Kind wire.Type
	Body []byte
}

// Seq returns the number that it begins with.
func (s Sent) Seq() uint32 { q, _ := wire.ReadSeq(s.Body); return q }

// Verdict is that the detector declared a member failed.
type Verdict struct {
	At       mono.Time
	ID       member.ID
	Evidence detect.Evidence
	Here     bool // and told nobody
}

// Host is a detect.Loner: member 0 of a cluster. Like the node, it puts verdicts into the table and
// tells the detector.
type Host struct {
	planetest.Node
	Detector  detect.Detector // to be set by the test before Add
	Now       mono.Time
	Sent      []Sent
	Suspects  []member.ID
	Verdicts  []Verdict
	Forgotten []member.ID
}

// New makes a host whose chance comes from a seed. Its clock begins at one hour.
func New(seed uint64) *Host {
	return &Host{Now: mono.Time(time.Hour), Node: planetest.Node{
		Record: planetest.Record(Name(0), 0), Chance: rand.New(rand.NewPCG(3, seed))}}
}

// Name returns the name of the i-th member, and ID its ID.
func Name(i int) string { return fmt.Sprintf("m%d", i) }

// ID is that of Name.
func ID(i int) member.ID { return member.IDOf(Name(i)) }

// Peer returns the i-th member as a datagram's sender.
func (h *Host) Peer(i int) plane.Peer {
	m := h.Get(i)
	return plane.PeerOf(&m)
}

// Get returns what the table holds of the i-th member, which must be there.
func (h *Host) Get(i int) member.Member { return h.Node.Get(ID(i)) }

// Add merges that the i-th member is alive in a life and at an incarnation.
func (h *Host) Add(i int, generation uint64, incarnation uint32) {
	r := planetest.Record(Name(i), i)
	r.Generation = generation
	h.Hear(member.Fact{Record: member.Share(r), Incarnation: incarnation}, 0)
}

// Set merges a state of the i-th member, as others tell it.
func (h *Host) Set(i int, s member.State) { h.set(ID(i), s) }

func (h *Host) set(id member.ID, s member.State) { h.SetBy(id, s, 0) }

// SetBy is Set with the member that says so.
func (h *Host) SetBy(id member.ID, s member.State, accuser member.ID) {
	if m, ok := h.Members.Get(id); ok {
		h.Hear(member.Fact{Record: m.Handle, Incarnation: m.Incarnation, State: s}, accuser)
	}
}

// Refute has a member say that it lives.
func (h *Host) Refute(id member.ID) {
	m := h.Node.Get(id)
	h.Hear(member.Fact{Record: m.Handle, Incarnation: m.Incarnation + 1}, 0)
}

// Hear merges a fact that a member tells.
func (h *Host) Hear(f member.Fact, from member.ID) {
	before, after, changed := h.Merge(h.Now, f)
	if changed {
		h.Detector.Changed(h.Now, before, after)
		if after.State == member.Suspect {
			h.Detector.Accused(h.Now, after, from)
		}
	}
}

// Run moves on for a time, waking the detector when it is due.
func (h *Host) Run(d time.Duration) {
	end := h.Now.Add(d)
	for h.Detector.Deadline() <= end {
		h.Now = max(h.Now, h.Detector.Deadline())
		h.Detector.Wake(h.Now)
	}
	h.Now = end
}

// Receive hands the detector a message, as Append functions write it, from the i-th member.
func (h *Host) Receive(i int, message []byte) {
	h.Detector.Receive(h.Now, plane.Sender{Peer: h.Peer(i)}, wire.Type(message[0]),
		wire.Body(message))
}

// Send keeps the messages of a datagram.
func (h *Host) Send(now mono.Time, to plane.Peer, messages []byte) {
	_, r, _ := wire.Open(append(wire.AppendHeader(nil, wire.Header{}), messages...))
	for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
		h.Sent = append(h.Sent, Sent{now, to.ID, t, body})
	}
	if r.Malformed() {
		panic("the detector sent a malformed datagram")
	}
}

// Suspect makes a member a suspect.
func (h *Host) Suspect(_ mono.Time, id member.ID) {
	h.Suspects = append(h.Suspects, id)
	h.SetBy(id, member.Suspect, h.ID())
}

// Fail keeps the verdict.
func (h *Host) Fail(now mono.Time, id member.ID, e detect.Evidence) {
	h.Verdicts = append(h.Verdicts, Verdict{At: now, ID: id, Evidence: e})
	h.set(id, member.Failed)
}

// FailHere keeps the verdict.
func (h *Host) FailHere(now mono.Time, id member.ID, e detect.Evidence) {
	h.Verdicts = append(h.Verdicts, Verdict{now, id, e, true})
	h.set(id, member.Failed)
}

// Forget drops a member.
func (h *Host) Forget(_ mono.Time, id member.ID) {
	h.Forgotten = append(h.Forgotten, id)
	h.Members.Forget(id)
}
