package virtual

import (
	"testing"
	"testing/synctest"
)

// Run runs f in a bubble of testing/synctest and ends the process: with status 0 if f returned and
// all its goroutines ended. A bubble needs a *testing.T, and testing.Main is how a program that is
// no test gets one.
func Run(f func()) {
	testing.Main(
		func(string, string) (bool, error) { return true, nil },
		[]testing.InternalTest{{Name: "virtual", F: func(t *testing.T) {
			synctest.Test(t,
				func(*testing.T) { f() })
		}}},
		nil, nil,
	)
}
