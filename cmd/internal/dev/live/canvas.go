package live

// This file is a grid of cells to draw birds on: as signs, one a cell, or as braille dots, eight a
// cell, where there are many.

import (
	"strings"

	"github.com/charmbracelet/lipgloss"
)

// ink is an entry of the palette. Of two in one cell the higher one shows.
type ink uint8

const (
	none    ink = iota
	gone        // has left, or is not yet known to many
	faint       // lives, and few know
	calm        // lives
	glow1       // got the message a while ago
	glow2       // got the message
	glow3       // gets the message
	doubted     // suspect
	fallen      // failed
	inks
)

// palette has the colours for each ink on light and dark grounds.
var palette = [inks]lipgloss.AdaptiveColor{
	gone:    {Light: "#9aa7b3", Dark: "#53606b"},
	faint:   {Light: "#8fb9bd", Dark: "#3f6a70"},
	calm:    {Light: "#2b7f88", Dark: "#6fb7bd"},
	glow1:   {Light: "#a8791a", Dark: "#c9b06a"},
	glow2:   {Light: "#d08b00", Dark: "#ffdd7a"},
	glow3:   {Light: "#c2410c", Dark: "#fffbe8"},
	doubted: {Light: "#b45309", Dark: "#ffb02e"},
	fallen:  {Light: "#c81e2b", Dark: "#ff5d62"},
}

// signs say the same without colours.
var signs = [inks]rune{' ', '·', '·', '•', '•', '●', '●', '?', '×'}

// canvas is what one picture is drawn on.
type canvas struct {
	w, h  int
	dots  bool // braille
	inks  []ink
	bits  []uint8
	style [inks]lipgloss.Style
}

func newCanvas(r *lipgloss.Renderer) *canvas {
	c := &canvas{}
	for i := range c.style {
		c.style[i] = r.NewStyle().Foreground(palette[i])
	}
	return c
}

// reset makes an empty picture of w by h cells.
func (c *canvas) reset(w, h int, dots bool) {
	c.w, c.h, c.dots = w, h, dots
	if len(c.inks) < w*h {
		c.inks, c.bits = make([]ink, w*h), make([]uint8, w*h)
	}
	clear(c.inks)
	clear(c.bits)
}

// brailleBit is the bit of a dot in a cell, by column and row: U+2800 and its order of dots.
var brailleBit = [2][4]uint8{{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}

// put draws at a place from (0,0) to (1,1), which is the lower right corner; outside nothing is
// drawn.
func (c *canvas) put(x, y float64, k ink) {
	if x < 0 || y < 0 || x >= 1 || y >= 1 {
		return
	}
	column, row := int(x*float64(c.w)*2), int(y*float64(c.h)*4)
	at := row/4*c.w + column/2
	c.inks[at] = max(c.inks[at], k)
	c.bits[at] |= brailleBit[column%2][row%4]
}

// lines are the rows of the picture, each cell in its colour.
func (c *canvas) lines() []string {
	out := make([]string, c.h)
	for row := range out {
		var line strings.Builder
		for from := 0; from < c.w; { // runs of one ink are painted together
			k, to := c.inks[row*c.w+from], from
			var text strings.Builder
			for ; to < c.w && c.inks[row*c.w+to] == k; to++ {
				text.WriteRune(c.sign(row*c.w + to))
			}
			if k == none {
				line.WriteString(text.String())
			} else {
				line.WriteString(c.style[k].Render(text.String()))
			}
			from = to
		}
		out[row] = line.String()
	}
	return out
}

func (c *canvas) sign(at int) rune {
	k := c.inks[at]
	// What is rare and matters is a sign among the dots too.
	if !c.dots || k == none || k >= doubted {
		return signs[k]
	}
	return 0x2800 + rune(c.bits[at])
}
