// Package plot draws what simulations showed: how messages and crashes became known, and what it
// cost, as an SVG, a PNG, or a page that needs nothing else.
package plot

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/starling-gossip/starling/internal/sim"
)

// Page is what is drawn.
type Page struct {
	Title   string
	Actions []Mark // on the scenario's clock
	// for HTML; the first row is its head, a row of one cell heads those after it
	Table   [][]string
	Outcome *sim.Outcome
}

// Mark is a moment to be pointed out.
type Mark struct {
	At   float64 // in seconds
	Text string
}

// The sizes of a panel, and of the title above all of them.
const (
	width  = 8 * vg.Inch
	height = 3.1 * vg.Inch
	header = 0.45 * vg.Inch
	dpi    = 144
)

// formats are the kinds of files, by the ends of their names.
var formats = map[string]func(*Page) ([]byte, error){".svg": (*Page).svg, ".png": (*Page).png,
	".html": (*Page).html}

// Check says what is wrong with the name of a file to draw into.
func Check(name string) error {
	if formats[strings.ToLower(filepath.Ext(name))] == nil {
		return fmt.Errorf("a plot's name ends in .svg, .png or .html: %q does not", name)
	}
	return nil
}

// Save draws a page into a file; the end of its name says in which format.
func Save(name string, p *Page) error {
	if err := Check(name); err != nil {
		return err
	}
	b, err := formats[strings.ToLower(filepath.Ext(name))](p)
	if err != nil {
		return fmt.Errorf("drawing %s: %w", name, err)
	}
	return os.WriteFile(name, b, 0o644)
}

func (p *Page) svg() ([]byte, error) {
	panels := p.panels()
	c := vgsvg.NewWith(vgsvg.UseWH(width, header+height*vg.Length(len(panels))))
	p.draw(draw.New(c), panels)
	return svgBytes(c)
}

// svgBytes returns a drawing whose text looks right where the fonts that it was measured with are
// missing: Arial is as wide.
func svgBytes(c *vgsvg.Canvas) ([]byte, error) {
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return nil, err
	}
	return bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans;"),
		[]byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;")), nil
}

func (p *Page) png() ([]byte, error) {
	panels := p.panels()
	c := vgimg.NewWith(vgimg.UseWH(width, header+height*vg.Length(len(panels))), vgimg.UseDPI(dpi))
	p.draw(draw.New(c), panels)
	var b bytes.Buffer
	_, err := vgimg.PngCanvas{Canvas: c}.WriteTo(&b)
	return b.Bytes(), err
}

// draw puts the panels under each other, and the title on top.
func (p *Page) draw(c draw.Canvas, panels []*plot.Plot) {
	c.SetColor(white)
	c.Fill(c.Rectangle.Path())
	style := textStyle(11)
	style.Color = ink
	c.FillText(style, vg.Point{X: c.Min.X + 12, Y: c.Max.Y - 22}, p.Title)
	for i, panel := range panels {
		top := header + height*vg.Length(i)
		panel.Draw(draw.Crop(c, 10, -22, c.Max.Y-c.Min.Y-top-height+6, -top-4))
	}
}

// panels are those for which there is something to draw.
func (p *Page) panels() (all []*plot.Plot) {
	for _, make := range []func() *plot.Plot{p.messages, p.crashes, p.detection, p.bandwidth} {
		if panel := make(); panel != nil {
			all = append(all, panel)
		}
	}
	return all
}
