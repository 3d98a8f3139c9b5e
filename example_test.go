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
