package sim

import "testing"

func TestTmpStrangers(t *testing.T) {
	n := 0
	for seed := uint64(60000); seed < 62500; seed++ {
		o := Draw(seed)
		if !does(Invade)(&o) || o.Nodes > 60 {
			continue
		}
		n++
		if v := Try(o); len(v) > 0 {
			t.Errorf("%d: %v\n%v", seed, v, o.Actions)
		}
	}
	t.Log(n)
}
