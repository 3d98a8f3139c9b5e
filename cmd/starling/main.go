// Command starling is the agent, its client, and a cluster to try in one binary.
package main

import "os"

func main() {
	app := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, lookup: os.LookupEnv}
	os.Exit(app.run(os.Args[1:]))
}
