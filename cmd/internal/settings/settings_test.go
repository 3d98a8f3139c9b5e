package settings

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// testFlags are a flag of each kind.
type testFlags struct {
	name string
	join []string
	tag  map[string]string
	wait time.Duration
	mtu  int
}

func newFlags() (*testFlags, *pflag.FlagSet) {
	v, f := &testFlags{}, pflag.NewFlagSet("test", pflag.ContinueOnError)
	f.StringVar(&v.name, "name", "default", "")
	f.StringSliceVar(&v.join, "join", nil, "")
	f.Var(NewMap(&v.tag), "tag", "")
	f.DurationVar(&v.wait, "leave-timeout", time.Second, "")
	f.IntVar(&v.mtu, "mtu", 1400, "")
	f.String("config", "", "")
	return v, f
}

func load(t *testing.T, args []string, env map[string]string, file string) (*testFlags,
	*pflag.FlagSet, error) {
	t.Helper()
	v, f := newFlags()
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	err := FromEnv(f, func(k string) (string, bool) { s, ok := env[k]; return s, ok })
	if err == nil {
		err = FromFile(f, "s.yaml", []byte(file))
	}
	return v, f, err
}

func TestPrecedence(t *testing.T) {
	for _, c := range []struct {
		about, file     string
		args            []string
		env             map[string]string
		name, join, tag string
	}{
		{about: "defaults", name: "default"},
		{about: "file over default", file: "name: f", name: "f"},
		{about: "environment over file", file: "name: f",
			env: map[string]string{"STARLING_NAME": "e"}, name: "e"},
		{about: "flag over all", file: "name: f", env: map[string]string{"STARLING_NAME": "e"},
			args: []string{"--name=a"}, name: "a"},
		{about: "an empty variable is none", file: "name: f",
			env: map[string]string{"STARLING_NAME": ""}, name: "f"},
		{about: "a flag at its default still wins", file: "name: f",
			args: []string{"--name=default"}, name: "default"},
		{about: "numbers stay as they are written", file: "name: 007", name: "007"},
		{about: "quotes", file: `name: "a: b"`, name: "a: b"},
		{about: "block text", file: "name: |-\n  x y", name: "x y"},
		{about: "a list in a file", file: "join: [a, b]", name: "default", join: "a b"},
		{about: "a list as one text", file: "join: a, b", name: "default", join: "a b"},
		{about: "a list comes whole", file: "join: [a, b]",
			env: map[string]string{"STARLING_JOIN": "c,d"}, name: "default", join: "c d"},
		{about: "tags as a map", file: "tag:\n  k: v\n  n: 1", name: "default", tag: "k=v,n=1"},
		{about: "tags as a map of one", file: "tag:\n  k: v,w", name: "default", tag: "k=v,w"},
		{about: "tags as a list", file: "tag: [k=v, l=w]", name: "default", tag: "k=v,l=w"},
		{about: "tags from flags", args: []string{"--tag=k=v,w", "--tag=l=m"},
			file: "tag: {x: y}", name: "default", tag: "k=v,w,l=m"},
		{about: "a key with nothing says nothing", file: "name:\njoin: [a]", name: "default",
			join: "a"},
		{about: "only a comment", file: "# nothing\n", name: "default"},
	} {
		t.Run(c.about, func(t *testing.T) {
			v, f, err := load(t, c.args, c.env, c.file)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(v.join, " "); v.name != c.name || got != c.join ||
				f.Lookup("tag").Value.String() != c.tag {
				t.Errorf("name %q, join %q, tag %q; want %q, %q, %q", v.name, got,
					f.Lookup("tag").Value, c.name, c.join, c.tag)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		about, file, want string
		env               map[string]string
	}{
		{about: "unknown key", file: "name: a\njion: b",
			want: `s.yaml:2: unknown key "jion": did you mean "join"?`},
		{about: "config is no key", file: "config: x", want: `unknown key "config"`},
		{about: "not a number", file: "mtu: many",
			want: `s.yaml:1: mtu: "many" is not a number that can be: invalid syntax`},
		{about: "not a duration", env: map[string]string{"STARLING_LEAVE_TIMEOUT": "5"},
			want: `STARLING_LEAVE_TIMEOUT="5" in the environment:`},
		{about: "a list for one value", file: "name: [a, b]",
			want: "one value is wanted, here are 2"},
		{about: "deep", file: "join: [[a]]", want: "a text is wanted"},
		{about: "not a mapping", file: "- a", want: "is not a list"},
		{about: "not YAML", file: "a: [", want: "s.yaml is not YAML"},
		{about: "twice", file: "name: a\nname: b", want: "s.yaml"},
		{about: "two documents", file: "name: a\n---\nname: b", want: "2 YAML documents"},
		{about: "a tag without value", file: "tag: [k]", want: "is not key=value"},
	} {
		t.Run(c.about, func(t *testing.T) {
			_, _, err := load(t, nil, c.env, c.file)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	known := []string{"name", "bind", "join", "data-dir", "api", "api-token-file"}
	for given, want := range map[string]string{
		"nmae": "name", "datadir": "data-dir", "data_dir": "data-dir",
		"apitokenfile": "api-token-file", "jion": "join", "ap": "api",
	} {
		if got := Nearest(given, known); got != want {
			t.Errorf("nearest to %q is %q, want %q", given, got, want)
		}
	}
	if d := distance("kitten", "sitting"); d != 3 {
		t.Errorf("distance of kitten and sitting is %d, want 3", d)
	}
}

func FuzzFile(f *testing.F) {
	for _, s := range []string{"name: a", "tag: {k: v}", "join:\n- a\n- b", "a: &x [*x]",
		"? [a]\n: b", "!!binary x: y", "name: !!str 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, flags := newFlags()
		FromFile(flags, "f", []byte(text)) // any error is fine, a panic is not
	})
}
