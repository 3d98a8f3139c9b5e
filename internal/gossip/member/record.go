package member

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unique"
)

// Limits of what a member may say of itself. MaxRecord keeps a record, with all that stands around
// it in any message, within the datagram that every node can send (wire.MinRoom), and leaves room
// there for what joining may add.
const (
	MaxName   = 128 // bytes of a name
	MaxZone   = 128 // bytes of a zone path
	MaxTags   = 640 // bytes of all tags together, encoded
	MaxRecord = 896 // bytes of name, zone and tags together, with 64 for the rest

	// MaxGeneration is far beyond every clock. Nobody believes a higher one, so that no forged one
	// is the last word.
	MaxGeneration = 1 << 62
)

// ID stands for a name in tables and packets: the name's 64-bit hash. Two names of one cluster meet
// with probability n²/2⁶⁵; a table refuses the second.
type ID uint64

// IDOf returns the ID of a name. It is never 0, which stands for "nobody".
func IDOf(name string) ID {
	h := Mix(hashString(fnvOffset, name))
	if h == 0 {
		h = 1
	}
	return ID(h)
}

// Record is what a member says of itself. It is immutable and comparable; equal records of one
// process are one.
type Record struct {
	Name string // unique in the cluster, 1 to MaxName bytes
	// set when the process starts, rising across restarts: milliseconds of Unix time
	Generation uint64
	Addr       netip.AddrPort // where it receives packets
	Outside    netip.AddrPort // where members of other zones send to; not valid: to Addr too
	Zone       string         // where it is: a path, widest first; empty if nowhere in particular
	Tags       Tags           // free key=value
	Protocol   uint8          // the highest protocol version that it speaks
}

// ErrRecord is wrapped by every error of Record.Validate.
var ErrRecord = errors.New("not a valid member record")

// room is how many bytes of a record are not for name, zone and tags.
func (r *Record) room() int {
	if r.Outside.IsValid() {
		return 64 + 20
	}
	return 64
}

// Validate says what is wrong with a record, if anything is.
func (r *Record) Validate() error {
	switch {
	case r.Name == "":
		return fmt.Errorf("%w: the name is empty", ErrRecord)
	case len(r.Name) > MaxName:
		return fmt.Errorf("%w: the name has %d bytes, at most %d are allowed", ErrRecord,
			len(r.Name), MaxName)
	case len(r.Zone) > MaxZone:
		return fmt.Errorf("%w: the zone has %d bytes, at most %d are allowed", ErrRecord,
			len(r.Zone), MaxZone)
	case len(r.Tags) > MaxTags:
		return fmt.Errorf("%w: the tags have %d bytes, at most %d are allowed", ErrRecord,
			len(r.Tags), MaxTags)
	case len(r.Name)+len(r.Zone)+len(r.Tags)+r.room() > MaxRecord:
		return fmt.Errorf("%w: name, zone and tags have %d bytes together, at most %d are allowed",
			ErrRecord, len(r.Name)+len(r.Zone)+len(r.Tags), MaxRecord-r.room())
	case r.Generation > MaxGeneration:
		return fmt.Errorf("%w: %s has the generation %d, at most %d is allowed", ErrRecord,
			r.Name, r.Generation, uint64(MaxGeneration))
	case !r.Addr.IsValid() || r.Addr.Port() == 0 || r.Addr.Addr().IsUnspecified() ||
		IsCrowd(r.Addr.Addr()):
		return fmt.Errorf("%w: %s has the address %s, where nobody can be reached", ErrRecord,
			r.Name, r.Addr)
	}
	if r.Outside.IsValid() && (r.Outside.Port() == 0 || r.Outside.Addr().IsUnspecified() ||
		IsCrowd(r.Outside.Addr())) {
		return fmt.Errorf("%w: %s has the outside address %s, where nobody can be reached",
			ErrRecord, r.Name, r.Outside)
	}
	return r.Tags.validate()
}

// IsCrowd says whether many hosts get what is sent to an address, wherever it is sent from: a
// multicast address, or the broadcast address of each network. That of one network nobody outside
// knows.
func IsCrowd(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// Handle is a shared record: 8 bytes, equal exactly when the records are.
type Handle = unique.Handle[Record]

// Top returns the widest part of a zone path: what tells zones apart.
func Top(zone string) string {
	top, _, _ := strings.Cut(zone, "/")
	return top
}

// Share returns the one handle of a record in this process.
func Share(r Record) Handle { return unique.Make(r) }

// Check is 32 bits of a record's hash: enough to see that two nodes mean the same record when name,
// generation and incarnation are the same already.
func (r *Record) Check() uint32 {
	h := hashString(fnvOffset, r.Name)
	h = hashUint(h, r.Generation)
	h = hashAddr(h, r.Addr)
	h = hashString(h, r.Zone)
	h = hashString(h, string(r.Tags))
	h = hashByte(h, r.Protocol)
	if r.Outside.IsValid() {
		h = hashAddr(h, r.Outside)
	}
	return uint32(Mix(h))
}

// Instance is 32 bits that tell one life of a member from another: packets carry the one they are
// meant for, so that a process at the address of a dead member is not mistaken for it. It is never
// 0, which stands for any process at that address.
//
// It is made of the generation's low 32 bits, which a datagram's header carries.
func Instance(id ID, generation uint32) uint32 {
	h := uint32(Mix(uint64(id) ^ Mix(uint64(generation))))
	if h == 0 {
		h = 1
	}
	return h
}

// FNV-1a, 64 bits (Fowler, Noll, Vo), closed by the finalizer of MurmurHash3: small, the same on
// every machine, and good enough where no adversary chooses the input; outsiders cannot, in a
// sealed cluster.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

func hashByte(h uint64, b byte) uint64 { return (h ^ uint64(b)) * fnvPrime }

// hashString includes the length, so that ("ab","c") and ("a","bc") differ.
func hashString(h uint64, s string) uint64 {
	for i := range len(s) {
		h = hashByte(h, s[i])
	}
	return hashUint(h, uint64(len(s)))
}

func hashAddr(h uint64, a netip.AddrPort) uint64 {
	for _, b := range a.Addr().As16() {
		h = hashByte(h, b)
	}
	return hashUint(h, uint64(a.Port()))
}

func hashUint(h, v uint64) uint64 {
	for range 8 {
		h = hashByte(h, byte(v))
		v >>= 8
	}
	return h
}

// Mix is the finalizer of MurmurHash3, which spreads what is hashed over all bits
// (docs/protocol.md, Hashes).
func Mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return h
}
