package settings

import (
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// This file reads the YAML of a configuration file into keys with their lines and texts. The texts
// are kept as they were written, so that a cluster called 007 stays 007.

// entry is one key of the file.
type entry struct {
	key    string
	line   int
	values []string // one text, or the items of a list, or the key=value pairs of a map
	list   bool     // whether it was written as a list or map
}

// parse reads a document that is a mapping from keys to texts, lists of texts, or maps of texts.
func parse(name string, text []byte) ([]entry, error) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, fmt.Errorf("%s is not YAML: %s", name, yaml.FormatError(err, false, true))
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return nil, nil
	}
	if len(file.Docs) > 1 {
		return nil, fmt.Errorf("%s has %d YAML documents, one is wanted", name, len(file.Docs))
	}
	if _, ok := file.Docs[0].Body.(*ast.CommentGroupNode); ok {
		return nil, nil
	}
	pairs, ok := mapping(file.Docs[0].Body)
	if !ok {
		return nil, fmt.Errorf("%s is not a list of \"key: value\" lines", name)
	}
	var out []entry
	for _, p := range pairs {
		e, err := newEntry(p)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %s: %w", name, e.line, e.key, err)
		}
		if e.values != nil {
			out = append(out, e)
		}
	}
	return out, nil
}

func newEntry(p *ast.MappingValueNode) (e entry, err error) {
	e.line = p.Key.GetToken().Position.Line
	if e.key, err = scalar(p.Key); err != nil {
		return e, err
	}
	if pairs, ok := mapping(p.Value); ok {
		e.list, e.values = true, []string{}
		for _, q := range pairs {
			k, err1 := scalar(q.Key)
			v, err2 := scalar(q.Value)
			if err1 != nil || err2 != nil {
				return e, fmt.Errorf("a map of texts is wanted")
			}
			e.values = append(e.values, k+"="+v)
		}
		return e, nil
	}
	switch v := p.Value.(type) {
	case *ast.SequenceNode:
		e.list, e.values = true, []string{}
		for _, item := range v.Values {
			text, err := scalar(item)
			if err != nil {
				return e, err
			}
			e.values = append(e.values, text)
		}
	case *ast.NullNode: // "key:" with nothing after it says nothing
	default:
		text, err := scalar(v)
		if err != nil {
			return e, err
		}
		e.values = []string{text}
	}
	return e, nil
}

// mapping returns the pairs of a map; a map of one pair has a node type of its own.
func mapping(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch v := n.(type) {
	case *ast.MappingNode:
		return v.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{v}, true
	}
	return nil, false
}

// scalar returns the text of a node as it was written, without its quotes.
func scalar(n ast.Node) (string, error) {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, nil
	case *ast.LiteralNode:
		return v.Value.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return v.GetToken().Value, nil
	}
	return "", fmt.Errorf("a text is wanted, here is %s", n.Type())
}
