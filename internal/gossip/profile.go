package gossip

import (
	"fmt"
	"strings"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/accrual"
	"github.com/starling-gossip/starling/internal/gossip/heartbeat"
	"github.com/starling-gossip/starling/internal/gossip/inquest"
	"github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/gossip/swim"
)

// This file is the kinds of network that a person chooses by name.

// ProfileNames are the profiles that there are; the first is the default.
var ProfileNames = []string{"lan", "wan", "local"}

// Profile returns the Config of a kind of network, for the caller to fill in the rest. Of the
// values that it does not name, the defaults are right. All members of a cluster use the same.
//
//   - lan: the defaults, for one datacenter or a few that are near each other, up to about 80 ms
//     apart.
//   - wan: for nodes all over the world and for lines that lose packets in bursts: half as many
//     pings, twice the grace, and answers may take two seconds. A crash is known about 3.4 s later
//     under Inquest.
//   - local: for one machine or one rack, where answers come within a millisecond: twice as many
//     pings and half the grace. A crash is known about 1.1 s later under Inquest. A virtual machine
//     that stands still for longer is failed.
func Profile(name string) (Config, error) {
	switch name {
	case "lan":
		return Config{}, nil
	case "wan":
		return Config{
			SWIM:      swim.Config{Period: 1600 * time.Millisecond, MinRTO: 200 * time.Millisecond},
			Heartbeat: heartbeat.Config{Period: 2 * time.Second},
			Accrual:   accrual.Config{Period: 2 * time.Second, Pause: 6 * time.Second},
			Inquest: inquest.Config{
				Period: 1200 * time.Millisecond, Grace: 2 * inquest.DefaultGrace,
				DeafGrace: 2 * inquest.DefaultDeafGrace,
				MinRTO:    100 * time.Millisecond, MaxRTO: 2 * time.Second,
			},
			Rounds:  []time.Duration{0, 50 * time.Millisecond, 200 * time.Millisecond},
			Streams: stream.Config{Wait: 250 * time.Millisecond, Timeout: time.Second},
		}, nil
	case "local":
		return Config{
			SWIM:      swim.Config{Period: 400 * time.Millisecond, MinRTO: 20 * time.Millisecond},
			Heartbeat: heartbeat.Config{Period: 500 * time.Millisecond},
			Accrual: accrual.Config{Period: 500 * time.Millisecond,
				Pause: 1500 * time.Millisecond},
			Inquest: inquest.Config{
				Period: 300 * time.Millisecond, Grace: inquest.DefaultGrace / 2,
				MinRTO: 20 * time.Millisecond, MaxRTO: 500 * time.Millisecond,
			},
		}, nil
	}
	return Config{}, fmt.Errorf("there is no profile %q, there are %s", name,
		strings.Join(ProfileNames, ", "))
}
