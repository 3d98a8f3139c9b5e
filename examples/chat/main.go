// Chat sends what you type to everybody, and shows what the others type.
//
//	go run ./examples/chat -name ann -bind :7747
//	go run ./examples/chat -name bob -bind :7757 -join 127.0.0.1:7747
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

const room = "chat"

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
	go speak(ctx, stop, node)
	for m := range node.Subscribe(ctx, room) {
		if m.Seq > 0 && m.Origin != node.Self().Name {
			fmt.Printf("%s: %s\n", m.Origin, m.Payload)
		}
	}
	if err := node.Err(); err != nil { // it stopped by itself
		return err
	}
	soon, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return node.Leave(soon)
}

// speak publishes the lines of the standard input; its end ends the chat.
func speak(ctx context.Context, stop func(), node *starling.Node) {
	defer stop()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if _, err := node.Publish(ctx, room, lines.Bytes()); err != nil {
			fmt.Fprintln(os.Stderr, "not sent:", err)
		}
	}
}
