package api

import "time"

// Why is what an agent remembers of one member's failures and returns.
type Why struct {
	Name     string     `json:"name"`
	State    string     `json:"state,omitempty"` // at present; none if the member is forgotten
	Since    *time.Time `json:"since,omitempty"`
	Detector string     `json:"detector"`
	Verdicts []Verdict  `json:"verdicts"`         // the oldest first
	Damped   *Damping   `json:"damped,omitempty"` // while it is
	Cause    string     `json:"cause,omitempty"`  // of a state of failed
	// of a deaf member: where it should receive packets
	Addr string `json:"addr,omitempty"`
	// of a live member: as a Member's
	Doubt       string `json:"doubt,omitempty"`
	OutOfFamily bool   `json:"out_of_family,omitempty"`
	// where packets of a failed member come from that sends still
	Heard string `json:"heard_from,omitempty"`
}

// Damping is that a member came and went lately, so that its silence is borne for longer.
type Damping struct {
	// in the same life, that count still: half are forgiven each minute
	Returns int     `json:"returns"`
	Grace   float64 `json:"grace_seconds"`       // silence that it is granted now
	Usual   float64 `json:"usual_grace_seconds"` // that others are
}

// Verdict is that a member was declared failed, or that one that had been came back.
type Verdict struct {
	Time time.Time `json:"time"`
	// failed; refuted: it contradicted; restarted: it came back in a new life
	Kind string `json:"kind"`
	// of one that came back: how long it had been failed
	After    float64   `json:"after_seconds,omitempty"`
	Evidence *Evidence `json:"evidence,omitempty"` // of a failure, if it is known here
}

// Evidence is why a member was declared failed.
type Evidence struct {
	Accuser string `json:"accuser"` // the member that declared it
	// silent, refused, stalled or deaf: what most voters saw
	Cause string `json:"cause"`
	// that the accuser sent in vain; 0 under swim, which does not count them
	Pings int     `json:"pings"`
	Span  float64 `json:"span_seconds"` // from its first doubt to the verdict
	Seats int     `json:"seats"`        // of the jury; 0 without one
	// those of the jurors; under swim, those of the nodes that suspected the member
	Votes []Vote `json:"votes"`
}

// Vote is that of one member; under swim it has no figures.
type Vote struct {
	Juror string  `json:"juror"`
	Cause string  `json:"cause"`
	Pings int     `json:"pings"`
	Span  float64 `json:"span_seconds"`
}
