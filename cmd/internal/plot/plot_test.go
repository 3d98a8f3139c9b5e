package plot

import (
	"bytes"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/sim"
)

// outcome is runs as a simulation might show them.
func outcome(runs, crashes, messages int) *sim.Outcome {
	o := &sim.Outcome{Options: sim.Options{Actions: []sim.Action{{At: 5 * time.Second,
		Do: sim.Crash, Who: sim.Percent(10)}}}}
	for i := range runs {
		r, d := &sim.Report{}, &sim.Detail{}
		for s := range 20 {
			r.Timeline = append(r.Timeline, sim.Point{At: sim.Seconds(s - 2), Up: 10,
				Bytes: uint64(1000 * (s + i + 1) * (s%7*s%7 + 1))})
		}
		curve := func(unit time.Duration) sim.Curve {
			c := sim.Curve{First: unit, Due: 10}
			for k := range 9 + i%2 {
				c.Known = append(c.Known, time.Duration(k)*unit)
			}
			return c
		}
		for range crashes {
			d.Crashes = append(d.Crashes, curve(time.Second))
		}
		for range messages {
			d.Messages = append(d.Messages, curve(time.Millisecond))
		}
		o.Runs, o.Details = append(o.Runs, r), append(o.Details, d)
	}
	return o
}

func page(o *sim.Outcome) *Page {
	return &Page{Title: "a <title> & more", Actions: []Mark{{5, "crash:10%"}, {9, "x < y"}},
		Table: [][]string{{"", "MEAN"}, {"part"}, {"  a row", "1 < 2"}}, Outcome: o}
}

// Each format holds a panel for what there is to show, whatever that is.
func TestFormats(t *testing.T) {
	for _, c := range []struct{ runs, crashes, messages, panels int }{
		{1, 0, 0, 1}, {1, 1, 0, 2}, {1, 0, 1, 2}, {3, 5, 2, 4}, {2, 100, 100, 4},
	} {
		p := page(outcome(c.runs, c.crashes, c.messages))
		if n := len(p.panels()); n != c.panels {
			t.Errorf("%+v: %d panels", c, n)
		}
		dir := t.TempDir()
		for format := range formats {
			name := filepath.Join(dir, "x"+format)
			if err := Save(name, p); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			switch format {
			case ".png":
				img, err := png.Decode(bytes.NewReader(b))
				if err != nil || img.Bounds().Dx() != 8*dpi || img.Bounds().Dy() < c.panels*3*dpi {
					t.Errorf("%+v: %v", c, err)
				}
			case ".svg":
				if !bytes.Contains(b, []byte("What a node sends")) ||
					!bytes.Contains(b, []byte("Arial")) {
					t.Errorf("%+v: %d bytes of SVG", c, len(b))
				}
			case ".html":
				if n := strings.Count(string(b), "<svg"); n != c.panels ||
					!bytes.Contains(b, []byte("a &lt;title&gt; &amp; more")) ||
					bytes.Contains(b, []byte("<?xml")) {
					t.Errorf("%+v: %d drawings", c, n)
				}
			}
		}
	}
}

// A run in which nothing was sent or known draws something, and does not panic.
func TestNothingToShow(t *testing.T) {
	o := outcome(1, 0, 0)
	o.Runs[0].Timeline = nil
	o.Details[0].Crashes = []sim.Curve{{First: -1, Due: 5}}
	for format := range formats {
		if err := Save(filepath.Join(t.TempDir(), "x"+format), page(o)); err != nil {
			t.Error(err)
		}
	}
	o = outcome(2, 1, 1)
	o.Runs[1].Timeline = o.Runs[1].Timeline[:4] // a run that was given up
	for i := range o.Runs[0].Timeline {
		o.Runs[0].Timeline[i].Bytes = 0
	}
	if err := Save(filepath.Join(t.TempDir(), "x.svg"), page(o)); err != nil {
		t.Error(err)
	}
}

func TestCheck(t *testing.T) {
	for name, ok := range map[string]bool{"a.svg": true, "a.PNG": true, "a.b.html": true,
		"a": false, "a.gif": false, "svg": false} {
		if err := Check(name); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The steps of a share end where all are.
func TestShare(t *testing.T) {
	var times []time.Duration
	for i := range 10_000 {
		times = append(times, time.Duration(i)*time.Millisecond)
	}
	points := share(times, 20_000, 0, 60)
	if len(points) > maxPoints+10 {
		t.Errorf("%d points", len(points))
	}
	for i := 1; i < len(points); i++ {
		if points[i].X < points[i-1].X || points[i].Y < points[i-1].Y {
			t.Fatalf("it falls at %d", i)
		}
	}
	if last := points[len(points)-1]; last.X != 60 || last.Y != 50 {
		t.Errorf("it ends at %v", last)
	}
}

func TestNice(t *testing.T) {
	for _, c := range []struct{ x, below, above float64 }{{1, 1, 1}, {1.5, 1, 2}, {3, 2, 5},
		{0.007, 0.005, 0.01}, {9000, 5000, 10000}} {
		if b, a := niceBelow(c.x), niceAbove(c.x); math.Abs(b/c.below-1) > 1e-9 ||
			math.Abs(a/c.above-1) > 1e-9 {
			t.Errorf("%g is between %g and %g, want %g and %g", c.x, b, a, c.below, c.above)
		}
	}
}
