package member

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRecordValidate(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	bigTags := func(n int) Tags {
		tags, err := NewTags(map[string]string{"k": long(n - 4)})
		if err != nil {
			t.Fatal(err)
		}
		return tags
	}
	addr := netip.MustParseAddrPort
	tests := []struct {
		name   string
		change func(*Record)
		want   string // in the error; empty if there is none
	}{
		{"a plain one", func(*Record) {}, ""},
		{"IPv6", func(r *Record) { r.Addr = addr("[2001:db8::1]:1") }, ""},
		{"the longest name", func(r *Record) { r.Name = long(MaxName) }, ""},
		{"too long a name", func(r *Record) { r.Name = long(MaxName + 1) }, "name has 129 bytes"},
		{"no name", func(r *Record) { r.Name = "" }, "name is empty"},
		{"the longest zone", func(r *Record) { r.Zone = long(MaxZone) }, ""},
		{"too long a zone", func(r *Record) { r.Zone = long(MaxZone + 1) }, "zone has 129 bytes"},
		{"the largest tags", func(r *Record) { r.Tags = bigTags(MaxTags) }, ""},
		{"too large tags", func(r *Record) { r.Tags = bigTags(MaxTags) + "x" },
			"tags have 641 bytes"},
		{"tags of noise", func(r *Record) { r.Tags = "noise" }, "encoded"},
		{"as large as fits", func(r *Record) {
			r.Name, r.Zone, r.Tags = long(96), long(96),
				bigTags(MaxTags)
		}, ""},
		{"a byte more together", func(r *Record) {
			r.Name, r.Zone, r.Tags = long(96), long(97),
				bigTags(MaxTags)
		}, "833 bytes together"},
		{"the last generation", func(r *Record) { r.Generation = MaxGeneration }, ""},
		{"a generation that nobody believes", func(r *Record) {
			r.Generation = MaxGeneration +
				1
		}, "generation 4611686018427387905"},
		{"no address", func(r *Record) { r.Addr = netip.AddrPort{} }, "address"},
		{"no port", func(r *Record) { r.Addr = addr("10.0.0.1:0") }, "10.0.0.1:0"},
		{"the wildcard", func(r *Record) { r.Addr = addr("0.0.0.0:7747") }, "0.0.0.0:7747"},
		{"the IPv6 wildcard", func(r *Record) { r.Addr = addr("[::]:7747") }, "[::]:7747"},
		{"a multicast address", func(r *Record) { r.Addr = addr("[ff02::1]:7747") },
			"[ff02::1]:7747"},
		{"the broadcast address", func(r *Record) { r.Addr = addr("255.255.255.255:7747") },
			"255.255.255.255:7747"},
		{"multicast outside", func(r *Record) { r.Outside = addr("224.0.0.1:7747") },
			"224.0.0.1:7747"},
	}
	for _, tt := range tests {
		r := record("wren", 1, 1)
		tt.change(&r)
		err := r.Validate()
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.want != "" && (!errors.Is(err, ErrRecord) ||
			!strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

// The hashes are part of the protocol: other versions and other implementations make the same.
func TestHashesStayWhatTheyAre(t *testing.T) {
	robin := Record{
		Name: "robin", Generation: 1767225661000, Addr: netip.MustParseAddrPort("10.0.0.2:7747"),
		Zone: "eu/west", Tags: "\x04role\x00\x02db", Protocol: 1,
	}
	for name, want := range map[string]ID{"": 0x7bd3144f29c0cc9e, "wren": 0xf4dca4d13eab9531,
		"robin": 0xdaf827236e31082d, "lark": 0x642fd9cc406274b4} {
		if got := IDOf(name); got != want {
			t.Errorf("the ID of %q is %016x, want %016x", name, uint64(got), uint64(want))
		}
	}
	if got := robin.Check(); got != 0x727c780b {
		t.Errorf("the check is %08x", got)
	}
	if got := Instance(IDOf("robin"), uint32(robin.Generation)); got != 0x63268d88 {
		t.Errorf("the instance is %08x", got)
	}
	if got := item(IDOf("robin"), 2, robin.Check()); got != 0xf00680d0e54d1254 {
		t.Errorf("the item is %016x", got)
	}
}

// An address is the same record whether it came as IPv4 or mapped into IPv6.
func TestCheckOfMappedAddress(t *testing.T) {
	a, b := record("wren", 1, 1), record("wren", 1, 1)
	b.Addr = netip.AddrPortFrom(netip.AddrFrom16(a.Addr.Addr().As16()), a.Addr.Port())
	if a.Check() != b.Check() {
		t.Errorf("checks %08x and %08x", a.Check(), b.Check())
	}
}

// A change of any field changes the check.
func TestCheckCoversEveryField(t *testing.T) {
	seen := make(map[uint32]string)
	base := record("wren", 1, 1)
	for name, change := range map[string]func(*Record){
		"nothing":    func(*Record) {},
		"name":       func(r *Record) { r.Name = "wrem" },
		"generation": func(r *Record) { r.Generation = 1 << 40 },
		"ip": func(r *Record) {
			r.Addr = netip.AddrPortFrom(netip.MustParseAddr("10.0.1.1"), r.Addr.Port())
		},
		"port":     func(r *Record) { r.Addr = netip.AddrPortFrom(r.Addr.Addr(), 7748) },
		"zone":     func(r *Record) { r.Zone = "eu" },
		"tags":     func(r *Record) { r.Tags = "" },
		"protocol": func(r *Record) { r.Protocol = 2 },
		"border":   func(r *Record) { r.Name, r.Zone = "wre", "n" },
	} {
		r := base
		change(&r)
		if other, ok := seen[r.Check()]; ok {
			t.Errorf("%s and %s have the same check", name, other)
		}
		seen[r.Check()] = name
	}
}

// Equal records of one process are one, in all tables that hold them.
func TestEqualRecordsAreOne(t *testing.T) {
	var a, b Table
	for i := range 50 {
		for _, table := range []*Table{&a, &b} {
			name := strings.Clone(fmt.Sprintf("m%d", i)) // memory of its own each time
			if _, _, _, err := table.Merge(0, Fact{Record: Share(record(name, 1, i))}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for m := range a.All() {
		o, ok := b.Get(m.ID)
		if !ok || o.Handle != m.Handle {
			t.Fatalf("%s is two records", m.Name())
		}
	}
}

// One life of a member is told from another, and from 0, which means any process.
func TestInstance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := ID(rapid.Uint64().Draw(t, "id"))
		g := rapid.Uint64().Draw(t, "generation")
		m := Member{ID: id, Handle: Share(Record{Name: "wren", Generation: g})}
		if m.Instance() == 0 || m.Instance() != Instance(id, uint32(g)) {
			t.Fatalf("instance %08x of generation %d", m.Instance(), g)
		}
		if Instance(id, uint32(g)) == Instance(id, uint32(g)+1) {
			t.Fatal("two lives have one instance")
		}
	})
}
