package codec

import "testing"

// What is measured is what is on the wire: every message that was written is read.
func TestProbes(t *testing.T) {
	plain, err := mlProbe(false)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := mlProbe(true)
	if err != nil {
		t.Fatal(err)
	}
	if packed > plain {
		t.Errorf("compression makes %d bytes of %d", packed, plain)
	}
	size, err := probe(make([]byte, 0, 1400))
	if err != nil {
		t.Fatal(err)
	}
	if size < 60 || plain < 100 {
		t.Errorf("a probe of %d bytes against one of %d cannot be whole", size, plain)
	}
}
