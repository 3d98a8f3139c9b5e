// Package detecttest has what a failure detector's tests need of a node: a table, and a list of
// what the detector sent and said.
package detecttest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Sent is one message of a datagram that the detector sent. Body has memory of its own.
type Sent struct {
	At   mono.Time
	To   member.ID
	Kind wire.Type
	Body []byte
}

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
	Detector  detect.Detector // to be set by the test before Add
	Now       mono.Time
	Sent      []Sent
	Verdicts  []Verdict
	Forgotten []member.ID

	table member.Table
	rng   *rand.Rand
}

// New makes a host whose chance comes from a seed. Its clock begins at one hour.
func New(seed uint64) *Host {
	return &Host{Now: mono.Time(time.Hour), rng: rand.New(rand.NewPCG(3, seed))}
}

// ID returns the ID of the i-th member.
func ID(i int) member.ID { return member.IDOf(name(i)) }

func name(i int) string { return fmt.Sprintf("m%d", i) }

// Peer returns the i-th member as a datagram's sender.
func (h *Host) Peer(i int) plane.Peer {
	m := h.Get(i)
	return plane.PeerOf(&m)
}

// Get returns what the table holds of the i-th member, which must be there.
func (h *Host) Get(i int) member.Member {
	m, ok := h.table.Get(ID(i))
	if !ok {
		panic(fmt.Sprintf("there is no member %d", i))
	}
	return m
}

// Add merges that the i-th member is alive in a life and at an incarnation.
func (h *Host) Add(i int, generation uint64, incarnation uint32) {
	addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 7747)
	h.merge(member.Fact{
		Record: member.Share(member.Record{Name: name(i), Generation: generation,
			Addr: addr}), Incarnation: incarnation,
	})
}

// Set merges a state of the i-th member, as others tell it.
func (h *Host) Set(i int, s member.State) { h.set(ID(i), s) }

func (h *Host) set(id member.ID, s member.State) {
	if m, ok := h.table.Get(id); ok {
		h.merge(member.Fact{Record: m.Handle, Incarnation: m.Incarnation, State: s})
	}
}

func (h *Host) merge(f member.Fact) {
	before, _, changed, err := h.table.Merge(h.Now, f)
	if err != nil {
		panic(err)
	}
	if changed {
		after, _ := h.table.Get(member.IDOf(f.Record.Value().Name))
		h.Detector.Changed(h.Now, before, after)
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

// Self returns member 0.
func (h *Host) Self() member.ID { return ID(0) }

// Table returns the known members.
func (h *Host) Table() *member.Table { return &h.table }

// Rand returns the host's chance.
func (h *Host) Rand() *rand.Rand { return h.rng }

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
func (h *Host) Suspect(_ mono.Time, id member.ID) { h.set(id, member.Suspect) }

// Fail is FailWith without a reason.
func (h *Host) Fail(now mono.Time, id member.ID) { h.FailWith(now, id, detect.Evidence{}) }

// FailWith keeps the verdict.
func (h *Host) FailWith(now mono.Time, id member.ID, e detect.Evidence) {
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
	h.table.Forget(id)
}
