package gossip

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/rumor"
)

type lossy struct{ failed, of int }

func (l lossy) Losses() (failed, of int) { return l.failed, l.of }

// News is pushed in ⌈3/√(1−r)⌉ rounds, and in three while next to nothing is lost.
func TestRoundsFollowLoss(t *testing.T) {
	for _, c := range []struct{ percent, rounds int }{{0, 3}, {5, 3}, {30, 4}, {50, 5},
		{60, 5}, {75, 6}, {95, 8}, {100, 8}} {
		n, err := New(nil, Self{Name: "a", Generation: 1, Addr: addrOf(0)}, rand.NewPCG(1, 2),
			rand.NewPCG(3, 4))
		if err != nil {
			t.Fatal(err)
		}
		n.Wake(0, &Outbox{})
		n.lossy = lossy{c.percent, 100}
		n.now = 0
		n.putNews(rumor.Item{Key: uint64(member.IDOf("x"))})
		var at []time.Duration
		for it := n.news.Peek(n.now); it != nil; it = n.news.Peek(n.now) {
			at = append(at, time.Duration(n.now))
			n.news.Pushed(n.now, it)
			if n.news.Len() == 0 {
				break
			}
			n.now = n.news.Deadline()
		}
		if len(at) != c.rounds || at[2] != 20*time.Millisecond || len(at) > 3 &&
			at[3] != 35*time.Millisecond {
			t.Errorf("at %d %% loss news is pushed at %v, want %d rounds", c.percent, at, c.rounds)
		}
	}
}
