package starling_test

// This file is the package in use, on loopback and ephemeral ports.

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/starling-gossip/starling"
)

// local starts a node of an example.
func local(ctx context.Context, name string, seeds ...string) *starling.Node {
	n, err := starling.Join(ctx, starling.Config{Name: name, Bind: "127.0.0.1:0", Seeds: seeds})
	if err != nil {
		log.Fatal(err)
	}
	return n
}

// Two nodes form a cluster, and one publishes a message.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	ann, err := starling.Join(ctx, starling.Config{Name: "ann", Bind: "127.0.0.1:0"})
	if err != nil {
		log.Fatal(err)
	}
	defer ann.Close()
	messages := ann.Subscribe(ctx, "greetings")

	bob, err := starling.Join(ctx, starling.Config{
		Name:  "bob",
		Bind:  "127.0.0.1:0",
		Seeds: []string{ann.Self().Addr.String()},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer bob.Close()
	if _, err := bob.Publish(ctx, "greetings", []byte("good morning")); err != nil {
		log.Fatal(err)
	}

	for m := range messages {
		fmt.Printf("%s says %s\n", m.Origin, m.Payload)
		break
	}
	// Output: bob says good morning
}

// A watch begins with the members that are there, and then tells what changes.
func ExampleNode_Watch() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ann := local(ctx, "ann")
	defer ann.Close()
	bob := local(ctx, "bob", ann.Self().Addr.String())

	for e := range ann.Watch(ctx) {
		if e.Member.Name != "bob" {
			continue
		}
		fmt.Println("bob", e.Kind)
		switch e.Kind {
		case starling.MemberJoined:
			go bob.Leave(ctx)
		case starling.MemberLeft:
			return
		}
	}
	// Output:
	// bob joined
	// bob left
}

// Tags are what a member says of itself.
func ExampleNode_Members() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	node, err := starling.Join(ctx, starling.Config{
		Name: "db-1",
		Bind: "127.0.0.1:0",
		Zone: "eu/frankfurt",
		Tags: map[string]string{"role": "primary"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()

	for m := range node.Members() {
		role, _ := m.Tags.Get("role")
		fmt.Println(m.Name, m.State, m.Zone, role)
	}
	// Output: db-1 alive eu/frankfurt primary
}

// A subscription brings what is published from now on, each origin's messages in order.
func ExampleNode_Subscribe() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ann := local(ctx, "ann")
	defer ann.Close()
	bob := local(ctx, "bob", ann.Self().Addr.String())
	defer bob.Close()

	deploys := ann.Subscribe(ctx, "deploys") // it begins here, and not where it is ranged over
	for _, v := range []string{"v41", "v42"} {
		if _, err := bob.Publish(ctx, "deploys", []byte(v)); err != nil {
			log.Fatal(err)
		}
	}
	for m := range deploys {
		if m.Lost > 0 || m.Missed > 0 {
			log.Println("some were lost on the way, or this loop was too slow")
		}
		fmt.Printf("%s: %s\n", m.Origin, m.Payload)
		if m.Seq == 2 {
			break
		}
	}
	// Output:
	// bob: v41
	// bob: v42
}

// A publisher can wait until all members have the message, or as many as it needs.
func ExampleNode_PublishWait() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ann := local(ctx, "ann")
	defer ann.Close()
	bob := local(ctx, "bob", ann.Self().Addr.String())
	defer bob.Close()
	eve := local(ctx, "eve", ann.Self().Addr.String())
	defer eve.Close()

	r, err := eve.PublishWait(ctx, "flags", []byte("dark-mode=on"), starling.All)
	if err != nil {
		log.Fatalf("%d of %d have it, and not %q: %v", r.Have, r.Of, r.Missing, err)
	}
	fmt.Printf("%d of %d have it\n", r.Have, r.Of)
	// Output: 3 of 3 have it
}

// Each node writes keys of its own, and all read them.
func ExampleNode_WatchKeys() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ann := local(ctx, "ann")
	defer ann.Close()
	bob := local(ctx, "bob", ann.Self().Addr.String())
	defer bob.Close()

	if err := bob.Set(ctx, "load/cpu", []byte("0.75"), 0); err != nil {
		log.Fatal(err)
	}
	for e := range ann.WatchKeys(ctx, "load/") {
		switch e.Kind {
		case starling.KeySet:
			fmt.Printf("%s of %s is %s\n", e.Key, e.Owner, e.Value)
			go bob.Delete(ctx, "load/cpu")
		case starling.KeyGone:
			fmt.Printf("%s of %s is gone\n", e.Key, e.Owner)
			return
		}
	}
	// Output:
	// load/cpu of bob is 0.75
	// load/cpu of bob is gone
}

// The nearest of some replicas comes first, by estimated round trips.
func ExampleNode_Near() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ann := local(ctx, "ann")
	defer ann.Close()
	bob := local(ctx, "bob", ann.Self().Addr.String())
	defer bob.Close()
	eve := local(ctx, "eve", ann.Self().Addr.String())
	defer eve.Close()

	replicas, err := eve.Near(ctx, "eve", "ann", "bob")
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range replicas {
		fmt.Println(r.Member.Name, r.Known && r.RTT.Estimate < time.Second)
	}
	// Unordered output:
	// ann true
	// bob true
}
