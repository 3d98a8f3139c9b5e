package member

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTagsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 12, 30)
		pairs := rapid.MapOfN(text.Filter(func(s string) bool { return s != "" }), text, 0,
			8).Draw(t, "pairs")
		tags, err := NewTags(pairs)
		if err != nil {
			t.Fatal(err)
		}
		if err := tags.validate(); err != nil {
			t.Fatalf("%q is not valid: %v", tags, err)
		}
		if got := tags.Map(); !maps.Equal(got, pairs) {
			t.Fatalf("%v, want %v", got, pairs)
		}
		var keys []string
		for k, v := range tags.All() {
			keys = append(keys, k)
			if got, ok := tags.Get(k); !ok || got != v {
				t.Fatalf("%q: %q, %t; want %q", k, got, ok, v)
			}
		}
		if !slices.Equal(keys, slices.Sorted(maps.Keys(pairs))) {
			t.Fatalf("the keys come as %q", keys)
		}
		if v, ok := tags.Get("not a key, being too long"); ok {
			t.Fatalf("found %q", v)
		}
	})
}

// Any bytes that are valid are the one encoding of their pairs, so that equal tags are equal
// strings; no bytes panic.
func TestTagsHaveOneEncoding(t *testing.T) {
	pair := rapid.Custom(func(t *rapid.T) string {
		k, v := rapid.StringMatching("[abc]{0,2}").Draw(t,
			"key"), rapid.StringMatching("v{0,2}").Draw(t, "value")
		return string(byte(len(k))) + k + "\x00" + string(byte(len(v))) + v
	})
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(pair, 0, 3).Draw(t, "pairs")
		tags := Tags(strings.Join(list, "") + rapid.SampledFrom([]string{"", "", "\x00",
			"\x01a"}).Draw(t, "tail"))
		pairs := tags.Map()
		again, err := NewTags(pairs)
		if err != nil {
			t.Fatalf("%q yields %q: %v", tags, pairs, err)
		}
		if valid := tags.validate() == nil; valid != (again == tags) {
			t.Fatalf("%q is valid: %t; its pairs %q are encoded as %q", tags, valid, pairs, again)
		}
	})
}

func TestTagsLimits(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	tests := []struct {
		name  string
		pairs map[string]string
		want  string // in the error; empty if there is none
	}{
		{"none", nil, ""},
		{"an empty value", map[string]string{"k": ""}, ""},
		{"the longest key", map[string]string{long(255): ""}, ""},
		{"too long a key", map[string]string{long(256): ""}, "256 bytes"},
		{"an empty key", map[string]string{"": "v"}, `key ""`},
		{"as much as fits", map[string]string{"k": long(MaxTags - 4)}, ""},
		{"a byte more", map[string]string{"k": long(MaxTags - 3)}, "641 bytes"},
		{"a byte more in two", map[string]string{"a": long(500), "b": long(MaxTags - 507)},
			"641 bytes"},
		{"far too long a value", map[string]string{"role": long(1 << 17)}, `"role"`},
	}
	for _, tt := range tests {
		tags, err := NewTags(tt.pairs)
		switch {
		case tt.want == "" && (err != nil || tags.validate() != nil || len(tags) > MaxTags):
			t.Errorf("%s: %v", tt.name, err)
		case tt.want != "" && (!errors.Is(err, ErrRecord) ||
			!strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: error %v, want one with %s", tt.name, err, tt.want)
		}
	}
}

func TestTagsNotValid(t *testing.T) {
	for name, tags := range map[string]Tags{
		"an empty key":        "\x00\x00\x01v",
		"a key cut short":     "\x05ab",
		"no value":            "\x01k",
		"half a length":       "\x01k\x00",
		"a value cut short":   "\x01k\x00\x02v",
		"keys out of order":   "\x01b\x00\x00\x01a\x00\x00",
		"a key twice":         "\x01a\x00\x00\x01a\x00\x00",
		"bytes behind a pair": "\x01a\x00\x00\x01",
	} {
		if err := tags.validate(); !errors.Is(err, ErrRecord) {
			t.Errorf("%s: %v", name, err)
		}
		for k, v := range tags.All() {
			if k == "" || len(k)+len(v) > len(tags) {
				t.Errorf("%s: yields %q=%q", name, k, v)
			}
		}
	}
}
