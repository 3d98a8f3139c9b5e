package live

// This file is how the flock moves. All of it is a function of the time since the start and of what
// was seen.

import (
	"math"
	"time"

	"github.com/starling-gossip/starling/cmd/internal/dev"
)

const (
	flyIn    = 900 * time.Millisecond
	flyOff   = 1800 * time.Millisecond
	fall     = 1400 * time.Millisecond
	waveTime = 1200 * time.Millisecond // a message's way to all is slowed down to this
	glowTime = 900 * time.Millisecond  // how long a bird that got it shines
	crowd    = 7                       // cells for a bird; where there are fewer, birds are dots
)

// flock is the birds and what each does.
type flock struct {
	birds []dev.Bird      // as the others see them now
	since []time.Duration // when each came to look so
	wave  *dev.Wave
	waved time.Duration // when the wave began to be shown
	slow  float64       // how many times slower it is shown
}

func newFlock(n int) *flock {
	return &flock{birds: make([]dev.Bird, n), since: make([]time.Duration, n)}
}

// look takes the next frame.
func (f *flock) look(now time.Duration, frame []dev.Bird) {
	for i, b := range frame {
		if b.Look != f.birds[i].Look && !(b.Look == dev.Alive && f.birds[i].Look == dev.Suspect) {
			f.since[i] = now
		}
		f.birds[i] = b
	}
}

// show begins to show a wave.
func (f *flock) show(now time.Duration, w *dev.Wave) {
	longest := time.Duration(1)
	for _, d := range w.Delay {
		longest = max(longest, d)
	}
	f.wave, f.waved, f.slow = w, now, float64(waveTime)/float64(longest)
}

// showing says whether a wave is still to be seen.
func (f *flock) showing(now time.Duration) bool {
	return f.wave != nil && now-f.waved < waveTime+glowTime
}

// draw puts all birds on a canvas.
func (f *flock) draw(now time.Duration, c *canvas) {
	for i, b := range f.birds {
		if b.Look == dev.Away {
			continue
		}
		x, y := f.place(now, i)
		c.put(x, y, f.ink(now, i))
	}
}

// ink is the colour of a bird.
func (f *flock) ink(now time.Duration, i int) ink {
	switch b := f.birds[i]; {
	case b.Look == dev.Failed:
		return fallen
	case b.Look == dev.Left:
		return gone
	case b.Look == dev.Suspect:
		return doubted
	case f.showing(now):
		if k := f.glow(now, i); k != none {
			return k
		}
		return calm
	case b.Share < 0.5:
		return faint
	}
	return calm
}

// glow is how a bird shines from the wave.
func (f *flock) glow(now time.Duration, i int) ink {
	if f.wave.Delay[i] < 0 {
		return none
	}
	lit := now - f.waved - time.Duration(float64(f.wave.Delay[i])*f.slow)
	switch {
	case i == f.wave.Origin:
		return glow3
	case lit < 0 || lit > glowTime:
		return none
	case lit < glowTime/4:
		return glow3
	case lit < glowTime*6/10:
		return glow2
	}
	return glow1
}

// place is where a bird is, from (0,0) to (1,1).
func (f *flock) place(now time.Duration, i int) (x, y float64) {
	hx, hy, angle := f.home(now, i)
	age := now - f.since[i]
	switch f.birds[i].Look {
	case dev.Failed: // falls, and lies where it fell
		hx, hy, _ = f.home(f.since[i], i)
		t := progress(age, fall)
		return hx, min(0.985, hy+t*t*(0.99-hy))
	case dev.Left: // flies away
		t := progress(age, flyOff)
		return hx + t*t*1.2, hy - t*t*1.2
	}
	t := 1 - progress(age, flyIn)
	t *= t
	return hx + t*math.Cos(angle), hy + t*math.Sin(angle)
}

// home is a bird's place in the flock: the seeds of a sunflower, which fill a disk evenly for any
// number, in a slow swirl.
func (f *flock) home(now time.Duration, i int) (x, y, angle float64) {
	const golden = 2.399963229728653 // radians
	t, k := now.Seconds(), float64(i)
	r := math.Sqrt((k + 0.5) / float64(len(f.birds)))
	angle = k*golden + 0.10*t
	r *= 0.86 + 0.05*math.Sin(0.9*t+2*angle)
	x = r*math.Cos(angle) + 0.03*math.Sin(0.7*t+k)
	y = r*math.Sin(angle) + 0.03*math.Cos(0.6*t+1.7*k)
	x += 0.10 * math.Sin(2*y+0.5*t) // the whole flock leans, now this way, now that
	return 0.5 + 0.47*x, 0.49 + 0.47*y, angle
}

// progress is how much of a span has passed, from 0 to 1.
func progress(age, span time.Duration) float64 { return max(0, min(1, float64(age)/float64(span))) }
