package reconcile
import ("testing";"time";"fmt")
func TestTrace(t *testing.T) {
	for _, n := range []int{128,1000} {
	w := newWorld(uint64(n))
	seed := w.node("seed", Config{})
	seed.probe()
	for i := range n {
		w.after(time.Duration(w.rng.Int64N(int64(100*time.Millisecond))), func() { w.join(seed, name(i)) })
	}
	w.run(100*time.Millisecond, func() bool { return false })
	for range 40 {
		if w.complete(n+1)() { break }
		sum, lo, inc, pulls, st, busy, ref, asked := 0, 1<<30, 0, 0, 0, 0,0,0
		for _, x := range w.order { l := x.table.Live(); sum += l; lo = min(lo, l); if l <= n { inc++ }; if x.repair.pull != nil {pulls++}; s:=x.repair.Stats(); st += int(s.Started); busy += int(s.Busy); ref+=int(s.Refused);asked+=int(s.Asked)}
		fmt.Println(w.now.Sub(1e12), "mean", sum/len(w.order), "min", lo, "incomplete", inc, "pulls", pulls, "started", st, "busy", busy, "asked", asked, "packets", w.packets, "kb", w.bytes>>10)
		w.run(200*time.Millisecond, func() bool { return false })
	}
	}
}
