// Members joins a cluster and prints its members, then every change, until Ctrl-C.
//
//	go run ./examples/members -name a -bind :7747
//	go run ./examples/members -name b -bind :7757 -join 127.0.0.1:7747
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
	for e := range node.Watch(ctx) {
		fmt.Printf("%s  %-10s %-20s %s\n", e.Time.Format(time.TimeOnly), e.Kind, e.Member.Name,
			e.Member.Addr)
	}
	if err := node.Err(); err != nil { // it stopped by itself
		return err
	}
	soon, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return node.Leave(soon)
}
