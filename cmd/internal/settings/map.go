package settings

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// This file is a flag that collects key=value pairs.

// Map is a flag's value of key=value pairs. Each use of the flag adds one pair, so that a value may
// have commas.
type Map struct{ pairs *map[string]string }

// NewMap makes a flag's value that fills a map.
func NewMap(pairs *map[string]string) *Map { return &Map{pairs} }

// Pair cuts a text at its first "=".
func Pair(text string) (key, value string, err error) {
	key, value, ok := strings.Cut(text, "=")
	if !ok || key == "" {
		return "", "", fmt.Errorf("%q is not key=value", text)
	}
	return key, value, nil
}

// Set adds a pair.
func (m *Map) Set(text string) error {
	k, v, err := Pair(text)
	if err != nil {
		return err
	}
	if *m.pairs == nil {
		*m.pairs = map[string]string{}
	}
	(*m.pairs)[k] = v
	return nil
}

// Append is Set, for lists.
func (m *Map) Append(text string) error { return m.Set(text) }

// Replace drops what there is and adds each pair.
func (m *Map) Replace(texts []string) error {
	*m.pairs = nil
	for _, t := range texts {
		if err := m.Set(t); err != nil {
			return err
		}
	}
	return nil
}

// GetSlice returns the pairs, in order.
func (m *Map) GetSlice() []string {
	out := make([]string, 0, len(*m.pairs))
	for _, k := range slices.Sorted(maps.Keys(*m.pairs)) {
		out = append(out, k+"="+(*m.pairs)[k])
	}
	return out
}

// Type is shown in the help.
func (m *Map) Type() string { return "key=value" }

// String shows the pairs.
func (m *Map) String() string {
	if m.pairs == nil {
		return ""
	}
	return strings.Join(m.GetSlice(), ",")
}
