package transport

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

func ring(t testing.TB, keys ...Key) *KeyRing {
	t.Helper()
	r, err := NewKeyRing(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func pair(t testing.TB) (a, b *Sealer) {
	r := ring(t, GenerateKey())
	return NewSealer(r, SealerOptions{}), NewSealer(r, SealerOptions{})
}

func opens(t testing.TB, s *Sealer, datagram []byte, want string) {
	t.Helper()
	plain, err := s.Open(nil, datagram)
	if err != nil || string(plain) != want {
		t.Fatalf("Open: %q, %v; want %q", plain, err, want)
	}
}

func refuses(t testing.TB, s *Sealer, datagram []byte, want error) {
	t.Helper()
	if plain, err := s.Open(nil, datagram); err != want || plain != nil {
		t.Fatalf("Open: %q, %v; want %v", plain, err, want)
	}
}

func TestSealAndOpen(t *testing.T) {
	a, b := pair(t)
	for _, size := range []int{0, 1, 50, 1400} {
		plain := bytes.Repeat([]byte{7}, size)
		sealed := a.Seal([]byte("before"), plain)
		if len(sealed) != len("before")+size+SealOverhead || string(sealed[:6]) != "before" ||
			sealed[6] != SealedKind {
			t.Fatalf("%d bytes sealed as %x", size, sealed)
		}
		if size > 8 && bytes.Contains(sealed, plain[:8]) {
			t.Fatal("the plain text shows")
		}
		opened, err := b.Open([]byte("kept"), sealed[6:])
		if err != nil || string(opened) != "kept"+string(plain) {
			t.Fatalf("opened %x, %v", opened, err)
		}
	}
	opens(t, a, b.Seal(nil, []byte("back")), "back")
}

func TestOpenRefuses(t *testing.T) {
	a, b := pair(t)
	sealed := a.Seal(nil, []byte("hello"))
	refuses(t, b, nil, ErrTooShort)
	refuses(t, b, []byte{0xA3, 1, 2, 3}, ErrNotSealed)
	refuses(t, b, sealed[:SealOverhead-1], ErrTooShort)
	refuses(t, b, sealed[:SealOverhead], ErrUnknownKey)
	stranger, _ := pair(t)
	refuses(t, stranger, sealed, ErrUnknownKey)
	// Every bit is authenticated, for an unknown sender and for a known one.
	for range 2 {
		for i := range sealed[1:] {
			bad := bytes.Clone(sealed)
			bad[1+i] ^= 1 << (i % 8)
			if plain, err := b.Open(nil, bad); err == nil {
				t.Fatalf("byte %d altered and opened as %q", 1+i, plain)
			}
		}
		opens(t, b, sealed, "hello")
		sealed = a.Seal(nil, []byte("hello"))
	}
}

func TestReplaysAndReordering(t *testing.T) {
	a, b := pair(t)
	var sent [][]byte
	for range replayWindow {
		sent = append(sent, a.Seal(nil, []byte("x")))
	}
	order := rand.New(rand.NewPCG(1, 2)).Perm(len(sent))
	for _, i := range order {
		opens(t, b, sent[i], "x")
		refuses(t, b, sent[i], ErrReplayed)
	}
	for _, d := range sent {
		refuses(t, b, d, ErrReplayed)
	}
	// Beyond the window a datagram is refused though it was never seen.
	late := a.Seal(nil, []byte("late"))
	edge := a.Seal(nil, []byte("edge"))
	a.counter += replayWindow - 2
	opens(t, b, a.Seal(nil, []byte("new")), "new")
	refuses(t, b, late, ErrReplayed)
	opens(t, b, edge, "edge")
}

func TestAForgedCounterDoesNotMoveTheWindow(t *testing.T) {
	a, b := pair(t)
	opens(t, b, a.Seal(nil, []byte("one")), "one")
	forged := a.Seal(nil, []byte("two"))
	honest := bytes.Clone(forged)
	forged[13] = 0xFF // a counter far ahead
	refuses(t, b, forged, ErrUnknownKey)
	opens(t, b, honest, "two")
}

func TestNoNonceRepeatsAcrossSalts(t *testing.T) {
	a, b := pair(t)
	seen := map[[headerSize]byte]bool{}
	sealOne := func() {
		d := a.Seal(nil, []byte("x"))
		h := [headerSize]byte(d)
		if seen[h] {
			t.Fatalf("salt and counter %x used twice", h)
		}
		seen[h] = true
		opens(t, b, d, "x")
	}
	first := a.salt
	sealOne()
	a.counter = lastCounter - 2
	for range 6 {
		sealOne()
	}
	if a.salt == first || a.counter != 3 {
		t.Fatalf("after the last counter: salt drawn again %v, counter %d; want true, 3",
			a.salt != first, a.counter)
	}
	if restarted := NewSealer(a.ring, SealerOptions{}); restarted.salt == a.salt {
		t.Fatal("a restart kept the salt")
	}
}

// A rotation in three steps, where the two nodes are never in the same step at the same time for
// long: at every moment each opens what the other seals.
func TestRotationWithoutInterruption(t *testing.T) {
	old, fresh := GenerateKey(), GenerateKey()
	steps := []*KeyRing{ring(t, old), ring(t, old, fresh), ring(t, fresh, old), ring(t, fresh)}
	a, b := NewSealer(steps[0], SealerOptions{}), NewSealer(steps[0], SealerOptions{})
	talk := func() {
		t.Helper()
		opens(t, b, a.Seal(nil, []byte("ab")), "ab")
		opens(t, a, b.Seal(nil, []byte("ba")), "ba")
	}
	talk()
	recorded := b.Seal(nil, []byte("under the old key"))
	salt := a.salt
	for i, step := range steps[1:] {
		a.SetKeyRing(step)
		talk()
		b.SetKeyRing(step)
		talk()
		if changed := a.salt != salt; changed != (i == 1) {
			t.Errorf("step %d: salt changed %v", i+1, changed)
		}
		salt = a.salt
	}
	refuses(t, a, recorded, ErrUnknownKey) // a knew this sender, but its key is gone
}

func TestReplayStateSurvivesARotation(t *testing.T) {
	k1, k2 := GenerateKey(), GenerateKey()
	a, b := NewSealer(ring(t, k1), SealerOptions{}), NewSealer(ring(t, k1), SealerOptions{})
	d := a.Seal(nil, []byte("x"))
	opens(t, b, d, "x")
	b.SetKeyRing(ring(t, k2, k1))
	refuses(t, b, d, ErrReplayed)
	opens(t, b, a.Seal(nil, []byte("y")), "y")
}

func TestGarbageEvictsNobody(t *testing.T) {
	r := ring(t, GenerateKey())
	a, b := NewSealer(r, SealerOptions{}), NewSealer(r, SealerOptions{Ciphers: 2, Senders: 2})
	d := a.Seal(nil, []byte("x"))
	opens(t, b, d, "x")
	rng := rand.New(rand.NewPCG(3, 4))
	garbage := make([]byte, 80)
	for range 1000 {
		for i := range garbage {
			garbage[i] = byte(rng.Uint32())
		}
		garbage[0] = SealedKind
		refuses(t, b, garbage, ErrUnknownKey)
	}
	refuses(t, b, d, ErrReplayed)
	if len(b.senders.list) != 1 || len(b.senders.index) != 1 {
		t.Errorf("%d senders in the table", len(b.senders.list))
	}
}

func TestSendersAreBounded(t *testing.T) {
	r := ring(t, GenerateKey())
	b := NewSealer(r, SealerOptions{Ciphers: 3, Senders: 10})
	busy := NewSealer(r, SealerOptions{})
	var first []byte // the first datagram of each of ten senders
	var kept [][]byte
	for range 9 {
		s := NewSealer(r, SealerOptions{})
		first = s.Seal(nil, []byte("x"))
		kept = append(kept, first)
		opens(t, b, first, "x")
		opens(t, b, busy.Seal(nil, []byte("busy")), "busy")
	}
	// More senders than ciphers: the windows of all are kept.
	for _, d := range kept {
		refuses(t, b, d, ErrReplayed)
	}
	for range 200 {
		s := NewSealer(r, SealerOptions{})
		opens(t, b, s.Seal(nil, []byte("x")), "x")
		opens(t, b, busy.Seal(nil, []byte("busy")), "busy")
		ciphers := 0
		for i := range b.senders.list {
			entry := &b.senders.list[i]
			if entry.aead != nil {
				ciphers++
			}
			if b.senders.find(entry.salt) != entry {
				t.Fatal("the index and the list differ")
			}
		}
		if len(b.senders.list) > 10 || len(b.senders.index) != len(b.senders.list) ||
			ciphers > 3 || ciphers != b.senders.ciphers {
			t.Fatalf("%d senders, %d indexed, %d ciphers (counted %d)", len(b.senders.list),
				len(b.senders.index), ciphers, b.senders.ciphers)
		}
	}
	if b.senders.find(busy.salt) == nil {
		t.Error("the busiest sender was forgotten")
	}
}

func TestSealingAllocatesNothing(t *testing.T) {
	a, b := pair(t)
	plain, buf, out := make([]byte, 50), make([]byte, 0, 1500), make([]byte, 0, 1500)
	for range 20 { // until the sender has its ring of bits
		b.Open(out, a.Seal(buf, plain))
	}
	replay := bytes.Clone(a.Seal(buf, plain))
	b.Open(out, replay)
	short := []byte{SealedKind, 1}
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := b.Open(out, a.Seal(buf, plain)); err != nil {
			t.Fatal(err)
		}
		b.Open(out, replay)
		b.Open(out, short)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzOpen feeds Open anything: no panic, and nothing opens but what was sealed, once.
func FuzzOpen(f *testing.F) {
	key := Key{[KeySize]byte{1, 2, 3}}
	r := ring(f, key)
	a := NewSealer(r, SealerOptions{})
	// A fixed salt, so that the corpus's sealed datagrams are genuine in every run.
	a.salt = [saltSize]byte{9, 8, 7}
	a.aead = senderAEAD(&key, a.salt[:])
	genuine := map[string]string{}
	for i := range 40 {
		plain := binary.BigEndian.AppendUint64(nil, uint64(i))[:i%9]
		d := a.Seal(nil, plain)
		genuine[string(d)] = string(plain)
		f.Add(d, byte(i), byte(1))
		f.Add(d, byte(0), byte(0))
	}
	f.Add([]byte{}, byte(0), byte(0))
	f.Add([]byte{0xA3, 0}, byte(0), byte(0))
	f.Fuzz(func(t *testing.T, datagram []byte, at, flip byte) {
		if len(datagram) > 0 {
			datagram[int(at)%len(datagram)] ^= flip
		}
		b := NewSealer(r, SealerOptions{Ciphers: 1, Senders: 1})
		for try := range 2 { // as an unknown sender, then as a known one
			plain, err := b.Open(nil, datagram)
			want, ok := genuine[string(datagram)]
			switch {
			case ok && try == 0:
				if err != nil || string(plain) != want {
					t.Fatalf("genuine, opened as %x, %v", plain, err)
				}
			case err == nil:
				t.Fatalf("try %d: %x opened as %x", try, datagram, plain)
			case plain != nil:
				t.Fatal("bytes with an error")
			}
		}
		known := a.salt
		b.senders.insert(known, 0, a.aead)
		if plain, err := b.Open(nil, datagram); err == nil &&
			genuine[string(datagram)] != string(plain) {
			t.Fatalf("known sender: %x opened as %x", datagram, plain)
		}
	})
}
