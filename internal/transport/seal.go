package transport

// This file seals and opens datagrams: AES-256-GCM (NIST SP 800-38D) under a key of the sender's
// own, derived with HKDF (RFC 5869) from the cluster key and the sender's salt.
//
// A sealed datagram, 35 bytes longer than the plain one:
//
//	 0       kind     0xA4; a clear datagram starts with 0xA3
//	 1..12   salt     random, drawn when the sender started
//	13..18   counter  big-endian, one more for every datagram of this salt
//	19..     ciphertext, as long as the plain text
//	last 16  tag      authenticates everything before it
//
// Two senders never share a key, because their salts differ, and one sender never repeats a
// counter; so no nonce is used twice under a key, though nobody stores a counter on disk.
//
// What it does not do. A receiver knows no replays of senders that it has never met or has
// forgotten: after its restart, each recorded datagram is accepted once more. The protocol above
// bears that, as its datagrams are idempotent and stamped with generations. Every node that has the
// cluster key can speak for any other. A node opens its own datagrams when they are sent back to
// it. A flood of garbage costs a key derivation (1.5 µs) a datagram and key of the ring. There is
// no forward secrecy: the key opens what was recorded.

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"slices"
	"sync/atomic"
)

const (
	// SealedKind is the first byte of every sealed datagram.
	SealedKind = 0xA4
	// SealOverhead is how many bytes sealing adds to a datagram.
	SealOverhead = headerSize + tagSize

	saltSize    = 12
	counterSize = 6
	headerSize  = 1 + saltSize + counterSize
	tagSize     = 16

	// lastCounter is where a sender draws a new salt. The field would hold 2^48. But at 2^40
	// datagrams of at most 2^12 blocks of the cipher the chance to tell them from noise is still
	// below 2^-24. A million datagrams a second take twelve days to get there.
	lastCounter = 1<<40 - 1

	sealInfo = "starling seal v1"
)

// Why Open refuses a datagram. They are returned as they are: compare with ==, nothing allocates.
var (
	ErrNotSealed  = errors.New("transport: the datagram is not sealed")
	ErrTooShort   = errors.New("transport: the sealed datagram is too short")
	ErrUnknownKey = errors.New("transport: the datagram was sealed with another key, or altered")
	ErrReplayed   = errors.New("transport: the datagram was received before, or is too old to tell")
)

// Sealer seals what one node sends and opens what it receives. Make one per start of a process;
// it remembers nothing across restarts. One goroutine drives it; only SetKeyRing may be called
// from others.
type Sealer struct {
	next atomic.Pointer[KeyRing] // what SetKeyRing asks for
	ring *KeyRing                // what is in use

	salt    [saltSize]byte
	counter uint64 // of the next datagram
	aead    cipher.AEAD

	senders senders
	nonce   [12]byte // scratch: an array on the stack would escape through cipher.AEAD
}

// SealerOptions bound what a Sealer remembers about those it hears from; the zero value is good.
type SealerOptions struct {
	// Ciphers is how many senders' keys are kept ready, about 800 bytes each; deriving one again
	// takes some microseconds. Zero means DefaultCiphers.
	Ciphers int
	// Senders is how many senders' replay windows are kept, about 125 bytes each and 256 more
	// for a busy one. A sender beyond it that was not heard for long is forgotten. Zero means
	// DefaultSenders; it is never less than Ciphers.
	Senders int
}

// NewSealer makes a Sealer with a fresh salt.
func NewSealer(ring *KeyRing, opts SealerOptions) *Sealer {
	s := &Sealer{ring: ring, senders: newSenders(opts)}
	s.next.Store(ring)
	s.drawSalt()
	return s
}

// SetKeyRing replaces the ring, from the next Seal or Open on. What was sealed with a key that the
// new ring lacks opens no more. Safe from any goroutine.
func (s *Sealer) SetKeyRing(ring *KeyRing) { s.next.Store(ring) }

