package lab

import (
	"cmp"
	"math"
)

// This file is how often something fails among many machines.

// HoursPerMonth is that of a month of 30 days.
const HoursPerMonth = 30 * 24

// MTTF is the options of the reckoning: Machines, of which each fails once in Months in the mean,
// independently and without memory (exponential times).
type MTTF struct {
	Machines int     `json:"machines"`
	Months   float64 `json:"months"`
}

// MTTFResult is the mean time to the next failure of any machine, which is Months/Machines, and
// what follows from it.
type MTTFResult struct {
	MTTF
	BetweenMonths float64 `json:"mttf_months"`
	BetweenHours  float64 `json:"mttf_hours"`
	PerDay        float64 `json:"failures_per_day"`
	QuietDay      float64 `json:"quiet_day"` // probability of a day without any
}

// Run reckons.
func (o *MTTF) Run() (*MTTFResult, error) {
	if err := cmp.Or(within("machines", o.Machines, 1, 1e9),
		within("months", o.Months, 1e-3, 1e9)); err != nil {
		return nil, err
	}
	r := &MTTFResult{MTTF: *o, BetweenMonths: o.Months / float64(o.Machines)}
	r.BetweenHours = r.BetweenMonths * HoursPerMonth
	r.PerDay = 24 / r.BetweenHours
	r.QuietDay = math.Exp(-r.PerDay)
	return r, nil
}
