package starling_test

// This file is the habits of tidy_test.go about how large the parts of a package of the core are.

import (
	"fmt"
	"go/ast"
	"go/types"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

const (
	maxMethods = 50
	maxCircle  = 4
)

// parted returns the files of the packages below gossip, without tests, by package.
func parted(a *tree) map[string][]*source {
	rooms := map[string][]*source{}
	for _, s := range a.files {
		if room, core := s.room(); core && !s.isTest() {
			if room == "." {
				room = "gossip"
			}
			rooms[room] = append(rooms[room], s)
		}
	}
	return rooms
}

func manyMethods(_ *testing.T, a *tree) findings {
	found := findings{}
	for room, files := range parted(a) {
		of := map[string]int{}
		for _, s := range files {
			for _, d := range s.ast.Decls {
				if d, ok := d.(*ast.FuncDecl); ok && d.Recv != nil {
					of[receiver(d)]++
				}
			}
		}
		for name, n := range of {
			if n > maxMethods {
				found.add(path.Base(room)+"."+name, n, fmt.Sprintf("it has %d", n))
			}
		}
	}
	return found
}

func fileCircles(_ *testing.T, a *tree) findings {
	c := checker{a: a, rooms: parted(a), done: map[string]*types.Package{},
		uses: types.Info{Uses: map[*ast.Ident]types.Object{}}}
	found := findings{}
	for room := range c.rooms {
		for _, circle := range circles(c.calls(room)) {
			if len(circle) > maxCircle {
				found.add(room, len(circle), strings.Join(circle, " "))
			}
		}
	}
	return found
}

// checker finds the types of packages of the core. Those of other packages it leaves open, which is
// faster, and hides few calls within a package.
type checker struct {
	a     *tree
	rooms map[string][]*source
	done  map[string]*types.Package
	uses  types.Info // of all that are done
}

// Import is that of types.Importer.
func (c *checker) Import(name string) (*types.Package, error) {
	if p := c.done[name]; p != nil {
		return p, nil
	}
	if room, ok := strings.CutPrefix(name, modulePath+"internal/gossip/"); ok {
		var files []*ast.File
		for _, s := range c.rooms[room] {
			files = append(files, s.ast)
		}
		open := types.Config{Importer: c, Error: func(error) {}}
		c.done[name], _ = open.Check(name, c.a.fset, files, &c.uses)
		return c.done[name], nil
	}
	base := path.Base(name)
	if base == "v2" {
		base = path.Base(path.Dir(name))
	}
	c.done[name] = types.NewPackage(name, base)
	c.done[name].MarkComplete()
	return c.done[name], nil
}

// calls returns which files of a package use functions and methods of which others. A call of an
// interface leads nowhere: that is what interfaces are for.
func (c *checker) calls(room string) map[string]map[string]bool {
	p, _ := c.Import(modulePath + "internal/gossip/" + room)
	calls := map[string]map[string]bool{}
	for _, s := range c.rooms[room] {
		from := path.Base(s.name)
		calls[from] = map[string]bool{}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			f, ok := c.uses.Uses[id].(*types.Func)
			if !ok || f.Pkg() != p {
				return true
			}
			if r := f.Signature().Recv(); r != nil && types.IsInterface(r.Type()) {
				return true
			}
			if to := path.Base(c.a.fset.Position(f.Origin().Pos()).Filename); to != from {
				calls[from][to] = true
			}
			return true
		})
	}
	return calls
}

// circles returns the sets of nodes each of which leads to each other (Tarjan 1972).
func circles(leads map[string]map[string]bool) (found [][]string) {
	var stack []string
	number, low := map[string]int{}, map[string]int{}
	var visit func(string)
	visit = func(v string) {
		number[v] = len(number) + 1
		low[v] = number[v]
		stack = append(stack, v)
		for w := range leads[v] {
			if number[w] == 0 {
				visit(w)
			}
			if slices.Contains(stack, w) {
				low[v] = min(low[v], low[w])
			}
		}
		if low[v] == number[v] {
			i := slices.Index(stack, v)
			found = append(found, slices.Sorted(slices.Values(stack[i:])))
			stack = stack[:i]
		}
	}
	for _, v := range slices.Sorted(maps.Keys(leads)) {
		if number[v] == 0 {
			visit(v)
		}
	}
	return found
}

func TestCircles(t *testing.T) {
	leads := map[string]map[string]bool{
		"a": {"b": true}, "b": {"c": true, "d": true}, "c": {"a": true}, "d": {"e": true},
		"e": {"d": true}, "f": {"a": true, "g": true}, "g": {},
	}
	got := fmt.Sprint(circles(leads))
	if want := "[[d e] [a b c] [g] [f]]"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
}
