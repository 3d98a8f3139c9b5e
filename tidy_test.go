package starling_test

// This file holds the habits of the house: rules that a reader would otherwise have to enforce.
// Each subtest prints its rule and the reason. CONTRIBUTING.md tells what to do when one fails.

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	tidyFile   = "testdata/tidy.txt"
	modulePath = "github.com/starling-gossip/starling/"

	maxColumns = 100
	tabColumns = 4
	maxLines   = 450
	lineSteps  = 50 // a longer file is allowed its lines rounded up to this
)

const tidyHead = `# What tidy_test.go lets pass: a habit, how often, and the file or the name.
# Numbers only fall. go test . -run TestTidy -tidy.write writes them anew, unless those of a habit
# would sum to more.
`

var tidyWrite = flag.Bool("tidy.write", false, "write "+tidyFile+" anew, if no habit has more")

// habit is a rule whose exceptions are counted.
type habit struct {
	name, rule, reason string
	find               func(*testing.T, *tree) findings
}

// findings are what breaks a rule: by file, or by the name of what is at fault.
type findings map[string]*finding

type finding struct {
	count  int
	places []string // the first few
}

func (f findings) add(name string, count int, place string) {
	x := f[name]
	if x == nil {
		x = new(finding)
		f[name] = x
	}
	if x.count += count; len(x.places) < 5 {
		x.places = append(x.places, place)
	}
}

var habits = []habit{
	{"columns", "a line of Go has at most 100 columns, in bytes, a tab counts as 4",
		"two files stand side by side on a screen, and a long line is read by nobody to its end",
		longLines},
	{"who", `a comment says "a node that ...", and not who, whoever or whom`,
		"nodes are things, and the subject comes first", whoComments},
	{"lines", "a file of Go has at most 450 lines",
		"a file is one thought, which its first lines can tell", longFiles},
	{"doc", "the doc comment of an exported name begins with the name",
		"go doc shows them in lists, where the first words are all that is read", docComments},
	{"default", `"default X" in the comment of a Config's field is the default of the code`,
		"a reader believes the comment, and a wrong one is worse than none", defaults},
	{"knob", "each field of a Config of gossip/... is set by a test, by sim or by cmd",
		"a knob that nobody turns is not known to work; delete it or test it", knobs},
	{"import", "a package of gossip/... imports only packages that stand below it in rooms",
		"a plane is read and tested without the other planes and without the node", imports},
	{"methods", "a type of gossip/... has at most 50 methods, gossip.Node 30 and 20 fields",
		"a type of many methods is a package without an inside: each of them may use all the rest",
		methods},
	{"circle", "at most 4 files of a package of gossip/... call each other in a circle, 3 of " +
		"gossip itself",
		"in a circle no file can be read before the others", circles},
}

func TestTidy(t *testing.T) {
	all := readTree(t)
	allowed := readAllowed(t)
	next := map[string]findings{}
	for _, h := range habits {
		t.Run(h.name, func(t *testing.T) {
			found := h.find(t, all)
			next[h.name] = found
			if !*tidyWrite {
				h.compare(t, found, allowed[h.name])
			}
		})
	}
	t.Run("decisions", decisions)
	t.Run("pages", pages)
	t.Run("public", func(t *testing.T) { public(t, all) })
	if *tidyWrite {
		writeAllowed(t, allowed, next)
	}
}

