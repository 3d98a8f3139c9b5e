package gossip

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// Equal inputs give equal bytes: a world with joins, loss, crashes, a restart, a leave, a
// partition, tags and messages is run again, and every packet and event must be the same. Maps are
// ordered anew in each run, so one whose order reaches an output is found out.
func TestDeterminism(t *testing.T) {
	first := eventfulHash(t)
	for range 3 {
		if again := eventfulHash(t); again != first {
			t.Fatalf("the same inputs gave %x and then %x", first, again)
		}
	}
}

func eventfulHash(t *testing.T) [sha256.Size]byte {
	w, hash := newWorld(t), sha256.New()
	note := func(parts ...any) { fmt.Fprintln(hash, append([]any{w.Now}, parts...)...) }
	packets := 0
	w.onSend = func(from *peer, to netip.AddrPort, data []byte) {
		packets++
		note(from.addr, to)
		hash.Write(data)
	}
	w.onEvent = func(p *peer, e Event) {
		m := e.Member
		note(p.addr, e.Kind, uint64(m.ID), m.Incarnation, m.State, m.Since, e.Message.Seq,
			string(e.Message.Payload), e.Err)
	}
	nodes := w.cluster(25, nil)
	w.loss = 0.15
	for i := range 10 {
		w.do(nodes[i], Publish{Topic: "t", Payload: binary.BigEndian.AppendUint64(nil, uint64(i))})
		w.do(nodes[i], SetTags{mustTags(t, map[string]string{"a": "1", "b": fmt.Sprint(i),
			"c": "3"})})
	}
	nodes[3].down, nodes[4].down = true, true
	w.run(5 * time.Second)
	w.start("n3", 3, 2, nil, 0)
	w.do(nodes[5], Leave{})
	w.cut = func(from, to netip.AddrPort) bool {
		return from.Addr().As4()[3]%2 != to.Addr().As4()[3]%2
	}
	w.run(20 * time.Second)
	w.cut = nil
	nodes[7].paused = true
	w.run(10 * time.Second)
	w.resume(nodes[7])
	w.run(20 * time.Second)
	for _, p := range w.up() {
		note(p.addr, p.Table().Fingerprint(), p.Stats(), p.Deadline(), p.Agreement(), p.Health())
	}
	failed := 0
	for _, p := range w.nodes {
		failed += count(p, MemberFailed)
	}
	if packets < 10_000 || failed < 25 || !w.nodes[0].sees(nodes[4].id, member.Failed) {
		t.Errorf("the world was not eventful: %d packets, %d failures", packets, failed)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

func (p *peer) sees(id member.ID, s member.State) bool {
	m, ok := p.Table().Get(id)
	return ok && m.State == s
}
