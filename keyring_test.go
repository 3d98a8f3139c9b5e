package starling

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// No verb prints the secret of a key: as itself, by a pointer, in a list and in an exported field.
// %p of what is no pointer does, which go vet refuses.
func TestKeysDoNotPrintTheirSecret(t *testing.T) {
	k := GenerateKey()
	ring, err := NewKeyRing(k)
	if err != nil {
		t.Fatal(err)
	}
	raw := strings.Trim(fmt.Sprint([]byte(secretOf(t, k))[:4]), "[]")
	for verb := range strings.SplitSeq("v +v #v s q x X d o b c U t T e", " ") {
		for _, x := range []any{k, &k, []Key{k}, struct{ K Key }{k}, ring, *ring,
			Config{KeyRing: ring}} {
			text := fmt.Sprintf("%"+verb, x)
			for _, secret := range []string{k.Encode(), raw, secretOf(t, k)[:4],
				fmt.Sprintf("%x", secretOf(t, k)[:4]), fmt.Sprintf("%X", secretOf(t, k)[:4])} {
				if strings.Contains(text, secret) {
					t.Errorf("%%%s of a %T printed %s", verb, x, text)
				}
			}
		}
	}
	if s := fmt.Sprintf("%v %s", k, []Key{k}); s != "key:"+k.ID()+" [key:"+k.ID()+"]" {
		t.Errorf("it prints %s", s)
	}
}

// secretOf is the 32 bytes.
func secretOf(t *testing.T, k Key) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(k.Encode())
	if err != nil || len(b) != 32 {
		t.Fatal(err)
	}
	return string(b)
}

func TestKeyRings(t *testing.T) {
	one, two := GenerateKey(), GenerateKey()
	if again, err := ParseKey(" " + one.Encode() + "\n"); err != nil || again != one {
		t.Errorf("it is read as %v: %v", again, err)
	}
	if _, err := ParseKey("c2hvcnQ="); err == nil {
		t.Error("a short key is read")
	}
	if _, err := NewKeyRing(); err == nil {
		t.Error("a ring of no key")
	}
	if _, err := NewKeyRing(one, one); err == nil {
		t.Error("a ring of one key twice")
	}
	name := filepath.Join(t.TempDir(), "keys")
	if _, err := ReadKeyFile(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	text := "# ours\n" + one.Encode() + "\n" + two.Encode() + "\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ring, err := ReadKeyFile(name)
	if err != nil || !slices.Equal(ring.Keys(), []Key{one, two}) {
		t.Errorf("%v, %v", ring.Keys(), err)
	}
}
