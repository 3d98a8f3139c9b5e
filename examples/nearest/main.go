// Nearest picks, for each of its requests, the live member with a tag that is the nearest: the
// replica to read from. Where the members stand is asked for once a minute at most, so this may be
// called as often as one likes.
//
//	go run ./examples/nearest -name a -bind :7747 -role db
//	go run ./examples/nearest -name b -bind :7757 -join 127.0.0.1:7747 -role db
//	go run ./examples/nearest -name c -bind :7767 -join 127.0.0.1:7747
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/starling-gossip/starling"
)

const every = 2 * time.Second

func main() {
	name := flag.String("name", "", "this node's name (default: the host's)")
	bind := flag.String("bind", ":7747", "HOST:PORT to receive on")
	join := flag.String("join", "", "addresses of the cluster, separated by commas")
	role := flag.String("role", "web", "this node's role")
	flag.Parse()
	cfg := starling.Config{Name: *name, Bind: *bind, Tags: map[string]string{"role": *role}}
	if *join != "" {
		cfg.Seeds = strings.Split(*join, ",")
	}
	if err := run(cfg); err != nil {
		log.Fatal(err)
	}
}

func run(cfg starling.Config) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	node, err := starling.Join(ctx, cfg)
	if err != nil {
		return err
	}
	for ctx.Err() == nil && node.Err() == nil {
		if db, ok := nearest(ctx, node, "db"); ok {
			fmt.Printf("%s is the nearest: %s, give or take %.0f %%\n", db.Member.Name,
				db.RTT.Estimate.Round(10*time.Microsecond), 100*db.RTT.Error)
		} else {
			fmt.Println("there is no db")
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
		}
	}
	if err := node.Err(); err != nil { // it stopped by itself
		return err
	}
	soon, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return node.Leave(soon)
}

// nearest returns the other live member of a role that is the nearest to this node. It does not
// wait long for those that do not answer: it takes the nearest of those that did.
func nearest(ctx context.Context, node *starling.Node, role string) (n starling.Neighbor, ok bool) {
	self := node.Self().Name
	var names []string
	for m := range node.Members() {
		if r, _ := m.Tags.Get("role"); r == role && m.Name != self {
			names = append(names, m.Name)
		}
	}
	if len(names) == 0 {
		return n, false // without names, Near would be about all members
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	all, _ := node.Near(ctx, self, names...) // with an error too, it is what is known
	if len(all) == 0 || !all[0].Known {
		return n, false
	}
	return all[0], true
}
