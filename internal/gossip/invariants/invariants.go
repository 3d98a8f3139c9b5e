// Package invariants is for checks that are cheap to write and dear to run: they are compiled in
// with the tag invariants alone, as the swarm is. A check has its place where what it checks was
// changed, so that it finds the step that broke it, and not one that stumbles over it.
//
//	if invariants.On {
//		invariants.Hold(t.Check())
//	}
package invariants

// Hold panics if an invariant is broken. Without the tag the core never panics.
func Hold(broken error) {
	if broken != nil {
		panic("broken invariant: " + broken.Error())
	}
}
