package starling_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/starling-gossip/starling"
)

// What can never be reached fails at once, and nothing is sent; what can is told with the size of
// the last agreed view.
func TestNeedBeyondTheCluster(t *testing.T) {
	ctx := within(t)
	n := cluster(t, 3, starling.Config{})[0]
	if r, err := n.PublishWait(ctx, "t", nil, starling.AtLeast(4)); !errors.Is(err,
		starling.ErrNeed) || r.Seq != 0 {
		t.Errorf("4 of 3: %+v %v", r, err)
	}
	if r, err := n.PublishWait(ctx, "t", nil, starling.All); err != nil || r.Seq != 1 ||
		r.Have != 3 || r.Of != 3 || r.Agreed != 3 {
		t.Errorf("3 of 3: %+v %v", r, err)
	}
}

// A node that no seed lets in does not say that all of one have its message.
func TestPublishWaitOutside(t *testing.T) {
	n, err := starling.Start(starling.Config{Name: "outside", Bind: "127.0.0.1:0",
		Seeds: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	ctx, stop := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer stop()
	if r, err := n.PublishWait(ctx, "t", nil, starling.All); !errors.Is(err,
		context.DeadlineExceeded) || r.Seq != 0 || r.Of != 0 {
		t.Errorf("%+v %v", r, err)
	}
}

// A large message is out before a Leave is over, and a node leaves once.
func TestLeaveLetsGo(t *testing.T) {
	nodes := cluster(t, 3, starling.Config{})
	ctx := within(t)
	heard := nodes[1].Subscribe(ctx, "t")
	if _, err := nodes[0].Publish(ctx, "t", make([]byte, 300_000)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := nodes[0].Leave(ctx); err != nil {
			t.Error(err)
		}
	}
	for m := range heard {
		if len(m.Payload) != 300_000 {
			t.Errorf("%d bytes", len(m.Payload))
		}
		return
	}
	t.Error("it did not come")
}

// A node that leaves without the time to let go what it published says that it is not out.
func TestLeaveWithoutTime(t *testing.T) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	soon, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	for name, ctx := range map[string]context.Context{"cancelled": cancelled,
		"a millisecond": soon} {
		node := cluster(t, 3, starling.Config{})[0]
		if _, err := node.Publish(within(t), "t", make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		err := node.Leave(ctx)
		if !errors.Is(err, starling.ErrUnsent) {
			t.Errorf("%s: %v", name, err)
		}
		if again := node.Leave(ctx); !errors.Is(again, starling.ErrUnsent) {
			t.Errorf("%s, twice: %v", name, again)
		}
	}
}

// A node that published nothing has nothing that is not out.
func TestLeaveWithNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	node := cluster(t, 1, starling.Config{})[0]
	if err := node.Leave(ctx); err == nil || errors.Is(err, starling.ErrUnsent) {
		t.Error(err)
	}
}
