package lab

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/rumor"
)

// This file reckons epidemics exactly and shares nothing with the simulation. The number of members
// that have the rumor is a Markov chain. Its transitions are occupancy (push) and binomial (pull)
// probabilities.

// chain is the chain of one epidemic: n members, of which the number live lives, fan-out b, loss p.
type chain struct {
	n, live, b int
	p          float64
	mode       rumor.Mode
}

func lchoose(n, k int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}

// hyper is the probability that b distinct of n members hold h of m marked ones.
func hyper(n, m, b, h int) float64 {
	if h > m || b-h > n-m || h > b {
		return 0
	}
	return math.Exp(lchoose(m, h) + lchoose(n-m, b-h) - lchoose(n, b))
}

func binomial(n, k int, q float64) float64 {
	if q <= 0 || q >= 1 {
		if k == 0 && q <= 0 || k == n && q >= 1 {
			return 1
		}
		return 0
	}
	return math.Exp(lchoose(n, k) + float64(k)*math.Log(q) + float64(n-k)*math.Log1p(-q))
}

// hits is the distribution of how many of m marked members one sender reaches with its b messages.
func (c *chain) hits(m int) []float64 {
	d := make([]float64, c.b+1)
	for h := range d {
		for k := h; k <= c.b; k++ {
			d[h] += hyper(c.n-1, m, c.b, k) * binomial(k, h, 1-c.p)
		}
	}
	return d
}

// pushed is the distribution of how many of s susceptible ones the messages of i senders reach.
func (c *chain) pushed(i, s int) []float64 {
	d := make([]float64, s+1)
	d[0] = 1
	hits := make([][]float64, s+1)
	for j := range hits {
		hits[j] = c.hits(s - j)
	}
	for range i {
		for j := s; j >= 0; j-- { // in place, from the end: only what is below j comes to j
			x := 0.0
			for h := 0; h <= min(c.b, j); h++ {
				x += d[j-h] * hits[j-h][h]
			}
			d[j] = x
		}
	}
	return d
}

// pulls is the probability that a member that asks gets the rumor when i members have it.
func (c *chain) pulls(i int) float64 {
	not := 0.0
	for h := 0; h <= c.b; h++ {
		not += hyper(c.n-1, i, c.b, h) * math.Pow(1-(1-c.p)*(1-c.p), float64(h))
	}
	return 1 - not
}

// step is the distribution of how many get the rumor in a round that begins with i members that
// have it.
func (c *chain) step(i int) []float64 {
	s := c.live - i
	pushed := []float64{1}
	if c.mode != rumor.Pull {
		pushed = c.pushed(i, s)
	}
	if c.mode == rumor.Push {
		return pushed
	}
	q := c.pulls(i)
	d := make([]float64, s+1)
	for j, pj := range pushed {
		for k := 0; pj > 1e-15 && k <= s-j; k++ {
			d[j+k] += pj * binomial(s-j, k, q)
		}
	}
	return d
}

// mean is the expected number of rounds from one member that has the rumor to all that live.
func (c *chain) mean() float64 {
	e := make([]float64, c.live+1)
	for i := c.live - 1; i >= 1; i-- {
		d := c.step(i)
		sum := 1.0
		for j := 1; j < len(d); j++ {
			sum += d[j] * e[i+j]
		}
		e[i] = sum / (1 - d[0])
	}
	return e[1]
}

// 24 configurations: the simulated mean is within three standard errors of the exact one.
func TestRoundsAgainstExactChains(t *testing.T) {
	worst := 0.0
	for _, mode := range []rumor.Mode{rumor.Push, rumor.Pull, rumor.PushPull} {
		for _, x := range []struct {
			n, b          int
			loss, crashed float64
		}{{2, 1, 0.3, 0}, {10, 3, 0, 0}, {20, 1, 0, 0.5}, {50, 2, 0.5, 0}, {100, 1, 0,
			0}, {100, 1, 0.5, 0.25}, {150, 2, 0.1, 0.5}, {200, 1, 0.25, 0}} {
			o := Rounds{Mode: mode, Fanout: x.b, Nodes: x.n, Loss: x.loss, Crashed: x.crashed,
				Runs: 1500, Seed: 1}
			r, err := o.Run(context.Background(), Work{})
			if err != nil {
				t.Fatal(err)
			}
			exact := (&chain{n: x.n, live: o.Live(), b: x.b, p: x.loss, mode: mode}).mean()
			off := (r.Mean - exact) / r.SE
			worst = max(worst, math.Abs(off))
			if math.Abs(off) > 3 {
				t.Errorf("%s %+v: %.4f rounds, exactly %.4f: off by %.1f standard errors",
					mode, x, r.Mean, exact, off)
			}
		}
	}
	t.Logf("the worst of 24 is off by %.2f standard errors", worst)
}

// The figures that the issue of this lab names.
func TestRoundsOfAThousand(t *testing.T) {
	for _, x := range []struct {
		mode rumor.Mode
		b    int
		want float64
	}{{rumor.Push, 1, 18.04}, {rumor.Pull, 1, 13.77}, {rumor.PushPull, 1, 9.15}, {rumor.Push,
		2, 10.67}, {rumor.Pull, 2, 8.77}, {rumor.PushPull, 2, 6.17}} {
		o := Rounds{Mode: x.mode, Fanout: x.b, Nodes: 1000, Runs: 700, Seed: 1}
		r, err := o.Run(context.Background(), Work{})
		if err != nil {
			t.Fatal(err)
		}
		t.Log(x.mode, x.b, fmt.Sprintf("%.3f ± %.3f", r.Mean, r.SE))
		if math.Abs(r.Mean-x.want) > 3*r.SE+0.005 {
			t.Errorf("%s, fan-out %d: %.3f ± %.3f rounds, not %.2f", x.mode, x.b, r.Mean, r.SE,
				x.want)
		}
	}
}
