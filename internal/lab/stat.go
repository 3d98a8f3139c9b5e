package lab

import (
	"math"
	"slices"
)

// This file sums runs up.

// moments returns the mean of values and its standard error.
func moments(values []float64) (mean, se float64) {
	n := float64(len(values))
	for _, v := range values {
		mean += v
	}
	mean /= n
	square := 0.0
	for _, v := range values {
		square += (v - mean) * (v - mean)
	}
	if n > 1 {
		se = math.Sqrt(square / (n - 1) / n)
	}
	return mean, se
}

// quantile returns the least of values that at least the share q of them does not exceed. It sorts
// them.
func quantile(values []float64, q float64) float64 {
	slices.Sort(values)
	return values[max(int(math.Ceil(q*float64(len(values))))-1, 0)]
}

// column is one number of each run.
func column[T any](runs []T, of func(*T) float64) []float64 {
	values := make([]float64, len(runs))
	for i := range runs {
		values[i] = of(&runs[i])
	}
	return values
}
