package api

// RTT is the round trip between two members.
type RTT struct {
	From     string  `json:"from"`
	To       string  `json:"to"`
	Estimate float64 `json:"rtt_seconds"` // by their coordinates
	// that such estimates had of late, relative: 0.1 is a tenth, 1 is a guess
	Error float64 `json:"rtt_error"`
	// the median of the last few that the agent measured, if its node is one of the two
	Measured float64 `json:"measured_seconds,omitempty"`
}

// Coordinates says how good estimates of round trips are at the agent's node: the relative error
// that they had of late. 0.1 is a tenth, 1 is a guess.
type Coordinates struct {
	Inside float64 `json:"inside_error"` // to members of its zone
	// to all; none if no member of another zone was measured
	Outside *float64 `json:"outside_error,omitempty"`
}
