package accrual

import (
	"math"
	"testing"
	"time"
)

// exp and ln are those of package math, to ten digits.
func TestFunctions(t *testing.T) {
	for _, x := range []float64{-50, -3.7, -1e-9, 0, 1e-6, 0.3, 1, 2.5, 18.42, 40} {
		if got, want := exp(x), math.Exp(x); math.Abs(got-want) > 1e-10*want {
			t.Errorf("exp(%g) = %g, want %g", x, got, want)
		}
		y := math.Exp(x)
		if got, want := ln(y), math.Log(y); math.Abs(got-want) > 1e-10*max(1, math.Abs(want)) {
			t.Errorf("ln(%g) = %g, want %g", y, got, want)
		}
	}
}

// Cassandra's threshold of 8 convicts after 18.4 mean intervals, whatever the mean and the
// deviation are.
func TestExponentialConvictsAt18Intervals(t *testing.T) {
	c := Config{Exponential: true}.withDefaults()
	j := newJudge(&c)
	for _, mean := range []float64{0.1, 1, 7.5} {
		w := window{count: 5, mean: mean, variance: mean * mean}
		if n := j.patience(&w).Seconds() / mean; math.Abs(n-8*math.Ln10) > 1e-6 ||
			math.Abs(n-18.42) > 0.01 {
			t.Errorf("with a mean of %g s it convicts after %.3f intervals", mean, n)
		}
	}
}

// In both forms, for each threshold, the level is the threshold at the moment of the verdict, and
// rises all the time.
func TestLevelMeetsPatience(t *testing.T) {
	for _, exponential := range []bool{false, true} {
		for _, threshold := range []float64{0.5, 1, 3, 8, 12, 40} {
			c := Config{Exponential: exponential, Threshold: threshold}.withDefaults()
			j := newJudge(&c)
			w := window{count: 10, mean: 1.1, variance: 0.16}
			p := j.patience(&w)
			if got := j.level(&w, p); math.Abs(got-threshold) > 1e-6*threshold {
				t.Errorf("exponential %t: after %s phi is %g, want %g", exponential, p, got,
					threshold)
			}
			last := -1.0
			for s := time.Duration(0); s < 20*time.Second; s += 100 * time.Millisecond {
				phi := j.level(&w, s)
				if phi < last || math.IsNaN(phi) || math.IsInf(phi, 0) {
					t.Fatalf("exponential %t: phi is %g after %g, at %s", exponential, phi, last, s)
				}
				last = phi
			}
		}
	}
}

// The logistic form is near the normal distribution: phi 8 between 4 and 6 deviations (exactly it
// is 5.6).
func TestNormalForm(t *testing.T) {
	c := Config{}.withDefaults()
	j := newJudge(&c)
	if j.deviations < 4 || j.deviations > 6 {
		t.Errorf("phi 8 is reached at %g deviations", j.deviations)
	}
	w := window{count: 10, mean: 1, variance: 1}
	for _, y := range []float64{-1, 0, 1, 2, 3} {
		want := -math.Log10(math.Erfc(y/math.Sqrt2) / 2)
		got := j.level(&w, time.Duration((1+j.pause+y)*float64(time.Second)))
		if math.Abs(got-want) > 0.03*max(1, want) {
			t.Errorf("at %g deviations phi is %g, the normal distribution has %g", y, got, want)
		}
	}
}

// Mean and variance are the true ones at first, and follow a change later.
func TestWindow(t *testing.T) {
	var w window
	for _, s := range []time.Duration{1, 2, 3, 4} {
		w.add(s*time.Second, 1000)
	}
	if math.Abs(w.mean-2.5) > 1e-9 || math.Abs(w.variance-1.25) > 1e-9 {
		t.Errorf("of 1, 2, 3, 4 the mean is %g and the variance %g", w.mean, w.variance)
	}
	for range 500 {
		w.add(9*time.Second, 50)
	}
	if math.Abs(w.mean-9) > 0.01 || w.variance > 0.01 {
		t.Errorf("of many 9 the mean is %g and the variance %g", w.mean, w.variance)
	}
}
