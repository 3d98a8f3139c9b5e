package live

// This file lays the picture out: the flock, under it a line that says what is to be seen, beside
// it the steps.

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"github.com/starling-gossip/starling/cmd/internal/dev"
)

const (
	leastWidth  = 60 // below this only the steps are shown
	leastHeight = 8
)

// View draws everything.
func (m *model) View() string {
	beside := m.side.lines(len(m.frame), int(m.now/(2*frameTime)), m.progress[0], m.progress[1])
	if m.w < leastWidth || m.h < leastHeight {
		lines := append(cut(beside, m.h-1), m.caption())
		for i := range lines {
			lines[i] = ansi.Truncate(lines[i], m.w, "…")
		}
		return strings.Join(lines, "\n")
	}
	w, h := m.w-sideWidth-2, m.h-2
	var below []string
	if len(m.hints) > 0 {
		below = append([]string{"", m.side.dim.Render("The cluster is yours. In another " +
			"terminal:")}, m.hints...)
		h = max(3, h-len(below))
	}
	m.canvas.reset(w, h, w*h < crowd*len(m.frame))
	m.flock.draw(m.now, m.canvas)
	left := append(m.canvas.lines(), below...)
	left = append(left, "", m.caption())
	left, beside = cut(left, m.h), cut(beside, m.h)
	var out strings.Builder
	for i := range m.h {
		line := ""
		if i < len(left) {
			line = ansi.Truncate(left[i], w, "…")
		}
		if i < len(beside) {
			line += strings.Repeat(" ", max(1, w+1-lipgloss.Width(line))) + beside[i]
		}
		out.WriteString(line)
		if i < m.h-1 {
			out.WriteByte('\n')
		}
	}
	return out.String()
}

// caption says what is to be seen.
func (m *model) caption() string {
	text := "q ends it"
	switch {
	case m.flock.showing(m.now):
		text = fmt.Sprintf("light: the message on its way, %.0f times slower", m.flock.slow)
	case len(m.hints) > 0:
		text = "q or Ctrl-C ends it all"
	case m.doneAt > 0:
		text = "that was it: now 'starling dev --hold', or an agent"
	default:
		if what := captions[m.side.now]; what != "" {
			text = what + "   (" + text + ")"
		}
	}
	return m.side.dim.Render(text)
}

var captions = map[dev.StepName]string{
	dev.StepJoin:    "pale: not yet known to most",
	dev.StepCrash:   "? suspected   × failed",
	dev.StepRestart: "back with its name and address",
	dev.StepLeave:   "· has left, and all know",
	dev.StepIdle:    "measuring what a node costs",
}

func cut(lines []string, n int) []string { return lines[:max(0, min(n, len(lines)))] }
