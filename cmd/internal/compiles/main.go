// Compiles says whether the compiler takes the module on the systems that it is not tested on, and
// bench/, a module of its own, with its tests. It reads all packages from their source and compiles
// none. A build for one more system compiles Go's library and all modules anew, two to three
// minutes of a core. `make night` does so.
package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	log.SetFlags(0)
	home, err := os.Getwd()
	if err != nil {
		log.Fatal(err)
	}
	var wrong []error
	for _, system := range []string{"darwin", "windows"} {
		wrong = append(wrong, check(system, home, ".", "./...", "./cmd/..."))
	}
	wrong = append(wrong, check("linux", home, "bench", "./..."))
	if err := errors.Join(wrong...); err != nil {
		log.Fatal(err)
	}
}

// check returns what the compiler would say of the module in a directory of home; on Linux of its
// tests too.
func check(system, home, dir string, patterns ...string) error {
	env := append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
	if dir != "." { // it is not in the workspace
		env = append(env, "GOWORK=off")
	}
	found, err := packages.Load(&packages.Config{
		Mode:  packages.NeedName | packages.NeedImports | packages.NeedDeps | packages.NeedTypes,
		Dir:   dir,
		Env:   env,
		Tests: system == "linux",
		ParseFile: func(fset *token.FileSet, name string, src []byte) (*ast.File, error) {
			f, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
			if f != nil && !strings.HasPrefix(name, home+string(filepath.Separator)) {
				empty(f)
			}
			return f, err
		},
	}, patterns...)
	if err != nil {
		return fmt.Errorf("%s, %s: %w", system, dir, err)
	}
	var wrong []error
	packages.Visit(found, nil, func(p *packages.Package) {
		ours := slices.Contains(found, p) && !strings.HasSuffix(p.ID, ".test") // which Go writes
		for _, e := range p.Errors {
			// Others' files have imports that nothing uses, without their functions' bodies.
			if ours || e.Kind == packages.ListError {
				wrong = append(wrong, fmt.Errorf("%s: %w", system, e))
			}
		}
	})
	return errors.Join(wrong...)
}

// empty leaves of a file of another module what its importers see, which is no function's body.
func empty(f *ast.File) {
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			fn.Body = nil
		}
	}
}
