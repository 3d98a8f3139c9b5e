// Package peer has one small interface in front of each system that the bench compares, so that a
// measurement is written once. Every system runs with its own defaults for a LAN; Changed says what
// an adapter had to change, and the bench prints it.
package peer

import (
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"

	"github.com/starling-gossip/starling/bench/internal/virtual"
)

// System starts nodes of one kind.
type System struct {
	Name       string
	Module     string   // whose version is printed
	Changed    []string // from the system's defaults
	Membership bool     // it knows members and finds out which have failed
	Virtual    bool     // it runs on a virtual.Host too
	Start      func(Spec) (Node, error)
}

// Spec is what a node is started with. The functions may be nil; they are called from any
// goroutine, and must not wait.
type Spec struct {
	Name string
	Host *virtual.Host // nil: real sockets on 127.0.0.1
	Tune Tune
	// the node holds a member for live that it did not know, or held for failed
	Live  func(member string)
	Fail  func(member string)  // the node holds a member for failed
	Leave func(member string)  // the node holds a member for left
	Hear  func(payload []byte) // a message was delivered, one's own too
}

// Tune changes a system's defaults for one measurement, which says so.
type Tune struct {
	// Starling: seconds of silence that Inquest grants a member
	Grace float64 `json:"grace,omitempty"`
}

// Node is one running node. All of its methods are safe from any goroutine.
type Node interface {
	// Addr is what others Join.
	Addr() string
	// Join makes the node a member of the cluster that a seed is in; it returns when the seed has
	// let it in.
	Join(ctx context.Context, seed string) error
	// Live counts the members that the node holds for live, itself included. It may cost much.
	Live() int
	// Publish sends a message of at most 400 bytes to all.
	Publish(payload []byte) error
	// Copies counts the copies of messages that came in from others, where that can be known; else
	// it is -1.
	Copies() int64
	// Crash stops the node at once, without telling anybody.
	Crash()
	// Leave tells the others that the node goes, and stops it.
	Leave() error
}

var systems = map[string]*System{}

func register(s *System) { systems[s.Name] = s }

// Named returns the system of a name.
func Named(name string) (*System, error) {
	if s := systems[name]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("no peer %q: there are %v", name, Names())
}

// Names are the systems that there are, Starling first.
func Names() []string {
	return slices.SortedFunc(maps.Keys(systems), func(a,
		b string) int {
		return order[a] - order[b]
	})
}

var order = map[string]int{"starling": 0, "memberlist": 1, "serf": 2, "gossipsub": 3}

// Version is that of the module that the program was built with.
func (s *System) Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, d := range info.Deps {
		if d.Path == s.Module {
			if d.Replace != nil {
				return "of this tree"
			}
			return d.Version
		}
	}
	return "unknown"
}

func call(f func(string), member string) {
	if f != nil {
		f(member)
	}
}
