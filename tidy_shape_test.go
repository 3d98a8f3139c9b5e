package starling_test

// This file is the habits of tidy_test.go about how packages of the core are divided: types that
// one can read alone, and files that do not all call each other.

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

const (
	maxMethods = 50 // of a type
	maxCircle  = 4  // files
)

// node is what gossip.Node may have at most; files are those of a circle in its package.
var node = struct{ methods, fields, files int }{30, 20, 3}

// methods counts those over maxMethods, by type.
func methods(t *testing.T, a *tree) findings {
	found := findings{}
	for dir, p := range a.core() {
		of := map[string][]*ast.FuncDecl{}
		for _, s := range p {
			for _, d := range s.ast.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil {
					of[receiver(f)] = append(of[receiver(f)], f)
				}
				if g, ok := d.(*ast.GenDecl); ok && dir == "internal/gossip" {
					nodeFields(t, g)
				}
			}
		}
		for name, all := range of {
			most := maxMethods
			if dir == "internal/gossip" && name == "Node" {
				if most = node.methods; len(all) > most {
					t.Errorf("gossip.Node has %d methods, at most %d are allowed", len(all), most)
				}
			}
			if len(all) > most {
				found.add(path.Base(dir)+"."+name, len(all), a.place(all[0]))
			}
		}
	}
	return found
}

func nodeFields(t *testing.T, g *ast.GenDecl) {
	for _, spec := range g.Specs {
		x, ok := spec.(*ast.TypeSpec)
		if !ok || x.Name.Name != "Node" {
			continue
		}
		n := 0
		for _, f := range x.Type.(*ast.StructType).Fields.List {
			n += max(len(f.Names), 1)
		}
		if n > node.fields {
			t.Errorf("gossip.Node has %d fields, at most %d are allowed", n, node.fields)
		}
	}
}

// circles counts the files of a package's largest circle of calls, by package, over maxCircle.
func circles(t *testing.T, a *tree) findings {
	found := findings{}
	for dir, p := range a.core() {
		c := circle(calls(a, p))
		if dir == "internal/gossip" && len(c) > node.files {
			t.Errorf("%d files of %s call each other in a circle, at most %d are allowed: %s",
				len(c), dir, node.files, strings.Join(c, " "))
		}
		if len(c) > maxCircle {
			found.add(path.Base(dir), len(c), strings.Join(c, " "))
		}
	}
	return found
}

// core is the packages of the core, without tests, by folder.
func (a *tree) core() map[string][]*source {
	all := map[string][]*source{}
	for _, s := range a.files {
		if _, ok := s.room(); ok && !s.isTest() {
			all[s.dir()] = append(all[s.dir()], s)
		}
	}
	return all
}

// nothing imports packages as empty ones: what is called in others does not matter here.
type nothing struct{}

func (nothing) Import(name string) (*types.Package, error) {
	p := types.NewPackage(name, path.Base(name))
	p.MarkComplete()
	return p, nil
}

// calls returns which files of a package use functions and methods of which others. A call by way
// of an interface is none: it can be read without what is behind it.
func calls(a *tree, files []*source) map[string][]string {
	var parsed []*ast.File
	for _, s := range files {
		parsed = append(parsed, s.ast)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: nothing{}, Error: func(error) {}}
	p, _ := conf.Check(files[0].dir(), a.fset, parsed, info)
	file := func(at token.Pos) string { return path.Base(a.fset.Position(at).Filename) }
	of := map[string]map[string]bool{}
	for id, o := range info.Uses {
		f, ok := o.(*types.Func)
		if !ok || f.Pkg() != p {
			continue
		}
		if r := f.Signature().Recv(); r != nil && types.IsInterface(r.Type()) {
			continue
		}
		from := file(id.Pos())
		if of[from] == nil {
			of[from] = map[string]bool{}
		}
		of[from][file(f.Pos())] = true
	}
	all := map[string][]string{}
	for from, to := range of {
		all[from] = slices.Sorted(maps.Keys(to))
	}
	return all
}

// circle returns the most files that all lead to each other.
func circle(calls map[string][]string) (most []string) {
	leads := func(from string) map[string]bool {
		seen := map[string]bool{}
		for next := []string{from}; len(next) > 0; next = next[1:] {
			for _, f := range calls[next[0]] {
				if !seen[f] {
					seen[f] = true
					next = append(next, f)
				}
			}
		}
		return seen
	}
	reach := map[string]map[string]bool{}
	for from := range calls {
		reach[from] = leads(from)
	}
	for _, from := range slices.Sorted(maps.Keys(calls)) {
		c := []string{from}
		for f := range reach[from] {
			if f != from && reach[f][from] {
				c = append(c, f)
			}
		}
		if len(c) > len(most) {
			slices.Sort(c)
			most = c
		}
	}
	return most
}

// The largest circle is found, and a chain is none.
func TestCircle(t *testing.T) {
	got := circle(map[string][]string{"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": {"e", "b"},
		"e": {}, "f": {"a"}})
	if fmt.Sprint(got) != "[b c d]" {
		t.Errorf("the circle is %v", got)
	}
}
