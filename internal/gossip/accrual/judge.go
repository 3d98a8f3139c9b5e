package accrual

import (
	"math"
	"time"
)

// window is what is remembered of the last intervals between heartbeats: their number, mean and
// variance, in seconds. It is the true mean until Config.Window intervals have come, and an
// exponentially weighted one of that many from then on. That takes 24 bytes a member; the intervals
// themselves would take 8,000.
type window struct {
	count          int
	mean, variance float64
}

func (w *window) add(interval time.Duration, size int) {
	w.count = min(w.count+1, size)
	k := float64(w.count)
	d := interval.Seconds() - w.mean
	w.mean += d / k
	w.variance = (1 - 1/k) * (w.variance + float64(d*d)/k)
}

// judge makes a level of suspicion of a silence. For equal outcomes on all machines it uses no
// function of package math whose last bit may differ, and no product that a compiler may fuse with
// a sum.
type judge struct {
	exponential bool
	threshold   float64
	pause       float64 // seconds
	size        int
	deviations  float64 // at which the normal form reaches the threshold
}

func newJudge(c *Config) judge {
	j := judge{
		exponential: c.Exponential, threshold: c.Threshold, pause: c.Pause.Seconds(),
		size: c.Window,
	}
	// phi = log10(1 + e^x) with x = y·(1.5976 + 0.070566·y²), see level: solve for y by Newton's
	// method. The function rises everywhere, and bends upwards where the root is, so that it
	// converges from the right.
	x := ln(exp(c.Threshold*math.Ln10) - 1)
	y := x / 1.5976
	for range 60 {
		y -= (slope(y) - x) / (1.5976 + float64(3*0.070566*y*y))
	}
	j.deviations = y
	return j
}

// slope is the exponent of the logistic approximation of the normal distribution.
func slope(y float64) float64 { return y * (1.5976 + float64(0.070566*y*y)) }

// minDeviation is the least standard deviation that is reckoned with, in seconds (Akka).
const minDeviation = 0.1

// deviation is the standard deviation that is reckoned with.
func deviation(w *window) float64 { return max(math.Sqrt(w.variance), minDeviation) }

// patience returns after what silence the threshold is reached.
func (j *judge) patience(w *window) time.Duration {
	s := j.threshold * math.Ln10 * w.mean
	if !j.exponential {
		s = w.mean + j.pause + float64(j.deviations*deviation(w))
	}
	return time.Duration(s * float64(time.Second))
}

// level returns phi after a silence: -log10 of the probability that a heartbeat comes later still.
//
// Exponential (Cassandra): P(later than t) = e^(-t/mean), so phi = t/mean·log10(e): 8 is
// reached at 18.4 mean intervals.
//
// Normal (Hayashibara et al. 2004, section 4; Akka): P = e^-x/(1 + e^-x), an approximation by the
// logistic function with x as slope has it for y = (t − mean − pause)/deviation.
func (j *judge) level(w *window, silence time.Duration) float64 {
	t := max(silence, 0).Seconds()
	if j.exponential {
		return t / (w.mean * math.Ln10)
	}
	x := slope((t - w.mean - j.pause) / deviation(w))
	if x > 40 {
		return x / math.Ln10 // the 1 does not count beside it, and e^x may be too large
	}
	return ln(1+exp(x)) / math.Ln10
}

// exp returns e^x by its series, for the rest that is left when the powers of two are taken out.
func exp(x float64) float64 {
	if x < -700 {
		return 0
	}
	k := math.Floor(x/math.Ln2 + 0.5)
	r := x - float64(k*math.Ln2)
	sum, term := 1.0, 1.0
	for i := 1; i <= 16; i++ {
		term = float64(term*r) / float64(i)
		sum += term
	}
	return math.Ldexp(sum, int(k))
}

// ln returns the natural logarithm of a positive number. It adds that of a fraction f between 1/2
// and 1, by the series of 2·artanh((f−1)/(f+1)), and that of a power of two.
func ln(x float64) float64 {
	f, k := math.Frexp(x)
	z := (f - 1) / (f + 1)
	sum, power := 0.0, z
	for i := 1; i < 60; i += 2 {
		sum += power / float64(i)
		power *= float64(z * z)
	}
	return float64(2*sum) + float64(float64(k)*math.Ln2)
}
