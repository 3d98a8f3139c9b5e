package transport

// This file is what a Sealer remembers about the senders that it hears. It is a bounded table of
// replay windows, and for a part of them the ready cipher, which is large and can be derived again.
// Both bounds evict by the clock algorithm: a hand goes round and takes the first entry that was
// not used since it last came by.

import (
	"crypto/cipher"
	"slices"
)

const (
	// DefaultCiphers and DefaultSenders bound a Sealer's memory to about 5 MB and, when every
	// sender is busy, 4 MB more; they fill only as senders are heard.
	DefaultCiphers = 4_096
	DefaultSenders = 16_384
)

// sender is one salt that has sent at least one authentic datagram.
type sender struct {
	window window
	aead   cipher.AEAD // nil while only the window is kept
	salt   [saltSize]byte
	key    uint8 // index in the ring
	recent bool  // used since the hand last came by
}

type senders struct {
	index      map[[saltSize]byte]int32 // where in list
	list       []sender
	ciphers    int // entries of list with an aead
	maxCiphers int
	maxSenders int
	hand       int // for ciphers
	senderHand int // for whole entries
}

func newSenders(opts SealerOptions) senders {
	t := senders{maxCiphers: opts.Ciphers, maxSenders: opts.Senders,
		index: map[[saltSize]byte]int32{}}
	if t.maxCiphers <= 0 {
		t.maxCiphers = DefaultCiphers
	}
	if t.maxSenders <= 0 {
		t.maxSenders = DefaultSenders
	}
	t.maxSenders = max(t.maxSenders, t.maxCiphers)
	return t
}

// find returns the sender with this salt or nil. The pointer is valid until the next insert.
func (t *senders) find(salt [saltSize]byte) *sender {
	if i, ok := t.index[salt]; ok {
		return &t.list[i]
	}
	return nil
}

// insert adds a sender that is not in the table, in place of another when it is full.
func (t *senders) insert(salt [saltSize]byte, key uint8, aead cipher.AEAD) *sender {
	i := len(t.list)
	if i < t.maxSenders {
		t.list = append(t.list, sender{})
	} else {
		i = t.evict()
	}
	s := &t.list[i]
	*s = sender{salt: salt, key: key}
	t.index[salt] = int32(i)
	t.used(s, aead)
	return s
}

// used marks a sender as in use, with its cipher.
func (t *senders) used(s *sender, aead cipher.AEAD) {
	if s.aead == nil {
		if t.ciphers == t.maxCiphers {
			t.dropCipher()
		}
		s.aead = aead
		t.ciphers++
	}
	s.recent = true
}

// dropCipher frees the cipher of a sender that was not used lately. It ends within two rounds,
// as the first leaves nobody marked.
func (t *senders) dropCipher() {
	for ; ; t.hand++ {
		t.hand %= len(t.list)
		switch s := &t.list[t.hand]; {
		case s.aead == nil:
		case s.recent:
			s.recent = false
		default:
			s.aead = nil
			t.ciphers--
			return
		}
	}
}

// evict forgets a sender that was not used lately and returns its place.
func (t *senders) evict() int {
	for ; ; t.senderHand++ {
		t.senderHand %= len(t.list)
		s := &t.list[t.senderHand]
		if s.recent {
			s.recent = false
			continue
		}
		delete(t.index, s.salt)
		if s.aead != nil {
			s.aead = nil
			t.ciphers--
		}
		return t.senderHand
	}
}

// rekey forgets the senders whose key is not in the new ring and renumbers the others.
func (t *senders) rekey(old, ring *KeyRing) {
	kept := t.list[:0]
	clear(t.index)
	t.ciphers, t.hand, t.senderHand = 0, 0, 0
	for _, s := range t.list {
		key := slices.Index(ring.keys, old.keys[s.key])
		if key < 0 {
			continue
		}
		s.key = uint8(key)
		if s.aead != nil {
			t.ciphers++
		}
		t.index[s.salt] = int32(len(kept))
		kept = append(kept, s)
	}
	clear(t.list[len(kept):])
	t.list = kept
}
