package sim

import (
	"fmt"
	"strings"
)

// Missed is a message that did not reach a member though it should have.
type Missed struct {
	Origin    string  `json:"origin"`
	Seq       uint64  `json:"seq"`
	Published Seconds `json:"published"` // since the start of the run, as the other
	Member    string  `json:"member"`
	// the ways between them drop packets as long as its pieces
	TooLong bool `json:"too_long,omitempty"`
	// since when it has been in touch with a member that has the message
	Reachable Seconds `json:"reachable"`
}

// Unreached is a message that members which were in the cluster when it was published, and up to
// the end, never got.
type Unreached struct {
	Origin    string   `json:"origin"`
	Seq       uint64   `json:"seq"`
	Published Seconds  `json:"published"` // since the start of the run
	Members   []string `json:"members"`
	Why       Why      `json:"why,omitempty"` // absent without checkers
}

// String names three of the members at most.
func (u *Unreached) String() string {
	const named = 3
	n := len(u.Members)
	what := fmt.Sprintf("message %d of %s, published at %.3f s, never reached %s", u.Seq,
		u.Origin, u.Published,
		strings.Join(u.Members[:min(n, named)], ", "))
	if n > named {
		what += fmt.Sprintf(" and %d more", n-named)
	}
	if u.Why == "" {
		return what
	}
	return what + ": " + string(u.Why)
}

// maxMissed is how many of each kind a report lists.
const maxMissed = 1_000
