package gossip

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestDetectorNames(t *testing.T) {
	for _, name := range DetectorNames() {
		if d, err := ParseDetector(name); err != nil || d.String() != name {
			t.Errorf("%q is read as %v: %v", name, d, err)
		}
	}
	if _, err := ParseDetector("swin"); err == nil {
		t.Error("a detector that there is not")
	}
	if _, err := Profile("moon"); err == nil {
		t.Error("a profile that there is not")
	}
}

// In every profile and under every detector a crash becomes known to all, and not before the time
// that is told is near.
func TestProfiles(t *testing.T) {
	for _, name := range ProfileNames {
		for _, d := range allDetectors() {
			t.Run(name+"/"+d.String(), func(t *testing.T) {
				cfg, err := Profile(name)
				if err != nil {
					t.Fatal(err)
				}
				cfg.Detector = d
				w := newWorld(t)
				nodes := w.cluster(10, &cfg)
				w.run(20 * time.Second)
				expected := nodes[0].DetectionTime()
				nodes[9].down = true
				start := w.Now
				w.until(time.Minute, "the crash is known", func() bool {
					for _, p := range nodes[:9] {
						if p.Table().Live() != 9 {
							return false
						}
					}
					return true
				})
				if took := w.Now.Sub(start); took < expected/2 || took > 3*expected+2*time.Second {
					t.Errorf("a crash was known after %s; %s was told", took, expected)
				}
			})
		}
	}
}

// The order that the doc comment of Profile promises.
func TestDetectionTime(t *testing.T) {
	told := func(profile string, d Detector) time.Duration {
		cfg, _ := Profile(profile)
		cfg.Detector = d
		n, err := New(&cfg, Self{Name: "a", Generation: 1, Addr: addrOf(0)}, rand.NewPCG(1, 2),
			rand.NewPCG(3, 4))
		if err != nil {
			t.Fatal(err)
		}
		return n.DetectionTime()
	}
	if got, want := told("lan", INQUEST), 1850*time.Millisecond; got != want {
		t.Errorf("lan: %s is told, want %s", got, want)
	}
	for _, d := range allDetectors() {
		if !(told("local", d) < told("lan", d) && told("lan", d) < told("wan", d)) {
			t.Errorf("%s: local %s, lan %s, wan %s", d, told("local", d), told("lan", d),
				told("wan", d))
		}
	}
}