// Seal appends the sealed form of plain to dst and returns it. The two must not overlap. It
// allocates only to make room in dst.
func (s *Sealer) Seal(dst, plain []byte) []byte {
	s.adopt()
	if s.counter > lastCounter {
		s.drawSalt()
	}
	dst = slices.Grow(dst, len(plain)+SealOverhead)
	start := len(dst)
	dst = append(dst, SealedKind)
	dst = append(dst, s.salt[:]...)
	for shift := 8 * (counterSize - 1); shift >= 0; shift -= 8 {
		dst = append(dst, byte(s.counter>>shift))
	}
	s.counter++
	header := dst[start:]
	return s.aead.Seal(dst, s.nonceOf(header), plain, header)
}

// Open appends the plain form of a sealed datagram to dst and returns it, or nil and one of
// ErrNotSealed, ErrTooShort, ErrUnknownKey, ErrReplayed. The two must not overlap. A datagram
// opens once. It allocates to make room in dst and to derive the key of a sender whose key is
// not at hand.
func (s *Sealer) Open(dst, datagram []byte) ([]byte, error) {
	s.adopt()
	switch {
	case len(datagram) == 0:
		return nil, ErrTooShort
	case datagram[0] != SealedKind:
		return nil, ErrNotSealed
	case len(datagram) < SealOverhead:
		return nil, ErrTooShort
	}
	salt := [saltSize]byte(datagram[1:])
	if from := s.senders.find(salt); from != nil {
		return s.openKnown(dst, datagram, from)
	}
	// A sender enters the table only by a datagram that authenticates, so that garbage cannot
	// push others out.
	for i := range s.ring.keys {
		aead := senderAEAD(&s.ring.keys[i], datagram[1:1+saltSize])
		if plain, err := s.decrypt(dst, datagram, aead); err == nil {
			s.senders.insert(salt, uint8(i), aead).window.accept(counterOf(datagram))
			return plain, nil
		}
	}
	return nil, ErrUnknownKey
}

func (s *Sealer) openKnown(dst, datagram []byte, from *sender) ([]byte, error) {
	counter := counterOf(datagram)
	if !from.window.fresh(counter) {
		return nil, ErrReplayed // before the cipher: a replay costs little
	}
	aead := from.aead
	if aead == nil {
		aead = senderAEAD(&s.ring.keys[from.key], from.salt[:])
	}
	plain, err := s.decrypt(dst, datagram, aead)
	if err != nil {
		return nil, ErrUnknownKey
	}
	from.window.accept(counter)
	s.senders.used(from, aead)
	return plain, nil
}

func (s *Sealer) decrypt(dst, datagram []byte, aead cipher.AEAD) ([]byte, error) {
	header := datagram[:headerSize]
	return aead.Open(dst, s.nonceOf(header), datagram[headerSize:], header)
}

// nonceOf is the header's counter after six zero bytes. It is valid until the next call.
func (s *Sealer) nonceOf(header []byte) []byte {
	copy(s.nonce[len(s.nonce)-counterSize:], header[1+saltSize:])
	return s.nonce[:]
}

func counterOf(datagram []byte) uint64 {
	var c uint64
	for _, b := range datagram[1+saltSize : headerSize] {
		c = c<<8 | uint64(b)
	}
	return c
}

// adopt takes over the ring that SetKeyRing left, if any.
func (s *Sealer) adopt() {
	ring := s.next.Load()
	if ring == s.ring {
		return
	}
	old := s.ring
	s.ring = ring
	s.senders.rekey(old, ring)
	if ring.keys[0] != old.keys[0] {
		s.drawSalt()
	}
}

// drawSalt makes this a new sender, as far as keys and nonces are concerned.
func (s *Sealer) drawSalt() {
	rand.Read(s.salt[:]) // never fails
	s.counter = 0
	s.aead = senderAEAD(&s.ring.keys[0], s.salt[:])
}

// senderAEAD derives the cipher of one sender.
func senderAEAD(key *Key, salt []byte) cipher.AEAD {
	secret, err := hkdf.Key(sha256.New, key.secret[:], salt, sealInfo, KeySize)
	if err != nil {
		panic(err) // only for lengths that we do not use
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}
