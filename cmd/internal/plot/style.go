package plot

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// This file is how panels look: colours that colour-blind people can tell apart (Okabe and Ito
// 2008), fonts, axes.

var (
	white  = color.NRGBA{255, 255, 255, 255}
	ink    = color.NRGBA{0x22, 0x22, 0x22, 255}
	pale   = color.NRGBA{0xdd, 0xdd, 0xdd, 255}
	mark   = color.NRGBA{0x88, 0x88, 0x88, 255}
	blue   = color.NRGBA{0x00, 0x72, 0xb2, 255}
	orange = color.NRGBA{0xe6, 0x9f, 0x00, 255}
	red    = color.NRGBA{0xd5, 0x5e, 0x00, 255}
)

// faint is a colour's shade for what stands behind.
func faint(c color.NRGBA, alpha uint8) color.NRGBA {
	c.A = alpha
	return c
}

func textStyle(size font.Length) text.Style {
	f := font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size)
	return text.Style{Color: ink, Font: f, Handler: plot.DefaultTextHandler}
}

// newPanel makes an empty panel.
func newPanel(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	p.Title.Padding = 6
	p.Title.TextStyle.Font = textStyle(12).Font
	p.Title.TextStyle.Font.Weight = 2 // bold
	p.Title.TextStyle.Color = ink
	for _, a := range []struct {
		axis *plot.Axis
		text string
	}{{&p.X, x}, {&p.Y, y}} {
		a.axis.Label.Text = a.text
		a.axis.Label.TextStyle.Font = textStyle(10).Font
		a.axis.Label.TextStyle.Color = ink
		a.axis.Label.Padding = 4
		a.axis.Tick.Label.Font = textStyle(9).Font
		a.axis.Tick.Label.Color = ink
		a.axis.Color, a.axis.Tick.Color = mark, mark
		a.axis.Tick.Length = 4
	}
	p.Legend.TextStyle.Font = textStyle(9).Font
	p.Legend.TextStyle.Color = ink
	p.Legend.ThumbnailWidth = 18
	p.Legend.Padding = 3
	return p
}

// grid draws fine lines at the labelled ticks.
func grid(p *plot.Plot) {
	g := plotter.NewGrid()
	g.Horizontal.Color, g.Vertical.Color = pale, pale
	g.Horizontal.Width, g.Vertical.Width = 0.5, 0.5
	p.Add(g)
}

// line adds a line; one without a name is not in the legend.
func line(p *plot.Plot, points plotter.XYs, c color.Color, width vg.Length, name string,
	dashes ...vg.Length) {
	l, err := plotter.NewLine(points)
	if err != nil { // no points, or one that is no number
		return
	}
	l.LineStyle = draw.LineStyle{Color: c, Width: width, Dashes: dashes}
	p.Add(l)
	if name != "" {
		p.Legend.Add(name, l)
	}
}

// percent labels an axis of shares in percent.
func percent(a *plot.Axis) {
	a.Min, a.Max = 0, 100
	a.Tick.Marker = plot.TickerFunc(func(_, _ float64) (t []plot.Tick) {
		for v := 0; v <= 100; v += 25 {
			t = append(t, plot.Tick{Value: float64(v), Label: fmt.Sprintf("%d %%", v)})
		}
		return t
	})
}

// logarithmic makes an axis logarithmic, with labels that have units.
func logarithmic(a *plot.Axis, lo, hi float64, label func(float64) string) {
	a.Scale = plot.LogScale{}
	a.Min, a.Max = lo, hi
	a.Tick.Marker = plot.TickerFunc(func(lo, hi float64) (t []plot.Tick) {
		wide := hi/lo > 300 // then only powers of ten are labelled
		for p := math.Floor(math.Log10(lo)); p <= math.Log10(hi); p++ {
			for d := 1; d <= 9; d++ {
				v := float64(d) * math.Pow(10, p)
				if v < lo*0.999 || v > hi*1.001 {
					continue
				}
				tick := plot.Tick{Value: v}
				if d == 1 || !wide && (d == 2 || d == 5) {
					tick.Label = label(v)
				}
				t = append(t, tick)
			}
		}
		return t
	})
}

// linear makes an axis begin at zero, with labels that have units.
func linear(a *plot.Axis, hi float64, label func(float64) string) {
	a.Min, a.Max = 0, hi
	step := niceStep(hi / 5)
	a.Tick.Marker = plot.TickerFunc(func(_, hi float64) (t []plot.Tick) {
		for i := 0; float64(i)*step <= hi*1.001; i++ {
			v := float64(i) * step
			t = append(t, plot.Tick{Value: v, Label: label(v)})
		}
		return t
	})
}

// niceStep is the next 1, 2 or 5 times a power of ten.
func niceStep(x float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(x)))
	for _, d := range []float64{1, 2, 5} {
		if x <= d*p*1.001 {
			return d * p
		}
	}
	return 10 * p
}

// seconds labels a time.
func seconds(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 0.000999:
		return fmt.Sprintf("%.3g µs", v*1e6)
	case v < 0.999:
		return fmt.Sprintf("%.3g ms", v*1e3)
	}
	return fmt.Sprintf("%.4g s", v)
}

// bytesRate labels bytes a second.
func bytesRate(v float64) string {
	switch {
	case v >= 999_500:
		return fmt.Sprintf("%.3g MB/s", v/1e6)
	case v >= 999.5:
		return fmt.Sprintf("%.3g kB/s", v/1e3)
	}
	return fmt.Sprintf("%.3g B/s", v)
}
