// Flags gives a cluster feature flags: one node, the owner, writes them, and every node follows
// them as they change.
//
//	go run ./examples/flags -name ops -bind :7747            (then type: dark-mode=on)
//	go run ./examples/flags -name web -bind :7757 -join 127.0.0.1:7747
//
// An agent can be the owner as well: starling set flag/dark-mode=on.
package main

import (
	"bufio"
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

const prefix = "flag/"

func main() {
	name := flag.String("name", "", "this node's name (default: the host's)")
	bind := flag.String("bind", ":7747", "HOST:PORT to receive on")
	join := flag.String("join", "", "addresses of the cluster, separated by commas")
	owner := flag.String("owner", "ops", "the node whose flags count")
	flag.Parse()
	cfg := starling.Config{Name: *name, Bind: *bind}
	if *join != "" {
		cfg.Seeds = strings.Split(*join, ",")
	}
	if err := run(cfg, *owner); err != nil {
		log.Fatal(err)
	}
}

func run(cfg starling.Config, owner string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	node, err := starling.Join(ctx, cfg)
	if err != nil {
		return err
	}
	if node.Self().Name == owner {
		go write(ctx, node)
	}
	follow(ctx, node, owner)
	if err := node.Err(); err != nil { // it stopped by itself
		return err
	}
	soon, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return node.Leave(soon)
}

// write sets a flag for each line of the standard input: name=value, or name= to delete it.
func write(ctx context.Context, node *starling.Node) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		name, value, ok := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		var err error
		switch {
		case !ok:
			fmt.Println("name=value is wanted")
		case value == "":
			err = node.Delete(ctx, prefix+name)
		default:
			err = node.Set(ctx, prefix+name, []byte(value), 0)
		}
		if err != nil {
			fmt.Println(err)
		}
	}
}

// follow keeps the owner's flags as they are now, until ctx ends.
func follow(ctx context.Context, node *starling.Node, owner string) {
	flags := map[string]string{}
	for e := range node.WatchKeys(ctx, prefix) {
		switch {
		case e.Kind == starling.KeyResync: // too slow: what is there now follows
			clear(flags)
		case e.Owner != owner:
			continue
		case e.Kind == starling.KeysReset: // the owner began anew
			clear(flags)
		case e.Kind == starling.KeyGone:
			delete(flags, e.Key)
		case e.Kind == starling.KeySet:
			flags[e.Key] = e.Value
		}
		fmt.Println(len(flags), "flags:", flags)
	}
}
