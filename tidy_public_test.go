package starling_test

// This file is the habits of tidy_test.go about what programs of others can import.

import (
	"bytes"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// maxPublic is how many names the public packages may export together: those of their top level,
// and the methods of their types. Fields of structs are not counted.
const maxPublic = 250

// publicPackages are all that others can import. The rest is package main, or below internal/.
var publicPackages = []string{".", "api", "client"}

// importable returns the packages of the tree that others can import, of nested modules too.
func importable(a *tree) (dirs []string) {
	for _, s := range a.files {
		if !s.isTest() && s.ast.Name.Name != "main" &&
			!slices.Contains(strings.Split(s.dir(), "/"), "internal") {
			dirs = append(dirs, s.dir())
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// public holds that what is importable is small, and means nothing that a user cannot name.
func public(t *testing.T, a *tree) {
	dirs := importable(a)
	if !slices.Equal(dirs, publicPackages) {
		t.Errorf("rule: the public packages are %q, and these can be imported: %q\nreason: what "+
			"can be imported is used, and then it cannot be changed", publicPackages, dirs)
	}
	sum, counts, leaks := 0, "", []string(nil)
	for _, p := range checked(t, publicPackages) {
		x := surface{pkg: p, module: strings.TrimSuffix(modulePath, "/")}
		x.look()
		sum += x.count
		counts += fmt.Sprintf("\n%4d %s", x.count, p.Path())
		leaks = append(leaks, x.leaks...)
	}
	counts += fmt.Sprintf("\n%4d of %d", sum, maxPublic)
	t.Log("exported names of the public packages:" + counts)
	if sum > maxPublic {
		t.Errorf("rule: the public packages export %d names at most, methods counted and fields "+
			"not\nreason: each is a promise, and one more to read%s", maxPublic, counts)
	}
	if len(leaks) > 0 {
		t.Errorf("rule: no type of internal/... shows in a public one, but by an alias that a "+
			"public package declares\nreason: a user can neither name it nor read its "+
			"comment\n%s", strings.Join(leaks, "\n"))
	}
}

// checked returns packages of the root module as the compiler exported them.
func checked(t *testing.T, dirs []string) (all []*types.Package) {
	t.Helper()
	args := []string{"list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}"}
	for _, d := range dirs {
		args = append(args, "./"+d)
	}
	list := exec.Command("go", args...)
	list.Stderr = new(bytes.Buffer)
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, list.Stderr)
	}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 2 {
			files[f[0]] = f[1]
		}
	}
	from := importer.ForCompiler(token.NewFileSet(), "gc",
		func(name string) (io.ReadCloser, error) { return os.Open(files[name]) })
	for _, d := range dirs {
		p, err := from.Import(path.Join(modulePath, d))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// surface is what a package shows.
type surface struct {
	pkg    *types.Package
	module string
	count  int
	leaks  []string
}

func (x *surface) look() {
	scope := x.pkg.Scope()
	for _, name := range scope.Names() {
		obj := scope.Lookup(name)
		if !obj.Exported() {
			continue
		}
		x.count++
		name = x.pkg.Name() + "." + name
		named, ok := types.Unalias(obj.Type()).(*types.Named)
		if _, isType := obj.(*types.TypeName); !ok || !isType {
			x.of(name, obj.Type())
			continue
		}
		for m := range named.Methods() {
			if m.Exported() {
				x.count++
				x.of(name+"."+m.Name(), m.Type())
			}
		}
		if i, ok := named.Underlying().(*types.Interface); ok {
			x.count += i.NumExplicitMethods()
		}
		x.of(name, named.Underlying())
	}
}

// of notes the types of internal/... in what a name stands for.
func (x *surface) of(name string, t types.Type) {
	switch t := t.(type) {
	case *types.Alias:
		if !x.internal(t.Obj()) {
			return
		}
		x.of(name, types.Unalias(t))
	case *types.Named:
		if x.internal(t.Obj()) {
			x.leaks = append(x.leaks, name+": "+t.String())
		}
		for arg := range t.TypeArgs().Types() {
			x.of(name, arg)
		}
	case *types.Struct:
		for f := range t.Fields() {
			if f.Exported() {
				x.of(name+"."+f.Name(), f.Type())
			}
		}
	case *types.Interface:
		for m := range t.ExplicitMethods() {
			x.of(name+"."+m.Name(), m.Type())
		}
	case *types.Signature:
		for v := range t.Params().Variables() {
			x.of(name, v.Type())
		}
		for v := range t.Results().Variables() {
			x.of(name, v.Type())
		}
	case *types.Map:
		x.of(name, t.Key())
		x.of(name, t.Elem())
	case interface{ Elem() types.Type }: // pointers, slices, arrays, channels
		x.of(name, t.Elem())
	}
}

func (x *surface) internal(n *types.TypeName) bool {
	return n.Pkg() != nil && strings.HasPrefix(n.Pkg().Path(), x.module+"/internal/")
}
