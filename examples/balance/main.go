// Balance sends work to nodes that have little to do: each node tells its load, and picks the less
// loaded of two random ones (Mitzenmacher 2001, "the power of two choices"). The load here is made
// up: a random walk.
//
//	go run ./examples/balance -name a -bind :7747
//	go run ./examples/balance -name b -bind :7757 -join 127.0.0.1:7747
//	go run ./examples/balance -name c -bind :7767 -join 127.0.0.1:7747
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/starling-gossip/starling"
)

const (
	key   = "load"
	every = time.Second
	stale = 5 * every // a load that was not told anew for so long is worth nothing
)

func main() {
	name := flag.String("name", "", "this node's name (default: the host's)")
	bind := flag.String("bind", ":7747", "HOST:PORT to receive on")
	join := flag.String("join", "", "addresses of the cluster, separated by commas")
	flag.Parse()
	cfg := starling.Config{Name: *name, Bind: *bind}
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
	load := 50.0
	for ctx.Err() == nil && node.Err() == nil {
		load = min(max(load+20*(rand.Float64()-0.5), 0), 100)
		if err := node.Set(ctx, key, strconv.AppendFloat(nil, load, 'f', 1, 64),
			stale); err != nil {
			break
		}
		to, its := pick(node)
		fmt.Printf("my load is %.1f; the next request goes to %s, whose load is %.1f\n", load,
			to, its)
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

// pick returns the less loaded of two random live nodes, and its load.
func pick(node *starling.Node) (name string, load float64) {
	var up []starling.Member
	for m := range node.Members() {
		if _, ok := node.Get(m.Name, key); ok && m.State == starling.Alive {
			up = append(up, m)
		}
	}
	load = 101
	for range min(2, len(up)) {
		i := rand.IntN(len(up))
		e, ok := node.Get(up[i].Name, key)
		if x, err := strconv.ParseFloat(e.Value, 64); ok && err == nil && x < load {
			name, load = up[i].Name, x
		}
		up = append(up[:i], up[i+1:]...)
	}
	return name, load
}
