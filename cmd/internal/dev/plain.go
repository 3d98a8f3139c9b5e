package dev

// This file shows a run as plain lines, those of a step when it is done.

import (
	"fmt"
	"io"
)

// Titles say what happens in a step.
var Titles = map[StepName]string{
	StepJoin:    "all join at once, through one seed",
	StepPublish: "a message to everybody",
	StepCrash:   "one stops without a word",
	StepRestart: "it comes back",
	StepLeave:   "one leaves",
	StepIdle:    "nothing happens",
}

// Plain returns a function for Run that writes what was measured in each step when it is done, and
// fits 80 columns.
func Plain(w io.Writer) func(Update) {
	return func(u Update) {
		if !u.Done {
			return
		}
		title := Titles[u.Step]
		if u.Node != "" {
			title += " (" + u.Node + ")"
		}
		for _, f := range u.Facts {
			fmt.Fprintf(w, "%-36s  %-20s %10s\n", title, f.Name, f.Value)
			title = ""
		}
	}
}
