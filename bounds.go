package starling

// This file is the bounds that a caller meets.

// DefaultPort is the UDP port of an address that names none.
const DefaultPort = 7747

// Bounds, the same at all nodes.
const (
	MaxMessage = 1 << 20   // bytes of a message's payload
	MaxKey     = 128       // bytes of a key, of which there is at least one
	MaxValue   = 64 << 10  // bytes of a key's value
	MaxState   = 256 << 10 // bytes of a node's keys and values, with 32 for each pair
	MaxSeeds   = 256       // seeds and peers of a node, and addresses that they stand for
)

// Bounds of what waits for a slow reader. Over those of Subscribe and Replay the oldest messages
// are dropped, and counted in Message.Missed; over those of Watch and WatchKeys all that waits is,
// and the reader is told to start afresh (Resync, KeyResync).
const (
	WatchQueue     = 1024     // events
	SubscribeQueue = 1024     // messages
	SubscribeBytes = 16 << 20 // bytes of their topics and payloads
	WatchKeysQueue = 4096     // events
	WatchKeysBytes = 8 << 20  // bytes of their keys and values
)
