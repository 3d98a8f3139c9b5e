package measure

// This file keeps what the nodes of a cluster told: which node held which for failed, and which
// node heard which message.

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/starling-gossip/starling/bench/internal/peer"
	"github.com/starling-gossip/starling/bench/internal/virtual"
)

// payloadSize is that of every message: a number, and bytes that no compression makes shorter.
const payloadSize = 100

// book is safe from any goroutine.
type book struct {
	mu   sync.Mutex
	n    int
	dead []bool
	sick []bool // a fault of ours holds it now, so a verdict on it is no surprise

	held     [][]bool      // observer, member: held for failed
	heldBy   []int         // how many live observers hold a member for failed
	verdicts [][]time.Time // of each member, since it died
	// times that somebody held a live and well member for failed, when nobody had before
	well   int
	sickly int   // the same of a live member that was not well
	outcry []int // verdicts on a live member, all observers together

	messages map[uint64]*heard
	next     uint64
	total    int // deliveries
}

// heard is which nodes heard one message, and when.
type heard struct {
	sent  time.Time
	by    []bool
	times []time.Duration
}

func newBook(n int) *book {
	b := &book{
		n: n, dead: make([]bool, n), sick: make([]bool, n), held: make([][]bool,
			n), heldBy: make([]int, n),
		verdicts: make([][]time.Time, n), outcry: make([]int, n), messages: map[uint64]*heard{},
	}
	for i := range b.held {
		b.held[i] = make([]bool, n)
	}
	return b
}

func (b *book) spec(i int, hosts []*virtual.Host, tune peer.Tune) peer.Spec {
	s := peer.Spec{
		Name: fmt.Sprintf("n%d", i),
		Tune: tune,
		Live: func(m string) { b.judge(i, m, false) },
		Fail: func(m string) { b.judge(i, m, true) },
		Hear: func(p []byte) { b.hear(i, p) },
	}
	if hosts != nil {
		s.Host = hosts[i]
	}
	return s
}

// judge notes what an observer holds of a member.
func (b *book) judge(observer int, name string, failed bool) {
	member, err := strconv.Atoi(name[1:])
	if err != nil {
		panic(err)
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held[observer][member] == failed || b.dead[observer] || observer == member {
		return
	}
	b.held[observer][member] = failed
	if !failed {
		b.heldBy[member]--
		return
	}
	b.heldBy[member]++
	switch {
	case b.dead[member]:
		b.verdicts[member] = append(b.verdicts[member], now)
		return
	case b.sick[observer]:
		// a node that stands still or is cut off is excused for a moment: its verdict is not
		// counted
		return
	case b.heldBy[member] == 1 && b.sick[member]:
		b.sickly++
	case b.heldBy[member] == 1:
		b.well++
	}
	b.outcry[member]++
}

func (b *book) up(i int) bool { b.mu.Lock(); defer b.mu.Unlock(); return !b.dead[i] }

// died says that a node is dead from now on. A node that already holds it for failed counts as
// knowing at once.
func (b *book) died(i int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dead[i] = true
	for o := range b.n {
		if b.held[o][i] && !b.dead[o] {
			b.verdicts[i] = append(b.verdicts[i], time.Now())
		}
	}
}

// setSick marks nodes that a fault holds, or no longer.
func (b *book) setSick(some []int, sick bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, i := range some {
		b.sick[i] = sick
	}
}

// known returns when the verdicts on dead members came in, in order.
func (b *book) known(members []int) (all []time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range members {
		all = append(all, b.verdicts[m]...)
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}

// falsely counts verdicts on live members: see book.
func (b *book) falsely() (well, sick int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.well, b.sickly
}

// outcries returns how many verdicts there have been on one live member.
func (b *book) outcries(i int) int { b.mu.Lock(); defer b.mu.Unlock(); return b.outcry[i] }

// wrong counts the pairs of an observer and a live member that it holds for failed now.
func (b *book) wrong() (pairs int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for o := range b.n {
		for m := range b.n {
			if b.held[o][m] && !b.dead[m] && !b.dead[o] {
				pairs++
			}
		}
	}
	return pairs
}

// publish makes a message, notes when it is sent, and returns its number.
func (b *book) publish(n peer.Node) (uint64, error) {
	p := make([]byte, payloadSize)
	for i := 8; i+8 <= len(p); i += 8 {
		binary.BigEndian.PutUint64(p[i:], rand.Uint64())
	}
	b.mu.Lock()
	b.next++
	id := b.next
	b.messages[id] = &heard{sent: time.Now(), by: make([]bool, b.n)}
	b.mu.Unlock()
	binary.BigEndian.PutUint64(p, id)
	return id, n.Publish(p)
}

func (b *book) hear(i int, payload []byte) {
	now := time.Now()
	id := binary.BigEndian.Uint64(payload)
	b.mu.Lock()
	defer b.mu.Unlock()
	if m := b.messages[id]; m != nil && !m.by[i] {
		m.by[i] = true
		b.total++
		m.times = append(m.times, now.Sub(m.sent))
	}
}

// arrivals returns how long the message took to each node that heard it, in rising order.
func (b *book) arrivals(id uint64) []time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(slices.Values(b.messages[id].times))
}

// delivered is how many deliveries there have been of messages that were not forgotten meanwhile.
func (b *book) delivered() int { b.mu.Lock(); defer b.mu.Unlock(); return b.total }

// forget lets all messages go, so that what still comes of them does not count.
func (b *book) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.messages)
	b.total = 0
}

func (b *book) live() (count int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.dead {
		if !d {
			count++
		}
	}
	return count
}
