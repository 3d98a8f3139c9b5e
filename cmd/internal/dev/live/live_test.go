package live

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/cmd/internal/dev"
)

// still is a model of n nodes that stand in every look, after a time.
func still(n int, profile termenv.Profile, after time.Duration) *model {
	r := lipgloss.NewRenderer(&bytes.Buffer{})
	r.SetColorProfile(profile)
	r.SetHasDarkBackground(true)
	m := newModel(Options{Config: dev.Config{Nodes: n},
		Cluster: dev.NewCluster(n, starling.Inquest)}, r)
	frame := make([]dev.Bird, n)
	for i := range frame {
		frame[i] = dev.Bird{Look: dev.Alive, Share: 1}
	}
	frame[0].Look, frame[1].Look, frame[2].Look = dev.Suspect, dev.Failed, dev.Left
	m.flock.look(0, frame)
	m.now = after
	for _, name := range dev.Steps[:3] {
		m.Update(dev.Update{Step: name, Done: true,
			Facts: []dev.Fact{{Name: "known by all", Value: "12 ms"}}})
	}
	m.Update(dev.Update{Step: dev.StepRestart, Node: "node-001"})
	m.progress = [2]int{3, 24}
	return m
}

// TestViewFits draws at many sizes: no picture may be larger than the terminal, which would tear
// it.
func TestViewFits(t *testing.T) {
	for _, n := range []int{3, 25, 128, 1000} {
		for _, size := range [][2]int{{20, 5}, {59, 24}, {60, 8}, {80, 24}, {133, 50}, {250, 70}} {
			for _, hints := range []int{0, 6} {
				m := still(n, termenv.TrueColor, 5*time.Second)
				m.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
				m.hints = make([]string, hints)
				lines := strings.Split(m.View(), "\n")
				if len(lines) > size[1] {
					t.Errorf("%d nodes at %v: %d lines", n, size, len(lines))
				}
				for _, l := range lines {
					if lipgloss.Width(l) > size[0] {
						t.Errorf("%d nodes at %v: a line of %d columns: %q", n, size,
							lipgloss.Width(l), l)
					}
				}
			}
		}
	}
}

// TestLooksWithoutColors: what a bird is can be seen by its sign alone.
func TestLooksWithoutColors(t *testing.T) {
	for _, n := range []int{25, 1000} {
		m := still(n, termenv.Ascii, time.Second)
		text := m.View()
		if strings.Contains(text, "\x1b") {
			t.Errorf("%d nodes: there are escapes", n)
		}
		for _, sign := range []string{"?", "×", "3/24", "✓ one crashes"} {
			if !strings.Contains(text, sign) {
				t.Errorf("%d nodes: no %q in\n%s", n, sign, text)
			}
		}
	}
	if !strings.Contains(still(25, termenv.TrueColor, time.Second).View(), "\x1b[38;2;") {
		t.Error("no colours where they are wanted")
	}
}

// TestWave: the origin shines first, the last bird at the end of the slowed time, and then nobody.
func TestWave(t *testing.T) {
	f := newFlock(3)
	f.look(0, []dev.Bird{{Look: dev.Alive, Share: 1}, {Look: dev.Alive, Share: 1},
		{Look: dev.Alive, Share: 1}})
	f.show(time.Second, &dev.Wave{Origin: 0, Delay: []time.Duration{time.Millisecond,
		5 * time.Millisecond, 10 * time.Millisecond}})
	for _, c := range []struct {
		at   time.Duration
		want string
	}{
		{0, "[6 3 3]"}, {waveTime / 2, "[6 6 3]"}, {waveTime, "[6 4 6]"}, {waveTime + glowTime,
			"[3 3 3]"},
	} {
		got := fmt.Sprint([]ink{f.ink(time.Second+c.at, 0), f.ink(time.Second+c.at, 1),
			f.ink(time.Second+c.at, 2)})
		if got != c.want {
			t.Errorf("%v after the message the inks are %s, want %s", c.at, got, c.want)
		}
	}
}

func TestFlight(t *testing.T) {
	f := newFlock(1)
	f.look(0, []dev.Bird{{Look: dev.Alive, Share: 1}})
	if x, y := f.place(0, 0); x >= 0 && x < 1 && y >= 0 && y < 1 {
		t.Error("it does not come from outside")
	}
	if x, y := f.place(flyIn, 0); x < 0.1 || x > 0.9 || y < 0.1 || y > 0.9 {
		t.Errorf("it is at %v, %v and not in the flock", x, y)
	}
	f.look(flyIn, []dev.Bird{{Look: dev.Failed, Share: 1}})
	if _, y := f.place(flyIn+fall, 0); y < 0.95 || y >= 1 {
		t.Errorf("it fell to %v and not to the ground", y)
	}
	f.look(2*flyIn, []dev.Bird{{Look: dev.Left, Share: 1}})
	if x, y := f.place(2*flyIn+flyOff, 0); x < 1 && y >= 0 {
		t.Errorf("it is still to be seen at %v, %v", x, y)
	}
}
