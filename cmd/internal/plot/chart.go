package plot

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// This file draws what experiments other than simulations of clusters showed: charts of lines and
// points.

// Chart is one panel.
type Chart struct {
	Title  string
	X, Y   Axis
	Series []Series
	Note   string // below the title; the empty text takes no room
	Legend Corner // where the legend stands
}

// Corner is one of a panel's.
type Corner uint8

// The corners.
const (
	TopRight Corner = iota
	TopLeft
	BottomRight
)

// Axis is a scale with its label. Linear ones begin at zero; logarithmic ones leave out what is not
// above zero.
type Axis struct {
	Label  string
	Log    bool
	Lo, Hi float64              // 0: as the points need it
	Unit   func(float64) string // writes a value at a tick; nil: as a number. Seconds is one.
}

// Series is a line or a set of points, in a colour of its own. Beyond the number of colours, lines
// are dashed.
type Series struct {
	Name   string // in the legend; "": not there
	Points [][2]float64
	Dots   bool     // points in place of a line
	Marked bool     // a line with a dot at each point
	Dashed bool     // a line that stands for a theory, or for what is beside the point
	Colour int      // 1 and up choose a colour, the same in each chart; 0: the next
	Labels []string // of dots; as many, or none
}

// Seconds writes a time in seconds with its unit.
func Seconds(v float64) string { return seconds(v) }

// Percent writes a share.
func Percent(v float64) string { return fmt.Sprintf("%.4g %%", 100*v) }

// colours are Okabe's and Ito's, dark enough for white paper.
var colours = []color.NRGBA{blue, red, {0x00, 0x9e, 0x73, 255}, {0xcc, 0x79, 0xa7, 255},
	orange, {0x56, 0xb4, 0xe9, 255}, ink}

// SaveCharts draws charts into a file, under each other, from four on in two columns; the end of
// its name says in which format, as with Save.
func SaveCharts(name, title string, charts ...Chart) error {
	if err := Check(name); err != nil {
		return err
	}
	var panels []*plot.Plot
	for i := range charts {
		panels = append(panels, charts[i].panel())
	}
	b, err := chartBytes(strings.ToLower(filepath.Ext(name)), title, panels)
	if err != nil {
		return fmt.Errorf("drawing %s: %w", name, err)
	}
	return os.WriteFile(name, b, 0o644)
}

// chartHeight is a chart's: taller than a simulation's panel, for its legend.
const chartHeight = 4.2 * vg.Inch

func chartBytes(format, title string, panels []*plot.Plot) ([]byte, error) {
	columns := 1 + min(len(panels)/4, 1)
	wide, high := width*vg.Length(columns),
		header+chartHeight*vg.Length((len(panels)+columns-1)/columns)
	if format == ".png" {
		c := vgimg.NewWith(vgimg.UseWH(wide, high), vgimg.UseDPI(dpi))
		drawCharts(draw.New(c), title, panels, columns)
		var b bytes.Buffer
		_, err := vgimg.PngCanvas{Canvas: c}.WriteTo(&b)
		return b.Bytes(), err
	}
	c := vgsvg.NewWith(vgsvg.UseWH(wide, high))
	drawCharts(draw.New(c), title, panels, columns)
	b, err := svgBytes(c)
	if format == ".html" && err == nil {
		b = fmt.Appendf(nil, "<!doctype html><meta charset=utf-8><title>%s</title>\n%s",
			template.HTMLEscapeString(title), b[max(0, bytes.Index(b, []byte("<svg"))):])
	}
	return b, err
}

func drawCharts(c draw.Canvas, title string, panels []*plot.Plot, columns int) {
	c.SetColor(white)
	c.Fill(c.Rectangle.Path())
	style := textStyle(11)
	style.Color = ink
	c.FillText(style, vg.Point{X: c.Min.X + 12, Y: c.Max.Y - 22}, title)
	for i, p := range panels {
		top, left := header+chartHeight*vg.Length(i/columns), width*vg.Length(i%columns)
		right := width * vg.Length(columns-1-i%columns)
		p.Draw(draw.Crop(c, left+10, -right-22, c.Max.Y-c.Min.Y-top-chartHeight+6, -top-4))
	}
}

