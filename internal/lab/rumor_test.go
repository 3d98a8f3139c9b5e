package lab

import (
	"context"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/rumor"
)

// paper reads a printed number. It returns the value, and half a unit of its last digit: rounding
// may have changed it by so much.
func paper(t *testing.T, digits string) (value, half float64) {
	value, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(digits, ".")
	return value, 0.5 * math.Pow(10, -float64(len(after)))
}

// The tables of the paper, 1,000 sites: within 3 % or 3 standard errors of the digits that are
// printed, which are rounded. The t_ave of tables 1 and 2 is left out: see docs/lab.md. Of table 3,
// the residue at k = 3, of one site in 250,000, wants more runs than a test has.
func TestTablesOfThePaper(t *testing.T) {
	ctx := context.Background()
	for _, table := range []struct {
		name string
		o    Rumor
		want [][3]string // residue, traffic, t_last, for k = 1, 2, ...
	}{
		{"table 1", Rumor{Mode: rumor.Push, Stop: StopCounter},
			[][3]string{{"0.18", "1.7", "16.8"}, {"0.037", "3.3", "16.9"},
				{"0.011", "4.5", "17.4"}, {"0.0036", "5.6", "17.5"}, {"0.0012", "6.7", "17.7"}}},
		{"table 2", Rumor{Mode: rumor.Push, Stop: StopCoin, Blind: true},
			[][3]string{{"0.96", "0.04", ""}, {"0.20", "1.6", "33"},
				{"0.060", "2.8", "32"}, {"0.021", "3.9", "32"}, {"", "4.9", "32"}}},
		{"table 3", Rumor{Mode: rumor.Pull, Stop: StopCounter},
			[][3]string{{"0.031", "2.7", "17.6"}, {"0.00058", "4.5", "15.4"}, {"", "6.1", "14.0"}}},
	} {
		for i, row := range table.want {
			o := table.o
			o.K, o.Nodes, o.Runs, o.Seed = i+1, 1000, 1000, 1
			if o.Mode == rumor.Pull {
				o.Runs = 400
			}
			r, err := o.Run(ctx, Work{})
			if err != nil {
				t.Fatal(err)
			}
			for j, m := range []struct {
				name    string
				got, se float64
			}{{"residue", r.Residue, r.SE.Residue}, {"traffic", r.Traffic,
				r.SE.Traffic}, {"t_last", r.TLast, r.SE.TLast}} {
				if row[j] == "" {
					continue
				}
				want, half := paper(t, row[j])
				if math.Abs(m.got-want)-half > max(0.03*want, 3*m.se) {
					t.Errorf("%s, k=%d: %s %.4g ± %.2g, not %s", table.name, o.K, m.name,
						m.got, m.se, row[j])
				}
			}
		}
	}
}

// s = e^−m holds for every rule that pushes (section 1.4): updates land like raindrops.
func TestResidueIsExpOfTraffic(t *testing.T) {
	for _, o := range []Rumor{{Stop: StopCounter, K: 1}, {Stop: StopCounter, K: 3},
		{Stop: StopCounter, K: 2, Blind: true},
		{Stop: StopCoin, K: 2}, {Stop: StopCoin, K: 3, Blind: true}} {
		o.Mode, o.Nodes, o.Runs, o.Seed = rumor.Push, 1000, 400, 1
		r, err := o.Run(context.Background(), Work{})
		if err != nil {
			t.Fatal(err)
		}
		if want := math.Exp(-r.Traffic); math.Abs(r.Residue-want) > 0.05*want+3*r.SE.Residue {
			t.Errorf("%+v: residue %.4f, e^−m is %.4f", o, r.Residue, want)
		}
	}
}
