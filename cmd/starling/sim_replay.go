package main

// This file reads what is to be run again.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/starling-gossip/starling/internal/sim"
)

// replayJob reads what --json printed, or options alone.
func (a *app) replayJob(name string) (*simJob, error) {
	var text string
	var err error
	if name == "-" {
		var b []byte
		b, err = io.ReadAll(io.LimitReader(a.in, maxFile))
		text = string(b)
	} else {
		text, err = readFile(name)
	}
	if err != nil {
		return nil, err
	}
	return parseJob(name, text)
}

// parseJob reads the text of what --json printed, or of options alone, that came from a name.
func parseJob(name, text string) (*simJob, error) {
	var all struct {
		Scenario, Detector string
		Options            json.RawMessage
		Runs               []struct{ Trace string }
	}
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf("%s: %w", name, placed(text, err))
	}
	if all.Options == nil { // the options alone
		all.Options = json.RawMessage(text)
	}
	j := &simJob{Scenario: all.Scenario, Detector: all.Detector}
	var err error
	if j.opt, err = sim.ReadOptions(all.Options); err != nil {
		return nil, fmt.Errorf("%s: options: %w", name, placed(string(all.Options), err))
	}
	for _, r := range all.Runs {
		j.traces = append(j.traces, r.Trace)
	}
	if i, err := j.opt.Check(); err != nil {
		if i >= 0 {
			err = fmt.Errorf("action %q: %w", j.opt.Actions[i], err)
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return j, nil
}

// placed adds the line and column to an error of JSON's syntax.
func placed(text string, err error) error {
	at := int64(-1)
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = e.Offset
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		at = e.Offset
	}
	if at < 0 || at > int64(len(text)) {
		return err
	}
	before := text[:at]
	return fmt.Errorf("line %d, column %d: %w", 1+strings.Count(before, "\n"),
		len(before)-strings.LastIndex(before, "\n")-1, err)
}
