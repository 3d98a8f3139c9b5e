// Package settings fills a set of flags from the environment and a YAML file. The flags are the one
// list of what can be set: a flag's name is its key in the file, and STARLING_ with the name in
// capitals is its name in the environment. Flags win over the environment, the environment over the
// file, the file over the defaults; a list or map comes whole from the first of them that has it.
package settings

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// EnvPrefix begins the name of every environment variable that is read. Other names with this
// prefix are ignored: Kubernetes sets its own for a service called starling.
const EnvPrefix = "STARLING_"

// EnvName returns the environment's name of a flag.
func EnvName(flag string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// notInFile are flags that make no sense as a key of the file.
var notInFile = map[string]bool{"config": true, "help": true}

// FromEnv sets those flags that the command line did not, from the environment. An empty variable
// counts as not there.
func FromEnv(flags *pflag.FlagSet, lookup func(string) (string, bool)) error {
	return visitUnset(flags, func(f *pflag.Flag) error {
		text, ok := lookup(EnvName(f.Name))
		if f.Name == "help" || !ok || text == "" {
			return nil
		}
		if err := assign(f, split(f, text)); err != nil {
			return fmt.Errorf("%s=%q in the environment: %w", EnvName(f.Name), text, err)
		}
		f.Changed = true
		return nil
	})
}

// FromFile sets those flags that are not set yet from the YAML of a file; name is used in errors
// only.
func FromFile(flags *pflag.FlagSet, name string, text []byte) error {
	entries, err := parse(name, text)
	if err != nil {
		return err
	}
	for _, e := range entries {
		f := flags.Lookup(e.key)
		if f == nil || notInFile[e.key] {
			return fmt.Errorf("%s:%d: unknown key %q: did you mean %q?", name, e.line, e.key,
				Nearest(e.key, keys(flags)))
		}
		if f.Changed {
			continue
		}
		values := e.values
		if !e.list {
			values = split(f, values[0])
		}
		if err := assign(f, values); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", name, e.line, e.key, err)
		}
	}
	for _, e := range entries { // only now: a list set by the file must not look as if set before
		flags.Lookup(e.key).Changed = true
	}
	return nil
}

// assign replaces a flag's value.
func assign(f *pflag.Flag, values []string) error {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.Replace(values)
	}
	if len(values) != 1 {
		return fmt.Errorf("one value is wanted, here are %d", len(values))
	}
	err := f.Value.Set(values[0])
	if n, ok := errors.AsType[*strconv.NumError](err); ok {
		return fmt.Errorf("%q is not a number that can be: %w", n.Num, n.Err)
	}
	return err
}

// split cuts the text of a list at its commas; other flags take it whole.
func split(f *pflag.Flag, text string) []string {
	if _, ok := f.Value.(pflag.SliceValue); !ok {
		return []string{text}
	}
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func visitUnset(flags *pflag.FlagSet, do func(*pflag.Flag) error) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		if err == nil && !f.Changed {
			err = do(f)
		}
	})
	return err
}

func keys(flags *pflag.FlagSet) (all []string) {
	flags.VisitAll(func(f *pflag.Flag) {
		if !notInFile[f.Name] {
			all = append(all, f.Name)
		}
	})
	return all
}
