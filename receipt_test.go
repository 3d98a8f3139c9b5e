package starling_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/starling-gossip/starling"
)

// What can never be reached fails at once, and nothing is sent; what can is told with the size of the
// last agreed view.
func TestNeedBeyondTheCluster(t *testing.T) {
	ctx := within(t)
	n := cluster(t, 3, starling.Config{})[0]
	if r, err := n.PublishWait(ctx, "t", nil, starling.AtLeast(4)); !errors.Is(err, starling.ErrNeed) || r.Seq != 0 {
		t.Errorf("4 of 3: %+v %v", r, err)
	}
	if r, err := n.PublishWait(ctx, "t", nil, starling.All); err != nil || r.Seq != 1 || r.Have != 3 || r.Of != 3 || r.Agreed != 3 {
		t.Errorf("3 of 3: %+v %v", r, err)
	}
}

// A node that no seed lets in does not say that all of one have its message.
func TestPublishWaitOutside(t *testing.T) {
	n, err := starling.Start(starling.Config{Name: "outside", Bind: "127.0.0.1:0", Seeds: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	ctx, stop := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer stop()
	if r, err := n.PublishWait(ctx, "t", nil, starling.All); !errors.Is(err, context.DeadlineExceeded) || r.Seq != 0 || r.Of != 0 {
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
