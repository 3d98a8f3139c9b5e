package main

// This file is how things look: tables with columns in line, colours on terminals only, and nothing
// from the network that could steer a terminal.

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/lipgloss"
	"golang.org/x/term"
)

// isTerminal says whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// printer writes the output of one command.
type printer struct {
	w     io.Writer
	color bool
}

// printer returns one for standard output. NO_COLOR (https://no-color.org) turns colours off.
func (a *app) printer() *printer {
	no, _ := a.lookup("NO_COLOR")
	return &printer{a.out, isTerminal(a.out) && no == ""}
}

// stateColors are ANSI colours of states and of the events that lead to them.
var stateColors = map[string]string{
	"alive": "32", "joined": "32", "recovered": "32", "updated": "36",
	"suspect": "33", "suspected": "33", "failed": "31", "unreachable": "33", "isolated": "31",
	"undecided": "31", "decided": "32", "unreached": "31", "reached": "32", "unheard": "31",
	"heard": "32", "zone-unreachable": "31", "zone-recovered": "32", "reachable": "32",
	"reunited": "32", "left": "2", "resync": "35",
}

// state paints the name of a state or event.
func (p *printer) state(s string) string { return p.paint(stateColors[s], s) }

func (p *printer) paint(code, text string) string {
	if !p.color || code == "" || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// table prints rows with their columns in line; the last column is not padded.
func (p *printer) table(rows [][]string) {
	var width []int
	for _, r := range rows {
		for i, cell := range r {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], lipgloss.Width(cell))
		}
	}
	for _, r := range rows {
		var line strings.Builder
		for i, cell := range r {
			line.WriteString(cell)
			if i < len(r)-1 {
				line.WriteString(strings.Repeat(" ", width[i]-lipgloss.Width(cell)+2))
			}
		}
		fmt.Fprintln(p.w, strings.TrimRight(line.String(), " "))
	}
}

// json prints a value on one line.
func (p *printer) json(v any) error {
	e := json.NewEncoder(p.w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// clean quotes a text that came from the network if anything in it is not plain: it must not move
// the cursor, change colours, or pretend to be more columns.
func clean(s string) string {
	plain := utf8.ValidString(s)
	for _, r := range s {
		plain = plain && unicode.IsPrint(r)
	}
	if plain {
		return s
	}
	return strconv.QuoteToGraphic(s)
}

// dash stands for nothing in a table.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return clean(s)
}

// clock is a time of day in the user's zone, to the millisecond.
func clock(t time.Time) string { return t.Local().Format("15:04:05.000") }

// ago is how long something lasts, in one or two units.
func ago(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

// size is a number of bytes with a unit.
func size(n float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for ; n >= 1024 && i < len(units)-1; i++ {
		n /= 1024
	}
	if i == 0 || n >= 100 {
		return fmt.Sprintf("%.0f %s", n, units[i])
	}
	return fmt.Sprintf("%.1f %s", n, units[i])
}
