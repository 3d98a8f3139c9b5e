// Package purity holds the rules that keep the core, gossip/ and all below it, a pure function of
// its inputs, each with its reason. Tests are left out. It has a place of its own so that the
// core's tests, which are compiled for fuzzing and for the race detector too, need no compiler.
package purity

import (
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	core   = "../../internal/gossip"
	module = "github.com/starling-gossip/starling/"

	whyIO = "the core does no I/O: packets and events leave by the Outbox, and drivers and " +
		"the simulator do the rest"
	whyClock = "the core reads no clock and waits for nothing: the time comes in with each " +
		"input, or a simulator could not turn it"
	whyThreads = "the core runs on its caller's goroutine and takes no lock: who calls it sees " +
		"to that"
	whyChance = "chance comes from the source given to New alone, or a run could not be " +
		"replayed from its seed"
	whyOrder = "the order of a map differs from run to run and must not reach an output: go " +
		"through a slice, or sort"
	whyFloats = "its last bit may differ between machines, and equal inputs must give equal " +
		"bytes on all of them"
	whyLibs = "the core uses the standard library alone, so that a program which imports it " +
		"takes on nothing else"
	whyLayers = "a room is a package and nothing imports upwards: the core knows of nothing " +
		"outside gossip/"
)

// forbiddenImports maps a package, with all below it, to the reason why the core must not import
// it.
var forbiddenImports = map[string]string{
	"net": whyIO, "os": whyIO, "io": whyIO, "log": whyIO, "syscall": whyIO, "plugin": whyIO,
	"embed": whyIO, "database": whyIO,
	"sync": whyThreads, "context": whyThreads, "runtime": whyThreads,
	"math/rand": whyChance, "crypto": whyChance, "hash/maphash": whyChance,
	"unsafe": "the core's bytes are the same on every machine, which memory is " +
		"not", "reflect": "it costs memory per packet",
}

// allowedImports are exceptions from them.
var allowedImports = []string{"net/netip", "math/rand/v2"}

// forbiddenNames are those of allowed packages that are impure.
var forbiddenNames = map[string]map[string]string{
	"time": reasons(whyClock, "Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick",
		"NewTimer", "NewTicker"),
	"math": reasons(whyFloats, "Log", "Log2", "Log10", "Log1p", "Exp", "Exp2", "Expm1", "Pow",
		"Sin", "Cos", "Tan", "Tanh",
		"Sinh", "Cosh", "Asin", "Acos", "Atan", "Atan2", "Cbrt", "Gamma", "Erf", "Hypot", "FMA"),
	"fmt": reasons(whyIO, "Print", "Println", "Printf", "Fprint", "Fprintf", "Fprintln",
		"Scan", "Scanf", "Scanln"),
	"math/rand/v2": reasons(whyChance, "Int", "IntN", "Int32", "Int32N", "Int64", "Int64N",
		"Uint", "UintN", "Uint32",
		"Uint32N", "Uint64", "Uint64N", "N", "Float32", "Float64", "ExpFloat64", "NormFloat64",
		"Perm", "Shuffle"),
}

func reasons(why string, names ...string) map[string]string {
	m := map[string]string{}
	for _, n := range names {
		m[n] = why
	}
	return m
}

func TestPurity(t *testing.T) {
	p := &purity{t: t, fset: token.NewFileSet(), core: map[string]*types.Package{}}
	// a test built with -trimpath does not know it
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	build.Default.GOROOT = strings.TrimSpace(string(root))
	p.std = importer.ForCompiler(p.fset, "source", nil)
	err = filepath.WalkDir(core, func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if d.Name() == "testdata" {
			return fs.SkipDir
		}
		p.check(filepath.ToSlash(dir))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.core) < 8 {
		t.Errorf("only %d packages were looked at", len(p.core))
	}
}

type purity struct {
	t    *testing.T
	fset *token.FileSet
	std  types.Importer
	core map[string]*types.Package // by directory, each looked at once
}

