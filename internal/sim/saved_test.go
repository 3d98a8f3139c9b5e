package sim

import "testing"

// A run that was saved when some constants of the core were settings is read still, unless it set
// one of them.
func TestReadOptionsOfBefore(t *testing.T) {
	for text, fits := range map[string]bool{
		`{"nodes":3,"gossip":{"Repair":{"Streak":0,"Serve":7},"Accrual":{"MinDev":0}}}`: true,
		`{"nodes":3,"gossip":{"Repair":{"Serve":7}}}`:                                   true,
		`{"nodes":3,"gossip":{"Repair":{"Streak":5,"Serve":7}}}`:                        false,
		`{"nodes":3,"gossip":{"Repair":{"Nothing":0,"Serve":7}}}`:                       false,
	} {
		o, err := ReadOptions([]byte(text))
		if (err == nil) != fits || fits && (o.Nodes != 3 || o.Gossip.Repair.Serve != 7) {
			t.Errorf("%s: %d nodes, %+v, %v", text, o.Nodes, o.Gossip.Repair, err)
		}
	}
}
