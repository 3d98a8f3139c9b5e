package dev

// This file shows a run as plain lines, one a step.

import (
	"fmt"
	"io"
	"strings"
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

// Plain returns a function for Run that writes a line for each step that is done.
func Plain(w io.Writer) func(Update) {
	return func(u Update) {
		if !u.Done {
			return
		}
		title := Titles[u.Step]
		if u.Node != "" {
			title += " (" + u.Node + ")"
		}
		var facts []string
		for _, f := range u.Facts {
			facts = append(facts, f.Name+" "+f.Value)
		}
		fmt.Fprintf(w, "%-8s  %-36s  %s\n", u.Step, title, strings.Join(facts, ", "))
	}
}
