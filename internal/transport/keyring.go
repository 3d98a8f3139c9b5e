package transport

// This file holds cluster keys: making, reading and writing them, and the ring that lets a
// cluster change its key while it runs.

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

const (
	// KeySize is the length of a cluster key in bytes.
	KeySize = 32
	// MaxKeys bounds a key ring. A rotation needs two; and each key more makes a forged datagram
	// dearer to refuse.
	MaxKeys = 8

	maxKeyFile = 64 << 10 // bytes; a larger file is not a key file
)

// Key is a cluster key: 32 secret bytes. Printing one shows its ID, never the secret.
type Key struct{ secret [KeySize]byte }

// GenerateKey draws a new key from the system's source of randomness.
func GenerateKey() Key {
	var k Key
	rand.Read(k.secret[:]) // never fails
	return k
}

// ParseKey reads a key as Encode writes it: 32 bytes in standard base64, with space around it
// ignored. The errors do not repeat the text, which may be a secret.
func ParseKey(s string) (Key, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s))
	if err != nil {
		return Key{}, errors.New("the key is not standard base64 (44 characters that end in " +
			"'='); make one with 'starling keygen'")
	}
	if len(raw) != KeySize {
		return Key{}, fmt.Errorf("the key has %d bytes and must have %d; make one with "+
			"'starling keygen'", len(raw), KeySize)
	}
	return Key{[KeySize]byte(raw)}, nil
}

// Encode is the key's secret in standard base64, as ParseKey reads it.
func (k Key) Encode() string { return base64.StdEncoding.EncodeToString(k.secret[:]) }

// ID names the key without revealing it: eight hexadecimal digits of a hash, for people who
// compare which machines hold which key.
func (k Key) ID() string {
	h := sha256.New()
	h.Write([]byte("starling key id v1"))
	h.Write(k.secret[:])
	return hex.EncodeToString(h.Sum(nil)[:4])
}

// String is "key:" and the ID, so that a key in a log line stays secret.
func (k Key) String() string { return "key:" + k.ID() }

// Format prints String with every verb, so that %d does not print the bytes.
func (k Key) Format(f fmt.State, verb rune) {
	fmt.Fprintf(f, fmt.FormatString(f, verb), k.String())
}

// KeyRing is a list of cluster keys: the first seals, all open. It never changes, and any number
// of Sealers may share one.
//
// To change a cluster's key without an interruption, give every node (1) the ring old, new; when
// all have it, (2) new, old; when all have that, (3) new.
type KeyRing struct{ keys []Key }

// NewKeyRing makes a ring of 1 to MaxKeys different keys; a repeated one is an error.
func NewKeyRing(keys ...Key) (*KeyRing, error) {
	if len(keys) == 0 || len(keys) > MaxKeys {
		return nil, fmt.Errorf("a key ring needs 1 to %d keys and got %d", MaxKeys, len(keys))
	}
	for i, k := range keys {
		if j := slices.Index(keys, k); j < i {
			return nil, fmt.Errorf("keys %d and %d of the ring are the same (%v); remove one",
				j+1, i+1, k)
		}
	}
	return &KeyRing{slices.Clone(keys)}, nil
}

// Keys returns a copy of the ring's keys, the sealing one first.
func (r *KeyRing) Keys() []Key { return slices.Clone(r.keys) }

// ReadKeyFile reads a ring from a file: one key in base64 a line, the sealing one first. Empty
// lines and lines that start with '#' are skipped.
func ReadKeyFile(path string) (*KeyRing, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the key file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot read the key file %s: %w", path, err)
	case len(data) > maxKeyFile:
		return nil, fmt.Errorf("%s is longer than %d bytes and cannot be a key file", path,
			maxKeyFile)
	}
	ring, err := parseKeyFile(data)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return ring, nil
}

func parseKeyFile(data []byte) (*KeyRing, error) {
	var keys []Key
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		key, err := ParseKey(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		keys = append(keys, key)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, errors.New("no key in it; write one with 'starling keygen'")
	}
	return NewKeyRing(keys...)
}