// compare complains about more than is allowed, and about an allowance that is not used up.
func (h *habit) compare(t *testing.T, found findings, allowed map[string]int) {
	var wrong []string
	for name, f := range found {
		if f.count > allowed[name] {
			wrong = append(wrong, fmt.Sprintf("%s: %d, %d allowed: %s",
				name, f.count, allowed[name], strings.Join(f.places, "; ")))
		}
	}
	for name, n := range allowed {
		count := 0
		if f := found[name]; f != nil {
			count = f.count
		}
		if count < n {
			wrong = append(wrong, fmt.Sprintf("%s: %d, better than the %d in %s: lower that number",
				name, count, n, tidyFile))
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		t.Errorf("rule: %s\nreason: %s\n%s", h.rule, h.reason, strings.Join(wrong, "\n"))
	}
}

// readAllowed returns how often each habit is broken where.
func readAllowed(t *testing.T) map[string]map[string]int {
	t.Helper()
	text, err := os.ReadFile(tidyFile)
	if err != nil && !*tidyWrite {
		t.Fatal(err)
	}
	allowed := map[string]map[string]int{}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		known := slices.ContainsFunc(habits, func(h habit) bool { return h.name == words[0] })
		if len(words) != 3 || !known {
			t.Fatalf("%s: %q is no habit, number and name", tidyFile, line)
		}
		n, err := strconv.Atoi(words[1])
		if err != nil || n <= 0 {
			t.Fatalf("%s: %q has no number above 0", tidyFile, line)
		}
		if allowed[words[0]] == nil {
			allowed[words[0]] = map[string]int{}
		}
		allowed[words[0]][words[2]] = n
	}
	return allowed
}

