package sim
import ("testing";"fmt";"os";"time";"strconv")
func TestDbgSwarm(t *testing.T) {
	want,_ := strconv.Atoi(os.Getenv("DBGN"))
	n, judged := 0, 0
	start := time.Now()
	for seed := uint64(500001); n < want && time.Since(start) < 8*time.Minute; seed++ {
		o := Draw(seed)
		small := false
		for _, a := range o.Actions { small = small || a.Link.MTU > 0 && a.Link.MTU < leastPath }
		if !small { continue }
		n++
		for _, v := range Try(o) { fmt.Println(seed, v.Checker, v.At, v.Text) }
	}
	fmt.Println("seeds", n, judged)
}
