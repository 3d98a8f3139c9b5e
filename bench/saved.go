package main

// This file keeps what runs found, so that the two worlds can be measured one after the other and
// told of together.

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// saved is one run of the bench.
type saved struct {
	Command string   `json:"command"`
	Machine string   `json:"machine"`
	Records []record `json:"records"`
}

// newSaved is this run; of tasks that were cut short there are no records.
func newSaved(records []record) saved {
	done := slices.DeleteFunc(slices.Clone(records),
		func(r record) bool { return r.Job.Peer == "" })
	return saved{commandLine(), describeMachine(), done}
}

func (s *saved) write(name string) error {
	b, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(b, '\n'), 0o644)
}

// load reads runs that were saved by -json.
func load(names []string) (runs []saved, err error) {
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var s saved
		if err := json.Unmarshal(b, &s); err != nil {
			return nil, fmt.Errorf("%s is not what -json writes: %w", name, err)
		}
		runs = append(runs, s)
	}
	return runs, nil
}

func commandLine() string { return strings.TrimSpace("go run . " + strings.Join(os.Args[1:], " ")) }
