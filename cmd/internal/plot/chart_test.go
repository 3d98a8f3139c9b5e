package plot

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSaveCharts(t *testing.T) {
	charts := []Chart{
		{Title: "lines", X: Axis{Label: "time", Log: true, Unit: Seconds},
			Y: Axis{Label: "share", Hi: 1, Unit: Percent},
			Series: []Series{{Name: "first < second",
				Points: [][2]float64{{0, 0}, {0.001, 0.2}, {0.1, 1}}}}},
		{Title: "points", Note: "a note", X: Axis{Label: "copies"},
			Y: Axis{Label: "latency", Log: true},
			Series: []Series{{Name: "dots", Dots: true, Points: [][2]float64{{2, 5}, {3, 7}},
				Labels: []string{"here", "there"}}}},
		{Title: "dots without labels", Series: []Series{{Dots: true,
			Points: [][2]float64{{1, 1}}}, {Dots: true, Labels: []string{"x"}}}},
		{Title: "nothing"},
	}
	dir := t.TempDir()
	for _, name := range []string{"x.svg", "x.png", "x.html"} {
		path := filepath.Join(dir, name)
		if err := SaveCharts(path, "a title & more", charts...); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if name == "x.png" {
			if _, err := png.Decode(bytes.NewReader(b)); err != nil {
				t.Error(err)
			}
			continue
		}
		for _, want := range []string{"a title &amp; more", "first &lt; second", "there",
			"a note", "1 ms", "40 %"} {
			if !strings.Contains(string(b), want) {
				t.Errorf("%s does not hold %q", name, want)
			}
		}
	}
	if err := SaveCharts(filepath.Join(dir, "x.gif"), ""); err == nil {
		t.Error("a .gif was drawn")
	}
}
