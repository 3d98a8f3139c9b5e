//go:build !invariants

package invariants

// On says whether checks are compiled in.
const On = false
