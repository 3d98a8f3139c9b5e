package starling_test

// This file holds docs/promises.md: that it quotes what is printed, and names tests and checkers
// that there are.

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const promisesPage = "docs/promises.md"

// promise is one row of the page.
type promise struct {
	line   int
	group  string
	cells  [4]string
	quotes []quotation
	held   []string // names in backquotes of the third cell
}

// quotation is a sentence and the file that prints it.
type quotation struct{ text, file string }

var (
	columns    = [4]string{"Promise", "Limits", "Held by", "Under"}
	cellBorder = regexp.MustCompile(`(?:^|[^\\])\|`)
	quoted     = regexp.MustCompile(`"([^"]+)" \[[^\]]+\]\(([^)]+)\)`)
	backquoted = regexp.MustCompile("`([^`]+)`")
	linkTarget = regexp.MustCompile(`\]\([^)]*\)`)
	commented  = regexp.MustCompile(`(?m)^\s*//`)
)

// readPromises reads the page. All its tables are of promises.
func readPromises(t *testing.T) (all []promise) {
	t.Helper()
	f, err := os.Open(promisesPage)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	group, inside := "", false
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for line := 1; s.Scan(); line++ {
		text := strings.TrimSpace(s.Text())
		if title, ok := strings.CutPrefix(text, "## "); ok {
			group = title
		}
		if !strings.HasPrefix(text, "|") {
			inside = false
			continue
		}
		cells := splitRow(text)
		switch {
		case !inside:
			if inside = true; !slices.Equal(cells, columns[:]) {
				t.Errorf("%s:%d: a table has the columns %q, want %q", promisesPage, line,
					cells, columns)
			}
		case strings.Trim(text, "|-: ") == "":
		case len(cells) != len(columns):
			t.Errorf("%s:%d: %d cells, want %d", promisesPage, line, len(cells), len(columns))
		default:
			p := promise{line: line, group: group, cells: [4]string(cells)}
			for _, m := range quoted.FindAllStringSubmatch(cells[0], -1) {
				file, _, _ := strings.Cut(m[2], "#")
				p.quotes = append(p.quotes, quotation{m[1],
					path.Join(path.Dir(promisesPage), file)})
			}
			for _, m := range backquoted.FindAllStringSubmatch(cells[2], -1) {
				p.held = append(p.held, m[1])
			}
			all = append(all, p)
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// splitRow returns the cells of a table's row.
func splitRow(text string) (cells []string) {
	text = strings.TrimSuffix(strings.TrimPrefix(text, "|"), "|")
	for {
		at := cellBorder.FindStringIndex(text)
		if at == nil {
			return append(cells, strings.TrimSpace(text))
		}
		cells, text = append(cells, strings.TrimSpace(text[:at[1]-1])), text[at[1]:]
	}
}

// broken is where a text in Go goes on in the next line.
var broken = regexp.MustCompile(`"\s*\+\s*"`)

// plain is a text without what only its page needs: the marks of Markdown and of comments, and
// breaks of lines.
func plain(text string) string {
	text = linkTarget.ReplaceAllString(commented.ReplaceAllString(text, " "), "]")
	text = broken.ReplaceAllString(text, "")
	return strings.Join(strings.Fields(strings.NewReplacer("[", "", "]", "", "*", "", "`", "",
		"//", " ").Replace(text)), " ")
}

// simCheckers are the names of the simulator's checkers: what their methods Name return.
func simCheckers(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("internal/sim/*.go")
	if err != nil {
		t.Fatal(err)
	}
	names, takes := map[string]string{}, map[string]bool{} // by the receiver's type
	for _, file := range files {
		for _, d := range parsed(t, file).Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || strings.HasSuffix(file, "_test.go") {
				continue
			}
			of := receiver(f)
			switch f.Name.Name {
			case "Take":
				takes[of] = true
			case "Name":
				if name, ok := returned(f); ok {
					names[of] = name
				}
			}
		}
	}
	all := map[string]bool{}
	for of, name := range names {
		if takes[of] {
			all[name] = true
		}
	}
	return all
}

func parsed(t *testing.T, file string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// returned returns the text that a function of one statement returns.
func returned(f *ast.FuncDecl) (string, bool) {
	if f.Body == nil || len(f.Body.List) != 1 {
		return "", false
	}
	r, ok := f.Body.List[0].(*ast.ReturnStmt)
	if !ok || len(r.Results) != 1 {
		return "", false
	}
	lit, ok := r.Results[0].(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

// testsIn are the tests, fuzz targets and benchmarks of a directory.
func testsIn(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, file := range files {
		for _, d := range parsed(t, file).Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && len(f.Type.Params.List) == 1 {
				all[f.Name.Name] = true
			}
		}
	}
	return all
}

var testName = regexp.MustCompile(`^(Test|Fuzz|Benchmark)\w+$`)

// TestPromises holds each row of docs/promises.md. No cell is empty, what it quotes stands where it
// says, and what holds it is there: a test as directory.TestName (starling for the root; without
// internal/), a checker as "checker name", a target as "make name".
func TestPromises(t *testing.T) {
	all := readPromises(t)
	if len(all) < 50 {
		t.Fatalf("%s has %d promises", promisesPage, len(all))
	}
	checkers, tests, files := simCheckers(t), map[string]map[string]bool{}, map[string]string{}
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	exists := func(name string) bool {
		if checker, ok := strings.CutPrefix(name, "checker "); ok {
			return checkers[checker]
		}
		if target, ok := strings.CutPrefix(name, "make "); ok {
			return strings.Contains(string(makefile), "\n"+target+":")
		}
		dot := strings.LastIndexByte(name, '.')
		if dot < 0 || !testName.MatchString(name[dot+1:]) {
			return false
		}
		dir := name[:dot]
		if tests[dir] == nil {
			tests[dir] = map[string]bool{}
			for _, in := range [...]string{"", "internal", "cmd/internal"} {
				maps.Copy(tests[dir], testsIn(t, path.Join(in,
					strings.TrimPrefix(dir, "starling"))))
			}
		}
		return tests[dir][name[dot+1:]]
	}
	for _, p := range all {
		for i, c := range p.cells {
			if c == "" || c == "-" {
				t.Errorf("%s:%d: %s is empty", promisesPage, p.line, columns[i])
			}
		}
		if rest := strings.Trim(quoted.ReplaceAllString(p.cells[0], ""), " ;"); rest != "" ||
			len(p.quotes) == 0 {
			t.Errorf("%s:%d: a promise is a sentence in quotes and a link to where it is "+
				"printed, and not %q", promisesPage, p.line, rest)
		}
		for _, q := range p.quotes {
			if _, ok := files[q.file]; !ok {
				b, err := os.ReadFile(q.file)
				if err != nil {
					t.Errorf("%s:%d: %v", promisesPage, p.line, err)
				}
				files[q.file] = plain(string(b))
			}
			if !strings.Contains(files[q.file], plain(q.text)) {
				t.Errorf("%s:%d: %s does not say %q", promisesPage, p.line, q.file, q.text)
			}
		}
		if len(p.held) == 0 {
			t.Errorf("%s:%d: nothing in backquotes holds it", promisesPage, p.line)
		}
		for _, name := range p.held {
			if !exists(name) {
				t.Errorf("%s:%d: there is no %q", promisesPage, p.line, name)
			}
		}
	}
}

// A checker is there to hold a promise, and what the README tells of how it works is one.
func TestPromisesAreWhole(t *testing.T) {
	held, printed := map[string]bool{}, []string{}
	for _, p := range readPromises(t) {
		for _, name := range p.held {
			held[name] = true
		}
		for _, q := range p.quotes {
			if q.file == "README.md" {
				printed = append(printed, plain(q.text))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(simCheckers(t))) {
		if !held["checker "+name] {
			t.Errorf("the simulator's checker %q holds no promise of %s", name, promisesPage)
		}
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, how, _ := strings.Cut(string(readme), "## How it works")
	how, _, _ = strings.Cut(how, "\n## ")
	points := strings.Split(how, "\n- **")[1:]
	if len(points) == 0 {
		t.Fatal("the README does not say how it works")
	}
	for _, point := range points {
		point = plain(strings.Split(point, "\n\n")[0])
		if !slices.ContainsFunc(printed, func(s string) bool {
			return strings.Contains(point,
				s)
		}) {
			t.Errorf("no promise of the README's %.60q… stands in %s", point, promisesPage)
		}
	}
}
