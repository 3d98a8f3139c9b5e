// Package virtual is for tests in a bubble of testing/synctest.
package virtual

import (
	"testing/synctest"
	"time"
)

// Pass lets the virtual time of a bubble go by, which takes none, until all in it rest. Outside
// of a bubble it panics.
func Pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