// writeAllowed lets numbers move with code from file to file, and fall, but not rise in sum.
func writeAllowed(t *testing.T, allowed map[string]map[string]int, next map[string]findings) {
	text, rose := bytes.NewBufferString(tidyHead), false
	for _, h := range habits {
		found, ran := next[h.name]
		if !ran {
			t.Fatalf("%s was not run: -tidy.write needs all of TestTidy", h.name)
		}
		before, after := 0, 0
		for _, n := range allowed[h.name] {
			before += n
		}
		for _, name := range slices.Sorted(maps.Keys(found)) {
			fmt.Fprintf(text, "%s %d %s\n", h.name, found[name].count, name)
			after += found[name].count
		}
		if len(allowed) > 0 && after > before {
			rose = true
			t.Errorf("%s: %d in sum, and %d before\nrule: %s\nreason: %s",
				h.name, after, before, h.rule, h.reason)
		}
	}
	if !rose {
		if err := os.WriteFile(tidyFile, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// tree is all Go of the repository, bench/ included, and without testdata.
type tree struct {
	fset  *token.FileSet
	files []*source // by name
}

type source struct {
	name string // with slashes, from the root on
	text []byte
	ast  *ast.File
}

func (s *source) dir() string  { return path.Dir(s.name) }
func (s *source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

// room is the file's package below gossip, "." for gossip itself.
func (s *source) room() (string, bool) {
	if s.dir() == "internal/gossip" {
		return ".", true
	}
	return strings.CutPrefix(s.dir(), "internal/gossip/")
}

func (a *tree) place(n ast.Node) string {
	p := a.fset.Position(n.Pos())
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

func readTree(t *testing.T) *tree {
	t.Helper()
	a := &tree{fset: token.NewFileSet()}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (d.Name() == "testdata" || d.Name()[0] == '.'):
			return fs.SkipDir
		case !d.IsDir() && filepath.Ext(name) == ".go":
			a.files = append(a.files, &source{name: filepath.ToSlash(name)})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(a.files) < 300 {
		t.Fatalf("only %d files were found", len(a.files))
	}
	var reading sync.WaitGroup
	for part := range slices.Chunk(a.files, 100) {
		reading.Go(func() {
			for _, s := range part {
				if err := s.read(a.fset); err != nil {
					t.Error(err)
				}
			}
		})
	}
	reading.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return a
}

func (s *source) read(fset *token.FileSet) (err error) {
	if s.text, err = os.ReadFile(filepath.FromSlash(s.name)); err != nil {
		return err
	}
	s.ast, err = parser.ParseFile(fset, s.name, s.text,
		parser.ParseComments|parser.SkipObjectResolution)
	return err
}

func longLines(_ *testing.T, a *tree) findings {
	found := findings{}
	for _, s := range a.files {
		line := 0
		for text := range bytes.Lines(s.text) {
			line++
			text = bytes.TrimRight(text, "\r\n")
			n := len(text) + bytes.Count(text, []byte("\t"))*(tabColumns-1)
			if n > maxColumns {
				found.add(s.name, 1, fmt.Sprintf("line %d has %d", line, n))
			}
		}
	}
	return found
}

var (
	// WHO is what a user writes in a scenario of the simulator
	whoWord = regexp.MustCompile(`\b[Ww]ho(m|ever|mever)?\b`)
	// a capital inside a sentence is the type of package sim, whose own comment begins with "A"
	whoName = regexp.MustCompile(`[A-Za-z] Who\b`)
	// people are no nodes
	whoPeople = regexp.MustCompile(
		`(?i)\b(people|persons?|users?|operators?|developers?|maintainers?|authors?),? whom?\b`)
)

func whoComments(_ *testing.T, a *tree) findings {
	found := findings{}
	for _, s := range a.files {
		for _, group := range s.ast.Comments {
			for _, c := range group.List {
				line := a.fset.Position(c.Pos()).Line
				for text := range strings.Lines(c.Text) {
					if !strings.Contains(text, "ho") { // faster
						line++
						continue
					}
					text = whoName.ReplaceAllString(whoPeople.ReplaceAllString(text, ""), "")
					if whoWord.MatchString(text) {
						found.add(s.name, 1, fmt.Sprintf("line %d", line))
					}
					line++
				}
			}
		}
	}
	return found
}

func longFiles(_ *testing.T, a *tree) findings {
	found := findings{}
	for _, s := range a.files {
		if n := bytes.Count(s.text, []byte("\n")); n > maxLines {
			steps := (n + lineSteps - 1) / lineSteps * lineSteps
			found.add(s.name, steps, fmt.Sprintf("it has %d", n))
		}
	}
	return found
}

func docComments(_ *testing.T, a *tree) findings {
	found := findings{}
	for _, s := range a.files {
		if s.isTest() || s.ast.Name.Name == "main" {
			continue
		}
		wants := func(name *ast.Ident, doc *ast.CommentGroup) {
			if !name.IsExported() {
				return
			}
			// the words of the comment, without an article
			words := strings.FieldsFunc(doc.Text(), func(r rune) bool {
				return strings.ContainsRune(" \n,.:;'(", r)
			})
			if len(words) > 1 && slices.Contains([]string{"A", "An", "The"}, words[0]) {
				words = words[1:]
			}
			if len(words) == 0 || words[0] != name.Name {
				place := fmt.Sprintf("line %d, %s", a.fset.Position(name.Pos()).Line, name.Name)
				found.add(s.name, 1, place)
			}
		}
		for _, d := range s.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil || ast.IsExported(receiver(d)) {
					wants(d.Name, d.Doc)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					wantsSpec(d, spec, wants)
				}
			}
		}
	}
	return found
}

// wantsSpec calls wants for what a declaration declares. A group may have one comment for all.
func wantsSpec(d *ast.GenDecl, spec ast.Spec, wants func(*ast.Ident, *ast.CommentGroup)) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		doc := spec.Doc
		if !d.Lparen.IsValid() {
			doc = d.Doc
		}
		wants(spec.Name, doc)
	case *ast.ValueSpec:
		if !d.Lparen.IsValid() {
			wants(spec.Names[0], d.Doc)
		} else if d.Doc == nil && spec.Comment == nil {
			wants(spec.Names[0], spec.Doc)
		}
	}
}

// receiver returns the name of a method's type.
func receiver(d *ast.FuncDecl) string {
	x := d.Recv.List[0].Type
	for {
		switch y := x.(type) {
		case *ast.StarExpr:
			x = y.X
		case *ast.IndexExpr:
			x = y.X
		case *ast.IndexListExpr:
			x = y.X
		case *ast.Ident:
			return y.Name
		default:
			return ""
		}
	}
}
