package sim

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Latency is how long packets take one way: a distribution, kept as equally likely quantiles
// between which a draw interpolates with whole numbers, so that a draw is the same on every
// machine. The zero value is an instant of MinLatency.
type Latency struct {
	quantiles []int64 // nanoseconds, rising; one or more
	text      string
}

// MinLatency is the shortest time that any packet takes. Nothing travels in no time: workers rely
// on it.
const (
	MinLatency = time.Microsecond
	maxLatency = time.Hour // keeps draw within 64 bits
)

const lognormalSteps = 2048

// Constant is a latency that is always d.
func Constant(d time.Duration) Latency { return quantiles(d.String(), int64(d)) }

// Uniform is a latency between two bounds, each value as likely as another.
func Uniform(lo, hi time.Duration) Latency {
	return quantiles(lo.String()+"-"+hi.String(), int64(lo), int64(hi))
}

// Lognormal is what round trips in networks look like. Half the packets take less than the median.
// sigma, of the logarithm, says how long the tail is: 0.2 is calm, 1 is wild. The tail ends at the
// 1/4,096 quantile on both sides.
func Lognormal(median time.Duration, sigma float64) Latency {
	q := make([]int64, lognormalSteps+1)
	for i := range q {
		p := min(max(float64(i)/lognormalSteps, 0.5/lognormalSteps), 1-0.5/lognormalSteps)
		q[i] = int64(math.Round(float64(median) * math.Exp(sigma*math.Sqrt2*math.Erfinv(2*p-1))))
	}
	return quantiles(fmt.Sprintf("%s~%g", median, sigma), q...)
}

// Empirical is a latency like the ones measured.
func Empirical(samples ...time.Duration) Latency {
	q := make([]int64, len(samples))
	text := make([]string, len(samples))
	for i, d := range slices.Sorted(slices.Values(samples)) {
		q[i], text[i] = int64(d), d.String()
	}
	return quantiles(strings.Join(text, "/"), q...)
}

func quantiles(text string, q ...int64) Latency {
	for i := range q {
		q[i] = min(max(q[i], int64(MinLatency)), int64(maxLatency))
	}
	return Latency{quantiles: q, text: text}
}

// Plus is the latency and a constant more.
func (l Latency) Plus(d time.Duration) Latency {
	q := slices.Clone(l.quantiles)
	for i := range q {
		q[i] += int64(d)
	}
	return quantiles(d.String()+"+"+l.text, q...)
}

// Times is the latency multiplied by a factor. Its text is not one that ParseLatency reads.
func (l Latency) Times(f float64) Latency {
	q := slices.Clone(l.quantiles)
	for i := range q {
		q[i] = int64(math.Round(float64(q[i]) * f))
	}
	return quantiles(fmt.Sprintf("%g·(%s)", f, l.text), q...)
}

// Quantile returns the latency that a share p of all packets does not exceed, within a 2,048th.
func (l Latency) Quantile(p float64) time.Duration {
	if len(l.quantiles) == 0 {
		return MinLatency
	}
	return time.Duration(l.quantiles[int(math.Round(p*float64(len(l.quantiles)-1)))])
}

// Min returns the shortest latency there is.
func (l Latency) Min() time.Duration {
	if len(l.quantiles) == 0 {
		return MinLatency
	}
	return time.Duration(l.quantiles[0])
}

// draw takes one latency by a random word.
func (l *Latency) draw(r uint64) time.Duration {
	n := len(l.quantiles)
	if n < 2 {
		return l.Min()
	}
	at := r >> 32 * uint64(n-1) // 32 bits of fraction
	i, f := at>>32, int64(at&(1<<32-1)>>8)
	lo, hi := l.quantiles[i], l.quantiles[i+1]
	return time.Duration(lo + (hi-lo)>>8*f>>16 + ((hi-lo)&255*f)>>24)
}

// IsZero says whether the latency was never set.
func (l Latency) IsZero() bool { return len(l.quantiles) == 0 }

// String returns the form that ParseLatency reads.
func (l Latency) String() string { return l.text }

// MarshalText makes a latency its text in JSON.
func (l Latency) MarshalText() ([]byte, error) { return []byte(l.text), nil }

// UnmarshalText reads what MarshalText wrote.
func (l *Latency) UnmarshalText(b []byte) (err error) {
	*l, err = ParseLatency(string(b))
	return err
}

// ParseLatency reads a latency: "1ms" is constant, "1ms-5ms" uniform, "1ms~0.5" lognormal by median
// and sigma, "1ms/2ms/9ms" empirical, each of the values as likely and what lies between too. A
// constant and a plus in front are added: "50µs+450µs~0.4".
func ParseLatency(s string) (Latency, error) {
	if base, rest, ok := strings.Cut(s, "+"); ok {
		d, err := parseDuration(base)
		if err != nil {
			return Latency{}, fmt.Errorf("latency %q: %w", s, err)
		}
		l, err := ParseLatency(rest)
		if err != nil || strings.Contains(rest, "+") {
			return Latency{}, fmt.Errorf("latency %q: after the plus: %q is not a latency", s, rest)
		}
		return l.Plus(d), nil
	}
	if median, sigma, ok := strings.Cut(s, "~"); ok {
		d, err := parseDuration(median)
		if err != nil {
			return Latency{}, fmt.Errorf("latency %q: %w", s, err)
		}
		f, err := strconv.ParseFloat(sigma, 64)
		if err != nil || !(f >= 0 && f <= 3) {
			return Latency{}, fmt.Errorf("latency %q: the sigma %q is not a number from 0 to "+
				"3", s, sigma)
		}
		return Lognormal(d, f), nil
	}
	sep := "/"
	if strings.Contains(s, "-") {
		sep = "-"
	}
	var all []time.Duration
	for p := range strings.SplitSeq(s, sep) {
		d, err := parseDuration(p)
		if err != nil {
			return Latency{}, fmt.Errorf("latency %q: %w", s, err)
		}
		all = append(all, d)
	}
	switch {
	case sep == "-" && (len(all) != 2 || all[1] < all[0]):
		return Latency{}, fmt.Errorf("latency %q: a range has a low and then a high end", s)
	case sep == "-":
		return Uniform(all[0], all[1]), nil
	case len(all) == 1:
		return Constant(all[0]), nil
	}
	return Empirical(all...), nil
}

// parseDuration reads a time that does not run backwards.
func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a time such as 5s or 40ms", s)
	}
	if d < 0 || d > 1000*time.Hour {
		return 0, fmt.Errorf("the time %s is not between 0 and 1000h", s)
	}
	return d, nil
}
