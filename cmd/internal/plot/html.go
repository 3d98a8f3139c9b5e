package plot

import (
	"bytes"
	_ "embed"
	"html/template"

	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// html is a page that holds all that it shows.
func (p *Page) html() ([]byte, error) {
	var drawings []template.HTML
	for _, panel := range p.panels() {
		c := vgsvg.NewWith(vgsvg.UseWH(width, height))
		panel.Draw(draw.Crop(draw.New(c), 10, -22, 6, -4))
		b, err := svgBytes(c)
		if err != nil {
			return nil, err
		}
		// what stands before it belongs to files of their own
		if i := bytes.Index(b, []byte("<svg")); i > 0 {
			b = b[i:]
		}
		drawings = append(drawings, template.HTML(b)) // of numbers and escaped text alone
	}
	var out bytes.Buffer
	err := pageTemplate.Execute(&out, map[string]any{"Page": p, "Drawings": drawings})
	return out.Bytes(), err
}
