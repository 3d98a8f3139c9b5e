package starling_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pagePath is a file or a folder of the repository as a page names it.
var pagePath = regexp.MustCompile("`((?:internal|cmd|test|scripts|bench|client|api|docs|examples)" +
	"/[a-z0-9_/.-]+|(?:gossip|sim|store|lab|transport|agent)/[a-z0-9_/]+\\.go)`")

// pages holds that what pages name in backquotes is there. docs/promises.md names tests in short,
// which TestPromises looks for.
func pages(t *testing.T) {
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		if filepath.Ext(name) != ".md" || name == filepath.FromSlash(promisesPage) {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, m := range pagePath.FindAllStringSubmatch(string(text), -1) {
			at := strings.TrimSuffix(m[1], "/...")
			if _, err := os.Stat(filepath.FromSlash(at)); err != nil {
				t.Errorf("%s names `%s`, which is not there: code moves, and a page that is not "+
					"moved with it leads nowhere", name, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
