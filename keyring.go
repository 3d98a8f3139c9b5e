package starling

// This file is the cluster keys that seal all traffic.

import (
	"fmt"

	"github.com/starling-gossip/starling/internal/transport"
)

// Key is a cluster key: 32 secret bytes. Keys are comparable with ==. The zero Key is no key: take
// one from [GenerateKey] or [ParseKey].
//
// Printing one shows its ID, never the secret, as itself and in exported fields. Package fmt prints
// unexported fields without asking them, so do not print a struct that has a Key in one.
type Key struct{ key transport.Key }

// GenerateKey draws a new key from the system's source of randomness.
func GenerateKey() Key { return Key{transport.GenerateKey()} }

// ParseKey reads a key as [Key.Encode] writes it: 32 bytes in standard base64, with space around it
// ignored. The errors do not repeat the text, which may be a secret.
func ParseKey(s string) (Key, error) {
	k, err := transport.ParseKey(s)
	return Key{k}, err
}

// Encode is the key's secret in standard base64, 44 characters, as [ParseKey] reads it.
func (k Key) Encode() string { return k.key.Encode() }

// ID names the key without revealing it: eight hexadecimal digits of a hash, for people who compare
// which machines hold which key.
func (k Key) ID() string { return k.key.ID() }

// String is "key:" and the ID, so that a key in a log line stays secret.
func (k Key) String() string { return k.key.String() }

// Format prints [Key.String] with every verb.
func (k Key) Format(f fmt.State, verb rune) { k.key.Format(f, verb) }

// KeyRing is a list of 1 to 8 cluster keys: the first seals what a node sends, all open what it
// receives. It never changes, and any number of nodes in a process may share one.
//
// To change a cluster's key without an interruption, give every node ([Node.SetKeyRing]) first the
// ring old, new; when all have it, new, old; when all have that, new alone.
type KeyRing struct{ ring *transport.KeyRing }

// NewKeyRing makes a ring of 1 to 8 different keys, the sealing one first. A repeated one is an
// error.
func NewKeyRing(keys ...Key) (*KeyRing, error) {
	inner := make([]transport.Key, len(keys))
	for i, k := range keys {
		inner[i] = k.key
	}
	return ringOf(transport.NewKeyRing(inner...))
}

// ReadKeyFile reads a ring from a file of at most 64 KiB: one key in base64 a line, the sealing one
// first. Empty lines and lines that start with '#' are skipped. The error names the file and the
// line, and wraps that of the file system if it is of that.
func ReadKeyFile(path string) (*KeyRing, error) { return ringOf(transport.ReadKeyFile(path)) }

// Format prints the keys' strings with every verb, never their secrets.
func (r KeyRing) Format(f fmt.State, verb rune) {
	fmt.Fprintf(f, fmt.FormatString(f, verb), fmt.Sprint(r.Keys()))
}

func ringOf(ring *transport.KeyRing, err error) (*KeyRing, error) {
	if err != nil {
		return nil, err
	}
	return &KeyRing{ring}, nil
}

// Keys returns a copy of the ring's keys, the sealing one first.
func (r *KeyRing) Keys() []Key {
	if r.ring == nil {
		return nil
	}
	inner := r.ring.Keys()
	keys := make([]Key, len(inner))
	for i, k := range inner {
		keys[i] = Key{k}
	}
	return keys
}

// usable says what is wrong with a ring that is not nil.
func (r *KeyRing) usable() error {
	if r.ring == nil {
		return fmt.Errorf("%w: the key ring is empty: make one with NewKeyRing", ErrConfig)
	}
	return nil
}
