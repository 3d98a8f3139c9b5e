package transport

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestKeysRoundTrip(t *testing.T) {
	k := GenerateKey()
	back, err := ParseKey(" " + k.Encode() + "\n")
	if err != nil || back != k {
		t.Fatalf("%v, %v", back, err)
	}
	if k == GenerateKey() {
		t.Fatal("two keys are the same")
	}
}

func TestKeysDoNotPrintTheirSecret(t *testing.T) {
	k := Key{[KeySize]byte([]byte(strings.Repeat("s", KeySize)))}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		text := fmt.Sprintf(verb, k)
		for _, secret := range []string{"ssss", "7373", "115 115", k.Encode()} {
			if strings.Contains(text, secret) {
				t.Errorf("%s printed %s", verb, text)
			}
		}
	}
}

func TestKeyFile(t *testing.T) {
	k1, k2 := GenerateKey(), GenerateKey()
	for _, c := range []struct {
		name, text, err string
		keys            []Key
	}{
		{"two", "# ours\n\n" + k1.Encode() + "\r\n  " + k2.Encode() + "  \n", "", []Key{k1, k2}},
		{"empty", "# nothing\n", "no key in it", nil},
		{"garbage", k1.Encode() + "\nnot a key\n", "line 2: the key is not standard base64", nil},
		{"short", "c2hvcnQ=\n", "line 1: the key has 5 bytes and must have 32", nil},
		{"twice", k1.Encode() + "\n" + k1.Encode(), "keys 1 and 2 of the ring are the same", nil},
		{"many", strings.Repeat(k1.Encode()+"\n", 9), "1 to 8 keys and got 9", nil},
		{"huge", strings.Repeat("#\n", 40_000), "longer than", nil},
	} {
		path := filepath.Join(t.TempDir(), c.name)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := ReadKeyFile(path)
		if c.err == "" {
			if err != nil || !slices.Equal(r.Keys(), c.keys) {
				t.Errorf("%s: %v, %v", c.name, r, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.err) ||
			!strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v; want %q and the path", c.name, err, c.err)
		}
		if err != nil && strings.Contains(err.Error(), k1.Encode()) {
			t.Errorf("%s: the error shows a key", c.name)
		}
	}
	if _, err := ReadKeyFile(filepath.Join(t.TempDir(), "none")); !os.IsNotExist(err) &&
		!strings.Contains(fmt.Sprint(err), "none") {
		t.Errorf("a missing file: %v", err)
	}
}
