package measure

import (
	"fmt"
	"testing"

	"github.com/starling-gossip/starling/bench/internal/codec"
)

var probe = &Measure{
	Name: "codec", Title: "a ping with two updates and its ack, written and " +
		"read", Worlds: []string{Real}, Members: true, Storm: true,
	Metrics: []Metric{
		{Key: "ns", Title: "time", Unit: "ns"},
		{Key: "allocations", Title: "allocations", Unit: "", Exact: true},
		{Key: "bytes", Title: "bytes on the wire, without IP and UDP headers", Unit: "B"},
		{Key: "nsPacked", Title: "time, with the compression that is memberlist's default",
			Unit: "ns"},
		{Key: "bytesPacked", Title: "bytes, with that compression", Unit: "B"},
	},
	run: runProbe,
}

func runProbe(c *cluster) error {
	testing.Init()
	var plain, packed codec.Cost
	var err error
	switch c.job.Peer {
	case "starling": // it does not compress
		plain, err = codec.Starling()
		packed = plain
	case "memberlist":
		if plain, err = codec.Memberlist(false); err == nil {
			packed, err = codec.Memberlist(true)
		}
	default:
		return fmt.Errorf("its pings are memberlist's")
	}
	if err != nil {
		return err
	}
	c.add("ns", plain.Nanoseconds)
	c.add("allocations", plain.Allocations)
	c.add("bytes", plain.Bytes)
	c.add("nsPacked", packed.Nanoseconds)
	c.add("bytesPacked", packed.Bytes)
	return nil
}
