// Services tells where a service runs and which of its instances are well: each node writes its
// endpoint once, and a health key with a short life as long as its check passes. Stop a node, or
// create the file that -sick names, and look at the others.
//
//	go run ./examples/services -name a -bind :7747 -endpoint 10.0.0.1:80
//	go run ./examples/services -name b -bind :7757 -endpoint 10.0.0.2:80 -join 127.0.0.1:7747
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/starling-gossip/starling"
)

const (
	endpoint = "service/web"
	health   = "health/web"
	every    = time.Second / 4 // of the check
	// of a health key: a node whose check hangs is out of service after it
	lifetime = 3 * time.Second
)

func main() {
	name := flag.String("name", "", "this node's name (default: the host's)")
	bind := flag.String("bind", ":7747", "HOST:PORT to receive on")
	join := flag.String("join", "", "addresses of the cluster, separated by commas")
	where := flag.String("endpoint", "", "where this node's service is; empty if it has none")
	sick := flag.String("sick", "sick", "the check fails while this file is there")
	flag.Parse()
	cfg := starling.Config{Name: *name, Bind: *bind}
	if *join != "" {
		cfg.Seeds = strings.Split(*join, ",")
	}
	if err := run(cfg, *where, *sick); err != nil {
		log.Fatal(err)
	}
}

func run(cfg starling.Config, where, sick string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	node, err := starling.Join(ctx, cfg)
	if err != nil {
		return err
	}
	if where != "" {
		if err := node.Set(ctx, endpoint, []byte(where), 0); err != nil {
			return err
		}
	}
	last := ""
	for ctx.Err() == nil && node.Err() == nil {
		if _, err := os.Stat(sick); where != "" && os.IsNotExist(err) {
			if node.Set(ctx, health, []byte("ok"), lifetime) != nil {
				break
			}
		}
		if now := strings.Join(usable(node), " "); now != last {
			fmt.Println(time.Now().Format(time.TimeOnly), "in service:", now)
			last = now
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

// usable returns the endpoints of the nodes that are alive and well.
func usable(node *starling.Node) (out []string) {
	for m := range node.Members() {
		where, ok := node.Get(m.Name, endpoint)
		if _, well := node.Get(m.Name, health); ok && well && m.State == starling.Alive {
			out = append(out, where.Value)
		}
	}
	slices.Sort(out)
	return out
}
