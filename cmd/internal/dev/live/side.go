package live

// This file is the column of steps and times beside the flock.

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"github.com/starling-gossip/starling/cmd/internal/dev"
)

const sideWidth = 30

// names say in a word or two what a step is.
var names = map[dev.StepName]string{
	dev.StepJoin: "all join at once", dev.StepPublish: "a message to " +
		"all", dev.StepCrash: "one crashes",
	dev.StepRestart: "it comes back", dev.StepLeave: "one leaves", dev.StepIdle: "nothing happens",
}

// spinner turns while a step goes on.
var spinner = []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}

// side is what the column knows.
type side struct {
	steps map[dev.StepName]dev.Update
	now   dev.StepName

	title, dim, value, good lipgloss.Style
}

func newSide(r *lipgloss.Renderer) *side {
	return &side{
		steps: map[dev.StepName]dev.Update{},
		title: r.NewStyle().Bold(true),
		dim:   r.NewStyle().Foreground(lipgloss.AdaptiveColor{Light: "#6b7a89", Dark: "#7f8f9d"}),
		value: r.NewStyle().Foreground(lipgloss.AdaptiveColor{Light: "#1c2733", Dark: "#e6edf3"}),
		good:  r.NewStyle().Foreground(lipgloss.AdaptiveColor{Light: "#1a7f4b", Dark: "#4cc38a"}),
	}
}

// take notes an update.
func (s *side) take(u dev.Update) {
	if u.Wave == nil {
		s.steps[u.Step], s.now = u, u.Step
	}
}

// lines are the column, for a turn of the spinner and the progress of what is waited for.
func (s *side) lines(nodes, turn, got, need int) []string {
	out := []string{s.title.Render("starling dev") +
		s.dim.Render(right(fmt.Sprintf("%d nodes", nodes), sideWidth-12)), ""}
	for _, name := range dev.Steps {
		u, begun := s.steps[name]
		switch {
		case !begun:
			out = append(out, s.dim.Render("· "+names[name]))
		case u.Done:
			out = append(out, s.good.Render("✓")+s.head(u))
			for _, f := range u.Facts {
				gap := sideWidth - 2 - lipgloss.Width(f.Name)
				out = append(out, "  "+s.dim.Render(f.Name)+s.value.Render(right(f.Value, gap)))
			}
		default:
			out = append(out, s.value.Render(spinner[turn%len(spinner)])+s.head(u))
			if need > 0 {
				out = append(out, "  "+s.bar(got, need))
			}
		}
	}
	return out
}

func (s *side) head(u dev.Update) string {
	return " " + s.value.Render(names[u.Step]) + s.dim.Render(right(u.Node,
		sideWidth-2-lipgloss.Width(names[u.Step])))
}

// bar shows how many nodes know already.
func (s *side) bar(got, need int) string {
	const width = 14
	full := min(width, width*got/need)
	return s.good.Render(strings.Repeat("━", full)) +
		s.dim.Render(strings.Repeat("─", width-full)) +
		s.dim.Render(right(fmt.Sprintf("%d/%d", got, need), sideWidth-2-width))
}

// right sets a text at the right end of a width.
func right(text string, width int) string {
	return strings.Repeat(" ", max(1, width-lipgloss.Width(text))) + text
}
