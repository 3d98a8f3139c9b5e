package starling_test

// This file is the habits of tidy_test.go that look into the Configs of gossip/....

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"regexp"
	"strings"
	"testing"
	"time"
)

// configField is a field of a Config of gossip/....
type configField struct {
	room, name string
	comment    string
	place      string
}

func (f *configField) String() string {
	if f.room == "." {
		return "gossip.Config." + f.name
	}
	return f.room + ".Config." + f.name
}

// configFields returns those that are no Config themselves.
func configFields(t *testing.T, a *tree) (all []configField) {
	t.Helper()
	for _, s := range a.files {
		room, core := s.room()
		if !core || s.isTest() {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || spec.Name.Name != "Config" {
				return true
			}
			for _, f := range spec.Type.(*ast.StructType).Fields.List {
				if x, ok := f.Type.(*ast.SelectorExpr); ok && x.Sel.Name == "Config" {
					continue
				}
				comment := f.Comment.Text()
				if f.Doc != nil {
					comment = f.Doc.Text() + " " + comment
				}
				comment = strings.Join(strings.Fields(comment), " ")
				for _, name := range f.Names {
					all = append(all, configField{room, name.Name, comment, a.place(name)})
				}
			}
			return false
		})
	}
	if len(all) < 80 {
		t.Fatalf("only %d fields of Configs were found", len(all))
	}
	return all
}

// knobs finds fields that nothing sets: no composite of their Config, no assignment, no address
// taken for a flag, no "inquest.grace=2s" as of sim --set.
func knobs(t *testing.T, a *tree) findings {
	groups := configGroups(t, a)
	set := map[string]bool{}
	mark := func(room, field string) { set[room+"."+strings.ToLower(field)] = true }
	for _, s := range a.files {
		if !s.isTest() && !strings.HasPrefix(s.name, "internal/sim/") &&
			!strings.HasPrefix(s.name, "cmd/") {
			continue
		}
		own, core := s.room()
		// target marks a field that is written to by a selector
		target := func(x ast.Expr) {
			sel, ok := x.(*ast.SelectorExpr)
			if !ok {
				return
			}
			switch of := sel.X.(type) {
			case *ast.SelectorExpr:
				if room, ok := groups[of.Sel.Name]; ok {
					mark(room, sel.Sel.Name)
					return
				}
			case *ast.Ident:
				if room, ok := groups[of.Name]; ok {
					mark(room, sel.Sel.Name)
					return
				}
			}
			if core { // a test beside the code has its Config under any name
				mark(own, sel.Sel.Name)
			}
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, x := range n.Lhs {
					target(x)
				}
			case *ast.UnaryExpr:
				if n.Op == token.AND {
					target(n.X)
				}
			case *ast.CompositeLit:
				room := own
				switch x := n.Type.(type) {
				case *ast.SelectorExpr:
					pkg, ok := x.X.(*ast.Ident)
					if !ok || x.Sel.Name != "Config" {
						return true
					}
					if room = pkg.Name; room == "gossip" {
						room = "."
					}
				case *ast.Ident:
					if !core || x.Name != "Config" {
						return true
					}
				default:
					return true
				}
				for _, e := range n.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok {
						mark(room, kv.Key.(*ast.Ident).Name)
					}
				}
			case *ast.BasicLit:
				if n.Kind != token.STRING || !strings.Contains(n.Value, "=") {
					break
				}
				for _, m := range setByPath.FindAllStringSubmatch(n.Value, -1) {
					for group, room := range groups {
						if m[1] == "" && group == "Gossip" || strings.EqualFold(m[1], group) {
							mark(room, m[2])
						}
					}
				}
			}
			return true
		})
	}
	found := findings{}
	for _, f := range configFields(t, a) {
		if !set[f.room+"."+strings.ToLower(f.name)] {
			found.add(f.String(), 1, f.place)
		}
	}
	return found
}

var setByPath = regexp.MustCompile(`\b(?:(\w+)\.)?(\w+)=`)

// configGroups returns the packages of the fields of gossip.Config that are Configs themselves.
func configGroups(t *testing.T, a *tree) map[string]string {
	t.Helper()
	groups := map[string]string{"Gossip": "."}
	for _, s := range a.files {
		if s.name != "internal/gossip/config.go" {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			if f, ok := n.(*ast.Field); ok {
				if x, ok := f.Type.(*ast.SelectorExpr); ok && x.Sel.Name == "Config" {
					groups[f.Names[0].Name] = x.X.(*ast.Ident).Name
				}
			}
			return true
		})
	}
	if len(groups) < 6 {
		t.Fatalf("gossip.Config has only the groups %v", groups)
	}
	return groups
}

var defaultWord = regexp.MustCompile(`(?i)\bdefault:? (?:and least )?(.*)$`)

