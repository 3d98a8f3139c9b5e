//go:build unix

package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// mutant is a bug to plant.
type mutant struct {
	list, name, file, property string
	old, new                   string
	also                       []string
	swarm                      bool
}

// String is what is printed of a bug, and what -only looks at.
func (m mutant) String() string {
	return fmt.Sprintf("%s: %s (%s)", strings.TrimSuffix(filepath.Base(m.list), ".txt"),
		m.name, m.file)
}

// parse reads a list.
func parse(list, text string) (all []mutant, err error) {
	var m mutant
	var part *string
	for i, line := range strings.Split(text, "\n") {
		bad := func(what string) error { return fmt.Errorf("%s:%d: %s", list, i+1, what) }
		switch line {
		case "--- old":
			part = &m.old
			continue
		case "--- new", "--- end":
			if part == nil {
				return nil, bad("there is no --- old before it")
			}
			*part = strings.TrimSuffix(*part, "\n")
			if part = &m.new; line == "--- new" {
				continue
			}
			if m.name == "" || m.file == "" || m.property == "" || m.old == "" || m.old == m.new {
				return nil, bad("a mutant needs a name, a file, a property, and two texts")
			}
			m.list = list
			all = append(all, m)
			m, part = mutant{}, nil
			continue
		}
		if part != nil {
			*part += line + "\n"
			continue
		}
		key, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case key == "mutant":
			m.name = value
		case key == "file":
			m.file = value
		case key == "property":
			m.property = value
		case key == "also":
			m.also = strings.Fields(value)
		case key == "swarm":
			m.swarm = value == "yes"
		default:
			return nil, bad(fmt.Sprintf("%q is not known", key))
		}
	}
	if part != nil || m.name != "" {
		return nil, fmt.Errorf("%s: the last mutant has no --- end", list)
	}
	return all, nil
}

// packages are those whose tests run, the nearest first.
func (m mutant) packages() []string {
	all := []string{"./" + path.Dir(m.file)}
	for _, p := range m.also {
		if p != all[0] {
			all = append(all, p)
		}
	}
	return all
}

// plant puts the bug into a tree. undo takes it out.
func plant(dir string, m mutant) (undo func(), err error) {
	name := filepath.Join(dir, m.file)
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		return nil, fmt.Errorf("its text stands %d times in %s", n, m.file)
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	err = os.WriteFile(name, []byte(strings.Replace(string(text), m.old, m.new, 1)), info.Mode())
	return func() { os.WriteFile(name, text, info.Mode()) }, err
}

// plantable says whether a bug's text stands once in its file.
func plantable(dir string, m mutant) result {
	text, err := os.ReadFile(filepath.Join(dir, m.file))
	r := result{mutant: m, verdict: planted}
	if n := strings.Count(string(text), m.old); err != nil || n != 1 {
		r.verdict, r.by = invalid, fmt.Sprintf("its text, which stands %d times there", n)
	}
	return r
}
