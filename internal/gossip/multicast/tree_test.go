package multicast

import (
	"testing"
	"time"
)

// measured is what a series of messages of 128 bytes cost, of which the first few are not looked
// at.
type measured struct {
	t50, t99, t100         []time.Duration
	missing                int
	packets, bytes, copies float64 // a node and message
}

// measure sends messages from random live origins, each when the last has settled.
func (w *world) measure(warm, count int) (m measured) {
	for k := range warm + count {
		if k == warm {
			for _, x := range w.nodes {
				x.packets, x.bytes, x.copies = 0, 0, 0
			}
		}
		origin := w.nodes[w.Chance.IntN(len(w.nodes))]
		for origin.down {
			origin = w.nodes[w.Chance.IntN(len(w.nodes))]
		}
		seq := origin.publish(1, 128+10)
		w.Run(time.Second)
		if k < warm {
			continue
		}
		s := w.spreadOf(origin, seq)
		m.t50, m.t99, m.t100 = append(m.t50, s.t50), append(m.t99, s.t99), append(m.t100, s.t100)
		m.missing += s.missing
	}
	live := 0.0
	for _, x := range w.nodes {
		if !x.down {
			live++
			m.packets, m.bytes, m.copies = m.packets+float64(x.packets), m.bytes+float64(x.bytes),
				m.copies+float64(x.copies)
		}
	}
	per := live * float64(count)
	m.packets, m.bytes, m.copies = m.packets/per, m.bytes/per, m.copies/per
	return m
}

func (m *measured) log(t *testing.T, what string) {
	t.Logf("%-28s t50 %v t99 %v t100 %v missing %d; a node and message: %.2f datagrams %.0f B "+
		"%.2f copies",
		what, median(m.t50), median(m.t99), median(m.t100), m.missing, m.packets, m.bytes, m.copies)
}

// The aims, in virtual time: a thousand members, 128 bytes. Everybody is reached by the
// tree and its copies alone, since nothing else is here.
func TestAims(t *testing.T) {
	for _, c := range []struct {
		what           string
		loss, crashed  float64
		t100           time.Duration
		packets, bytes float64 // a node and message; 0: no aim
	}{
		{"no loss", 0, 0, 5 * time.Millisecond, 4, 550},
		{"10 % loss", 0.1, 0, 8 * time.Millisecond, 0, 0},
		{"25 % loss", 0.25, 0, 20 * time.Millisecond, 0, 0},
		{"50 % loss", 0.5, 0, 200 * time.Millisecond, 0, 0},
		{"10 % crashed", 0, 0.1, 8 * time.Millisecond, 0, 0},
		{"50 % crashed", 0, 0.5, 40 * time.Millisecond, 0, 0},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t, 1000, 1, Config{}, nil)
			w.loss = c.loss
			w.crash(c.crashed)
			m := w.measure(5, 12)
			m.log(t, c.what)
			if m.missing > 0 {
				t.Errorf("%d times a live member was not reached", m.missing)
			}
			if got := median(m.t100); got > c.t100 {
				t.Errorf("all were reached after %v, the aim is %v", got, c.t100)
			}
			if c.packets > 0 && (m.packets > c.packets || m.bytes > c.bytes) {
				t.Errorf("%.2f datagrams and %.0f bytes a node and message, the aim is %g and "+
					"%g", m.packets, m.bytes, c.packets, c.bytes)
			}
		})
	}
}

// A node that never published has nothing to send when there is budget again.
func TestResumeWithNothing(t *testing.T) {
	w := newWorld(t, 3, 1, Config{}, nil)
	x := w.nodes[0]
	x.Resume(w.Now)
	x.Flush(w.Now)
	x.arm()
	w.Run(time.Second)
	if x.packets > 0 || x.waiting() != 0 {
		t.Errorf("it sent %d datagrams, and %d pieces wait", x.packets, x.waiting())
	}
}