// defaults compares what comments and withDefaults say.
func defaults(t *testing.T, a *tree) findings {
	consts := constants(a)
	code := map[string]constant.Value{} // by room and field; nil: it is not constant
	for _, s := range a.files {
		room, core := s.room()
		if !core || s.isTest() {
			continue
		}
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "withDefaults" {
				takeDefaults(f, func(field string, x ast.Expr) {
					if name := room + "." + field; code[name] == nil {
						code[name] = consts.value(room, x)
					}
				})
			}
		}
	}
	if len(code) < 50 {
		t.Fatalf("only %d defaults were found in the code", len(code))
	}
	found := findings{}
	for _, f := range configFields(t, a) {
		value, has := code[f.room+"."+f.name]
		m := defaultWord.FindStringSubmatch(f.comment)
		if m == nil && !has {
			continue
		}
		said := constant.Value(nil)
		if m != nil {
			said = consts.said(f.room, m[1])
		}
		if said == nil || value == nil || value.Kind() == constant.Unknown ||
			!constant.Compare(constant.ToFloat(said), token.EQL, constant.ToFloat(value)) &&
				said.ExactString() != value.ExactString() {
			place := fmt.Sprintf("%s: the comment says %q, the code %v", f.place, f.comment, value)
			found.add(f.String(), 1, place)
		}
	}
	return found
}

// takeDefaults finds what withDefaults sets: def(&c.Field, x), {&c.Field, x} in a table, and
// c.Field = x within an if.
func takeDefaults(f *ast.FuncDecl, take func(field string, x ast.Expr)) {
	field := func(x ast.Expr) string {
		if u, ok := x.(*ast.UnaryExpr); ok && u.Op == token.AND {
			x = u.X
		}
		if sel, ok := x.(*ast.SelectorExpr); ok {
			if _, ok := sel.X.(*ast.Ident); ok {
				return sel.Sel.Name
			}
		}
		return ""
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if name, ok := n.Fun.(*ast.Ident); ok && name.Name == "def" && field(n.Args[0]) != "" {
				take(field(n.Args[0]), n.Args[1])
			}
		case *ast.CompositeLit:
			if n.Type == nil && len(n.Elts) == 2 && field(n.Elts[0]) != "" {
				take(field(n.Elts[0]), n.Elts[1])
			}
		case *ast.IfStmt:
			for _, s := range n.Body.List {
				if x, ok := s.(*ast.AssignStmt); ok && field(x.Lhs[0]) != "" {
					take(field(x.Lhs[0]), x.Rhs[0])
				}
			}
		}
		return true
	})
}

// constTable has the constants of gossip/..., by room and name.
type constTable map[string]ast.Expr

func constants(a *tree) constTable {
	all := constTable{}
	for _, s := range a.files {
		room, core := s.room()
		if !core || s.isTest() {
			continue
		}
		for _, d := range s.ast.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, spec := range g.Specs {
				v := spec.(*ast.ValueSpec)
				for i, x := range v.Values {
					all[room+"."+v.Names[i].Name] = x
				}
			}
		}
	}
	return all
}

var durations = map[string]time.Duration{
	"Nanosecond": 1, "Microsecond": time.Microsecond, "Millisecond": time.Millisecond,
	"Second": time.Second, "Minute": time.Minute, "Hour": time.Hour,
}

// value evaluates an expression of a package as far as constants go, else it returns an unknown.
func (c constTable) value(room string, x ast.Expr) constant.Value {
	unknown := constant.MakeUnknown()
	switch x := x.(type) {
	case *ast.BasicLit:
		return constant.MakeFromLiteral(x.Value, x.Kind, 0)
	case *ast.ParenExpr:
		return c.value(room, x.X)
	case *ast.Ident:
		if y, ok := c[room+"."+x.Name]; ok {
			return c.value(room, y)
		}
	case *ast.SelectorExpr:
		pkg, ok := x.X.(*ast.Ident)
		if !ok {
			return unknown
		}
		if d, ok := durations[x.Sel.Name]; ok && pkg.Name == "time" {
			return constant.MakeInt64(int64(d))
		}
		if y, ok := c[pkg.Name+"."+x.Sel.Name]; ok {
			return c.value(pkg.Name, y)
		}
	case *ast.BinaryExpr:
		a, b := c.value(room, x.X), c.value(room, x.Y)
		if a.Kind() == constant.Unknown || b.Kind() == constant.Unknown {
			return unknown
		}
		if x.Op == token.SHL {
			n, _ := constant.Uint64Val(b)
			return constant.Shift(a, x.Op, uint(n))
		}
		return constant.BinaryOp(a, x.Op, b)
	}
	return unknown
}

var (
	saidText   = regexp.MustCompile(`^"([^"]*)"`)
	saidName   = regexp.MustCompile(`^[A-Z]\w*`)
	saidNumber = regexp.MustCompile(
		`^(\d[\d,]*\d|\d)(\.\d+)?(?: (µs|ms|s|min|h|KiB|MiB|GiB)\b)?(?:[ .;,]|$)`)

	units = map[string]int64{
		"": 1, "µs": 1e3, "ms": 1e6, "s": 1e9, "min": 60e9, "h": 3600e9,
		"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
	}
)

// said reads the value at the beginning of what follows "default" in a comment, nil if there is
// none that can be read.
func (c constTable) said(room, text string) constant.Value {
	if m := saidText.FindStringSubmatch(text); m != nil {
		return constant.MakeString(m[1])
	}
	if strings.HasPrefix(text, "an hour") {
		return constant.MakeInt64(int64(time.Hour))
	}
	if m := saidNumber.FindStringSubmatch(text); m != nil {
		n := constant.MakeFromLiteral(strings.ReplaceAll(m[1], ",", "")+m[2], token.FLOAT, 0)
		return constant.BinaryOp(n, token.MUL, constant.MakeInt64(units[m[3]]))
	}
	if name := saidName.FindString(text); name != "" {
		return c.value(room, ast.NewIdent(name))
	}
	return nil
}
