// Package size says how large long tests are: those that go through many seeds, worlds or damages.
// It is the one place that knows of the day, which is what CI and a developer run, and the night.
package size

import (
	"os"
	"testing"
)

// Night is the name of the environment's variable that asks for the night's sizes, with any value:
// make night sets it.
const Night = "STARLING_NIGHT"

// Of returns the size for this run: short with -short, as where the race detector makes everything
// ten times slower, day without, or night.
func Of(short, day, night int) int {
	switch {
	case os.Getenv(Night) != "":
		return night
	case testing.Short():
		return short
	}
	return day
}