// panel makes a chart's panel.
func (c *Chart) panel() *plot.Plot {
	title := c.Title
	if c.Note != "" {
		title += "\n" + c.Note
	}
	p := newPanel(title, c.X.Label, c.Y.Label)
	c.X.scale(&p.X, c.Series, 0)
	c.Y.scale(&p.Y, c.Series, 1)
	grid(p)
	for i := range c.Series {
		c.add(p, i)
	}
	p.Legend.Top, p.Legend.Left = c.Legend != BottomRight, c.Legend == TopLeft
	p.Legend.XOffs, p.Legend.YOffs = -6, -4
	switch c.Legend {
	case TopLeft:
		p.Legend.XOffs = 8
	case BottomRight:
		p.Legend.YOffs = 6
	}
	return p
}

// add draws one series.
func (c *Chart) add(p *plot.Plot, i int) {
	s := &c.Series[i]
	n := i
	if s.Colour > 0 {
		n = s.Colour - 1
	}
	hue := colours[n%len(colours)]
	var points plotter.XYs
	for _, v := range s.Points {
		if !c.X.Log || v[0] > 0 {
			if !c.Y.Log || v[1] > 0 {
				points = append(points, plotter.XY{X: v[0], Y: v[1]})
			}
		}
	}
	if !s.Dots {
		var dashes []vg.Length
		if s.Dashed || n >= len(colours) {
			dashes = []vg.Length{5, 3}
		}
		line(p, points, hue, 1.8, s.Name, dashes...)
		if d, err := plotter.NewScatter(points); err == nil && s.Marked {
			d.GlyphStyle = draw.GlyphStyle{Color: hue, Radius: 2.6, Shape: draw.CircleGlyph{}}
			p.Add(d)
		}
		return
	}
	if d, err := plotter.NewScatter(points); err == nil && len(points) > 0 {
		shapes := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.TriangleGlyph{},
			draw.CrossGlyph{}}
		d.GlyphStyle = draw.GlyphStyle{Color: hue, Radius: 3.2, Shape: shapes[n%len(shapes)]}
		p.Add(d)
		if s.Name != "" {
			p.Legend.Add(s.Name, d)
		}
	}
	if len(s.Labels) != len(points) {
		return
	}
	if l, err := plotter.NewLabels(plotter.XYLabels{XYs: points, Labels: s.Labels}); err == nil {
		for k := range l.TextStyle {
			l.TextStyle[k].Font, l.TextStyle[k].Color = textStyle(7.5).Font, hue
		}
		l.Offset = vg.Point{X: 5, Y: 2}
		p.Add(l)
	}
}

// number writes a value without a unit.
func number(v float64) string {
	if v < 1000 || v >= 1e15 || v != math.Trunc(v) {
		return fmt.Sprintf("%.4g", v)
	}
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// scale sets an axis up for all points.
func (a *Axis) scale(x *plot.Axis, all []Series, dim int) {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, s := range all {
		for _, v := range s.Points {
			if !a.Log || v[dim] > 0 {
				lo, hi = min(lo, v[dim]), max(hi, v[dim])
			}
		}
	}
	if hi < lo { // no points
		lo, hi = 1, 10
	}
	unit := a.Unit
	if unit == nil {
		unit = number
	}
	if !a.Log {
		if hi = 1.05 * hi; a.Hi > 0 {
			hi = a.Hi
		}
		linear(x, max(hi, 1e-9), unit)
		return
	}
	lo, hi = niceBelow(lo), niceAbove(hi)
	if a.Lo > 0 {
		lo = a.Lo
	}
	if a.Hi > 0 {
		hi = a.Hi
	}
	logarithmic(x, lo, max(hi, 2*lo), unit)
}