// Import gives each package of the core the others. The importer of source would start the go
// command for each of them, each time that it is imported.
func (p *purity) Import(path string) (*types.Package, error) {
	if dir, ok := strings.CutPrefix(path, module+"internal/gossip/"); ok {
		return p.check(core + "/" + dir), nil
	}
	return p.std.Import(path)
}

func (p *purity) errorf(pos token.Pos, what, why string) {
	p.t.Errorf("%s: %s: %s", p.fset.Position(pos), what, why)
}

// check goes through the package in a directory and returns it, or nil if there is none.
func (p *purity) check(dir string) *types.Package {
	if known := p.core[dir]; known != nil {
		return known
	}
	var files []*ast.File
	names, _ := filepath.Glob(filepath.Join(dir, "*.go"))
	for _, name := range names {
		built, err := build.Default.MatchFile(dir, filepath.Base(name)) // without tags
		if err != nil {
			p.t.Fatal(err)
		}
		if !built || strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(p.fset, name, nil, 0)
		if err != nil {
			p.t.Fatal(err)
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		return nil
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{},
		Uses: map[*ast.Ident]types.Object{}}
	cfg := types.Config{Importer: p}
	pkg, err := cfg.Check(dir, p.fset, files, info)
	if err != nil {
		p.t.Fatal(err)
	}
	p.core[dir] = pkg
	for _, f := range files {
		p.imports(f)
		ast.Inspect(f, func(n ast.Node) bool { p.node(info, n); return true })
	}
	return pkg
}

func (p *purity) imports(f *ast.File) {
	for _, spec := range f.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		first, _, _ := strings.Cut(path, "/")
		switch {
		case strings.HasPrefix(path, module+"internal/gossip/"):
		case strings.HasPrefix(path, module):
			p.errorf(spec.Pos(), "it imports "+path, whyLayers)
		case strings.Contains(first, "."):
			p.errorf(spec.Pos(), "it imports "+path, whyLibs)
		case slices.Contains(allowedImports, path):
		default:
			for bad, why := range forbiddenImports {
				if path == bad || strings.HasPrefix(path, bad+"/") {
					p.errorf(spec.Pos(), "it imports "+path, why)
				}
			}
		}
	}
}

func (p *purity) node(info *types.Info, n ast.Node) {
	switch n := n.(type) {
	case *ast.GoStmt:
		p.errorf(n.Pos(), "a go statement", whyThreads)
	case *ast.SelectStmt:
		p.errorf(n.Pos(), "a select statement", whyThreads)
	case *ast.ChanType:
		p.errorf(n.Pos(), "a channel", whyThreads)
	case *ast.RangeStmt:
		if _, ok := info.Types[n.X].Type.Underlying().(*types.Map); ok {
			p.errorf(n.Pos(), "a loop over a map", whyOrder)
		}
	case *ast.CallExpr:
		p.call(info, n)
	case *ast.Ident:
		o := info.Uses[n]
		// of names, those of packages
		if o == nil || o.Pkg() == nil || o.Parent() != o.Pkg().Scope() {
			return
		}
		if why := forbiddenNames[o.Pkg().Path()][o.Name()]; why != "" {
			p.errorf(n.Pos(), o.Pkg().Path()+"."+o.Name(), why)
		}
	}
}

// call finds the keys of a map gone through without sorting them.
func (p *purity) call(info *types.Info, call *ast.CallExpr) {
	isCall := func(e ast.Expr, pkg string, names ...string) bool {
		c, ok := e.(*ast.CallExpr)
		if !ok {
			return false
		}
		s, ok := c.Fun.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		o := info.Uses[s.Sel]
		return o != nil && o.Pkg() != nil && o.Pkg().Path() == pkg &&
			slices.Contains(names, o.Name())
	}
	for _, arg := range call.Args {
		if isCall(arg, "maps", "Keys", "Values", "All") &&
			!isCall(call, "slices", "Sorted", "SortedFunc", "SortedStableFunc") &&
			!isCall(call, "maps", "Collect") {
			p.errorf(arg.Pos(), "the keys of a map, unsorted", whyOrder)
		}
	}
}
