package starling_test

// This file tests what a program gets and what a node takes, as docs/promises.md has it.

import (
	"runtime"
	"testing"

	"github.com/starling-gossip/starling"
)

// What a reader gets is its own: writing to it changes nothing for another reader, nor for one that
// comes later.
func TestPayloadsAreTheReadersOwn(t *testing.T) {
	n := start(t, starling.Config{Name: "a"})
	ctx := within(t)
	first, second := n.Subscribe(ctx), n.Subscribe(ctx)
	payload := []byte("hello")
	if _, err := n.Publish(ctx, "t", payload); err != nil {
		t.Fatal(err)
	}
	clear(payload)
	for m := range first {
		clear(m.Payload)
		break
	}
	for m := range second {
		if string(m.Payload) != "hello" {
			t.Errorf("the second reader got %q", m.Payload)
		}
		clear(m.Payload)
		break
	}
	for m := range n.Replay(ctx) {
		if string(m.Payload) != "hello" {
			t.Errorf("held is %q", m.Payload)
		}
		break
	}
}

// A node is two goroutines: one drives the protocol, and one takes the connections by which others
// see that its process lives. What looks seeds up and writes to the log ends by itself.
func TestGoroutinesOfANode(t *testing.T) {
	const nodes = 20
	before := runtime.NumGoroutine()
	for range nodes {
		start(t, starling.Config{Name: "a"})
	}
	for ctx := within(t); runtime.NumGoroutine()-before > 2*nodes; runtime.Gosched() {
		if ctx.Err() != nil {
			t.Fatalf("%d goroutines for %d nodes", runtime.NumGoroutine()-before, nodes)
		}
	}
}
