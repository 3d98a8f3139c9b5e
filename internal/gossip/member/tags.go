package member

import (
	"fmt"
	"iter"
	"maps"
	"slices"
)

// Tags are a member's free key=value pairs, kept as their own bytes on the wire. For each pair, in
// the order of the keys, that is a byte with the key's length, the key, two bytes with the value's
// length, and the value. So equal tags are equal strings, and a record with tags is comparable.
type Tags string

// NewTags encodes pairs; the error names the key that does not fit.
func NewTags(pairs map[string]string) (Tags, error) {
	var b []byte
	for _, k := range slices.Sorted(maps.Keys(pairs)) {
		v := pairs[k]
		if k == "" || len(k) > 255 {
			return "", fmt.Errorf("%w: the tag key %q has %d bytes, from 1 to 255 are allowed",
				ErrRecord, k, len(k))
		}
		if len(v) > MaxTags {
			return "", fmt.Errorf("%w: the tag %q has a value of %d bytes, at most %d are "+
				"allowed for all tags together",
				ErrRecord, k, len(v), MaxTags)
		}
		b = append(b, byte(len(k)))
		b = append(b, k...)
		b = append(b, byte(len(v)>>8), byte(len(v)))
		b = append(b, v...)
	}
	if len(b) > MaxTags {
		return "", fmt.Errorf("%w: the tags have %d bytes encoded, at most %d are allowed",
			ErrRecord, len(b), MaxTags)
	}
	return Tags(b), nil
}

// All goes through the pairs in the order of their keys.
func (t Tags) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for s := string(t); s != ""; {
			k, v, rest, ok := cutPair(s)
			if !ok || !yield(k, v) {
				return
			}
			s = rest
		}
	}
}

// Get returns the value of a key and whether there is one.
func (t Tags) Get(key string) (string, bool) {
	for k, v := range t.All() {
		if k == key {
			return v, true
		}
	}
	return "", false
}

// Map returns the pairs as a map of the caller's own.
func (t Tags) Map() map[string]string { return maps.Collect(t.All()) }

// cutPair takes the first pair off an encoding.
func cutPair(s string) (k, v, rest string, ok bool) {
	kl := int(s[0])
	if kl == 0 || len(s) < 1+kl+2 {
		return "", "", "", false
	}
	k, s = s[1:1+kl], s[1+kl:]
	vl := int(s[0])<<8 | int(s[1])
	if len(s) < 2+vl {
		return "", "", "", false
	}
	return k, s[2 : 2+vl], s[2+vl:], true
}

// validate accepts only the one encoding that NewTags makes: whole pairs in rising order of their
// keys.
func (t Tags) validate() error {
	last := ""
	for s := string(t); s != ""; {
		k, _, rest, ok := cutPair(s)
		if !ok || k <= last {
			return fmt.Errorf("%w: the tags are not encoded as they must be", ErrRecord)
		}
		last, s = k, rest
	}
	return nil
}
