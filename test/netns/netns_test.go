// Package netns tests real agents on a real network: three network namespaces that it makes itself,
// joined by a fourth with a bridge. What only this test can show: that cut links, lost packets and
// stopped processes of the operating system do to agents what they do to nodes in the simulator. It
// needs root, iproute2 and nftables, and touches nothing outside its namespaces.
package netns

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	zones   = 3
	perZone = 4
	all     = zones * perZone
	patient = 60 * time.Second // how long anything may take at most; the log says how long it took
)

var long = flag.Bool("netns.long", false, "drop 30 % of the packets for ten minutes in place of "+
	"20 s")

// TestMain also reads a page for the test, which runs itself in a namespace for that: an agent's
// API is on its loopback.
func TestMain(m *testing.M) {
	if url := os.Getenv(pageToRead); url != "" {
		if err := printPage(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

const pageToRead = "NETNS_TEST_READ"

func printPage(url string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(os.Stdout, resp.Body)
	return err
}

// network is the namespaces and the agents in them.
type network struct {
	t      *testing.T
	prefix string
	binary string
	agents [all]*agent
}

type agent struct {
	name, space, addr, api string
	cmd                    *exec.Cmd
	log                    lockedBuffer
}

type lockedBuffer struct {
	sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.Write(p)
}

// run runs a command and returns what it printed.
func run(args ...string) (string, error) {
	var out, errs bytes.Buffer
	c := exec.Command(args[0], args[1:]...)
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}

func (n *network) must(args ...string) string {
	n.t.Helper()
	out, err := run(args...)
	if err != nil {
		n.t.Fatal(err)
	}
	return out
}

func (n *network) space(z int) string { return fmt.Sprintf("%s%d", n.prefix, z) }

// build makes the namespaces, or skips the test with the reason.
func build(t *testing.T) *network {
	t.Helper()
	if testing.Short() {
		t.Skip("a real-network test takes a minute: not with -short")
	}
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("there is no %s here: install iproute2 and nftables", tool)
		}
	}
	n := &network{t: t, prefix: fmt.Sprintf("st%d-", os.Getpid())}
	if _, err := run("ip", "netns", "add", n.space(0)); err != nil {
		t.Skipf("this machine makes no network namespaces: %v", err)
	}
	t.Cleanup(func() { run("ip", "netns", "del", n.space(0)) })
	hub := []string{"ip", "-n", n.space(0)}
	if _, err := run(append(hub, "link", "add", "br0", "type", "bridge")...); err != nil {
		t.Skipf("this machine makes no bridges: %v", err)
	}
	n.must(append(hub, "link", "set", "br0", "up")...)
	for z := 1; z <= zones; z++ {
		n.attach(z)
	}
	n.binary = filepath.Join(t.TempDir(), "starling")
	n.must("go", "build", "-o", n.binary, "../../cmd/starling")
	return n
}

// attach makes one namespace with an address on the bridge.
func (n *network) attach(z int) {
	n.t.Helper()
	ns := n.space(z)
	n.must("ip", "netns", "add", ns)
	n.t.Cleanup(func() { run("ip", "netns", "del", ns) })
	n.plug(z)
	n.must("ip", "-n", ns, "link", "set", "lo", "up")
	rules := "add table inet test; add chain inet test in { type filter hook input priority 0; " +
		"}; " +
		"add chain inet test count { type filter hook input priority -1; }"
	for _, name := range []string{lost, excess} {
		rules += "; add counter inet test " + name
	}
	for from := 1; from <= zones; from++ {
		rules += fmt.Sprintf("; add counter inet test %s; add rule inet test count ip saddr "+
			"10.77.0.%d counter name %s", source(from), from, source(from))
	}
	n.must("ip", "netns", "exec", ns, "nft", rules)
}

// plug gives a namespace its interface on the bridge.
func (n *network) plug(z int) {
	n.t.Helper()
	hub, ns, port := n.space(0), n.space(z), fmt.Sprintf("p%d", z)
	n.must("ip", "-n", hub, "link", "add", port, "type", "veth", "peer", "name", "eth0",
		"netns", ns)
	n.must("ip", "-n", hub, "link", "set", port, "master", "br0", "up")
	n.must("ip", "-n", ns, "addr", "add", fmt.Sprintf("10.77.0.%d/24", z), "dev", "eth0")
	n.must("ip", "-n", ns, "link", "set", "eth0", "up")
}

// The kernel's counters in each namespace: what rules dropped by chance, what they dropped since it
// was too much, and, before any rule, what came from another namespace.
const lost, excess = "lost", "excess"

func source(z int) string { return fmt.Sprintf("from%d", z) }

// counted reads a counter of the kernel's, in bytes with the headers of IP.
func (n *network) counted(z int, counter string) float64 {
	n.t.Helper()
	out := n.must("ip", "netns", "exec", n.space(z), "nft", "list counter inet test "+counter)
	_, text, _ := strings.Cut(out, " bytes ")
	bytes, err := strconv.ParseFloat(strings.Fields(text + " ?")[0], 64)
	if err != nil {
		n.t.Fatalf("no bytes in %s", out)
	}
	return bytes
}

// filter replaces a namespace's rules for what comes in from other namespaces; none lets all in.
func (n *network) filter(z int, rules ...string) {
	n.t.Helper()
	n.must("ip", "netns", "exec", n.space(z), "nft", "flush chain inet test in")
	for _, r := range rules {
		n.must("ip", "netns", "exec", n.space(z), "nft", "add rule inet test in "+r)
	}
}

// open lets everything pass again.
func (n *network) open() {
	for z := 1; z <= zones; z++ {
		n.filter(z)
	}
}

// start starts the i-th agent; the first is the seed of the others.
func (n *network) start(i int, more ...string) {
	n.t.Helper()
	z := i%zones + 1
	a := &agent{
		name: fmt.Sprintf("a%d", i), space: n.space(z),
		addr: fmt.Sprintf("10.77.0.%d:%d", z, 7747+10*i), api: fmt.Sprintf("127.0.0.1:%d",
			7748+10*i),
	}
	args := append([]string{"netns", "exec", a.space, n.binary, "agent", "--name", a.name,
		"--bind", a.addr,
		"--api", a.api, "--zone", fmt.Sprintf("zone%d", z), "--join", "10.77.0.1:7747"}, more...)
	n.launch(i, a, args)
}

// launch runs an agent until the test ends, by a command for ip.
func (n *network) launch(i int, a *agent, args []string) {
	a.cmd = exec.Command("ip", args...)
	a.cmd.Stdout, a.cmd.Stderr = &a.log, &a.log
	if err := a.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.agents[i] = a
	n.t.Cleanup(func() {
		a.cmd.Process.Signal(syscall.SIGCONT)
		a.cmd.Process.Kill()
		a.cmd.Wait()
		if n.t.Failed() {
			n.t.Logf("%s:\n%s", a.name, a.log.String())
		}
	})
}

// cli runs a client command against an agent.
func (n *network) cli(a *agent, args ...string) (string, error) {
	return run(append([]string{"ip", "netns", "exec", a.space, n.binary, "--api", a.api},
		args...)...)
}

// states returns what an agent holds of all members.
func (n *network) states(a *agent) map[string]string {
	out, err := n.cli(a, "members", "--json")
	if err != nil {
		return nil
	}
	var members []struct{ Name, State string }
	if err := json.Unmarshal([]byte(out), &members); err != nil {
		n.t.Fatalf("members --json: %v\n%s", err, out)
	}
	s := make(map[string]string)
	for _, m := range members {
		s[m.Name] = m.State
	}
	return s
}

// until asks again and again until something is so, and says how long that took. How soon it has to
// be so is for the simulator to say: here other programs share the machine.
func (n *network) until(what string, ok func() bool) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	start := time.Now()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			for _, a := range n.agents {
				if a == nil { // this test has fewer
					continue
				}
				info, err := n.cli(a, "info")
				n.t.Logf("%s sees %v\n%s%v", a.name, n.states(a), info, err)
			}
			n.t.Fatalf("not so after %s: %s", patient, what)
		}
	}
	n.t.Logf("%s after %s", what, time.Since(start).Round(10*time.Millisecond))
}

// allSee says whether each agent holds exactly these members alive.
func (n *network) allSee(viewers, alive []*agent) bool {
	for _, v := range viewers {
		states, live := n.states(v), 0
		for _, s := range states {
			if s == "alive" {
				live++
			}
		}
		if live != len(alive) {
			return false
		}
		for _, a := range alive {
			if states[a.name] != "alive" {
				return false
			}
		}
	}
	return true
}

// allMiss says whether each agent says that it cannot reach so many members, or that it is
// isolated. An agent learns that of those that it watches, not of all.
func (n *network) allMiss(viewers []*agent, count int) bool {
	for _, v := range viewers {
		out, err := n.cli(v, "info", "--json")
		var info struct {
			Isolated    bool
			Unreachable []string
		}
		if err != nil || json.Unmarshal([]byte(out), &info) != nil || !info.Isolated &&
			len(info.Unreachable) < count {
			return false
		}
	}
	return true
}

// allHold says whether each agent holds exactly these zones for silent; it tells them in the order
// in which they fell silent.
func (n *network) allHold(viewers []*agent, silent ...string) bool {
	for _, v := range viewers {
		out, err := n.cli(v, "info", "--json")
		var info struct {
			SilentZones []struct{ Zone string } `json:"silent_zones"`
		}
		if err != nil || json.Unmarshal([]byte(out), &info) != nil {
			return false
		}
		var held []string
		for _, z := range info.SilentZones {
			held = append(held, z.Zone)
		}
		slices.Sort(held)
		if !slices.Equal(held, silent) {
			return false
		}
	}
	return true
}

// watch collects what an agent tells until stop is called.
func (n *network) watch(a *agent) (stop func() string) {
	n.t.Helper()
	c := exec.Command("ip", "netns", "exec", a.space, n.binary, "--api", a.api, "watch", "--json")
	var out lockedBuffer
	c.Stdout = &out
	if err := c.Start(); err != nil {
		n.t.Fatal(err)
	}
	return func() string {
		c.Process.Kill()
		c.Wait()
		return out.String()
	}
}

// pass lets real time go by: the operating system's clock is what this test is about.
func pass(d time.Duration) { <-time.After(d) }

func TestRealNetwork(t *testing.T) {
	n := build(t)
	for i := range all {
		n.start(i)
	}
	everybody := n.agents[:]
	var ours, theirs []*agent // two zones against the third
	for _, a := range everybody {
		if a.space == n.space(3) {
			theirs = append(theirs, a)
		} else {
			ours = append(ours, a)
		}
	}
	n.until("12 agents see each other", func() bool { return n.allSee(everybody, everybody) })

	n.filter(3, "iifname eth0 drop")
	n.filter(1, "ip saddr 10.77.0.3 drop")
	n.filter(2, "ip saddr 10.77.0.3 drop")
	// A whole zone that falls silent is held for the zone grace: both sides say so, and neither
	// fails anybody.
	n.until("cut: each side says that the other's zones are silent", func() bool {
		return n.allHold(ours, "zone3") && n.allHold(theirs, "zone1", "zone2")
	})
	pass(15 * time.Second) // long enough for verdicts, if there were any
	if !n.allSee(everybody, everybody) {
		t.Error("a cut cable made somebody fail")
	}
	n.open()
	n.until("healed: no zone is silent", func() bool {
		return n.allHold(everybody) &&
			n.allSee(everybody, everybody)
	})

	// One member alone, which nobody reaches though its process lives, is no silent zone: the
	// others fail it.
	alone, others := everybody[all-1], everybody[:all-1]
	for z := 1; z <= zones; z++ {
		_, port, _ := strings.Cut(alone.addr, ":")
		n.filter(z, "meta l4proto { tcp, udp } th dport "+port+" drop",
			"meta l4proto { tcp, udp } th sport "+port+" drop")
	}
	n.until("one cut off: the others fail it, and it fails nobody", func() bool {
		return n.allSee(others, others) && n.allMiss([]*agent{alone}, len(others)/2+1)
	})
	n.open()
	n.until("healed: one cluster", func() bool { return n.allSee(everybody, everybody) })

	for z := 1; z <= zones; z++ {
		n.filter(z, "iifname eth0 numgen random mod 100 < 30 drop")
	}
	stop := n.watch(everybody[1])
	lossy := 20 * time.Second
	if *long {
		lossy = 10 * time.Minute
	}
	pass(lossy)
	if events := stop(); strings.Contains(events, `"failed"`) {
		t.Errorf("at 30 %% of the packets dropped a live member was failed:\n%s", events)
	}
	n.open()
	n.until("without loss: one cluster", func() bool { return n.allSee(everybody, everybody) })

	sleeper := everybody[4]
	if err := sleeper.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stop = n.watch(everybody[2])
	pass(5 * time.Second)
	if err := sleeper.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	n.until("after a stop of 5 s: one cluster", func() bool {
		return n.allSee(everybody,
			everybody)
	})
	pass(5 * time.Second)
	if events := stop(); strings.Contains(events, `"failed"`) {
		t.Errorf("a stop of 5 s, or waking from it, made somebody fail:\n%s", events)
	}
}

// TestThreeZones: what goes between the three zones is lost by a tenth and held to a rate. State
// and messages, small and large, arrive all the same, and the agents' metrics say what went between
// their zone and the others.
func TestThreeZones(t *testing.T) {
	n := build(t)
	for i := range all {
		n.start(i)
	}
	everybody := n.agents[:]
	n.until("12 agents see each other", func() bool { return n.allSee(everybody, everybody) })
	for z := 1; z <= zones; z++ {
		n.filter(z, "iifname eth0 udp dport >= 7747 numgen random mod 100 < 10 counter name "+
			""+lost+" drop",
			"iifname eth0 limit rate over 64 kbytes/second counter name "+excess+" drop")
	}

	const keys, messages = 20, 50
	var pairs []string
	for i := range keys {
		pairs = append(pairs, fmt.Sprintf("key%d=%s", i, strings.Repeat("v", 100)))
	}
	for _, a := range everybody[:zones] {
		if out, err := n.cli(a, append([]string{"set"}, pairs...)...); err != nil {
			t.Fatal(err, out)
		}
	}
	n.until("60 keys are at all", func() bool {
		for _, a := range everybody {
			out, err := n.cli(a, "get", "--json")
			var held []struct{ Owner string }
			if err != nil || json.Unmarshal([]byte(out), &held) != nil || len(held) != zones*keys {
				return false
			}
		}
		return true
	})
	start := time.Now()
	for i := range messages {
		n.publishToAll(everybody[i%all], 1000)
	}
	t.Logf("%d messages at all, one after the other, in %s", messages,
		time.Since(start).Round(10*time.Millisecond))
	start = time.Now()
	for _, a := range everybody[:zones] { // each is more than the rate lets pass at once
		n.publishToAll(a, 100_000)
	}
	t.Logf("%d large messages at all in %s", zones, time.Since(start).Round(10*time.Millisecond))
	for z := 1; z <= zones; z++ {
		byChance, tooMuch := n.counted(z, lost), n.counted(z, excess)
		t.Logf("on the way to zone%d %.0f bytes were lost, %.0f were more than the rate "+
			"allows", z, byChance, tooMuch)
		if byChance == 0 || tooMuch == 0 {
			t.Error("the kernel has not dropped what it was to drop")
		}
	}
	n.checkZones(everybody)
}

// publishToAll publishes a message and waits until all have it.
func (n *network) publishToAll(a *agent, size int) {
	n.t.Helper()
	out, err := n.cli(a, "publish", "t", strings.Repeat("m", size), "--wait", "all", "--json",
		"--timeout", "25s")
	if err != nil || !strings.Contains(out, `"reached":true`) {
		n.t.Fatalf("a message of %s is not at all: %v\n%s", a.name, err, out)
	}
}

// metric sums up a metric of all agents, by its zone and peer_zone; directions other than sent do
// not count.
func (n *network) metric(agents []*agent, name string) map[[2]string]float64 {
	n.t.Helper()
	self, err := os.Executable()
	if err != nil {
		n.t.Fatal(err)
	}
	sample := regexp.MustCompile(`(?m)^` + name +
		`\{(?:direction="sent",)?peer_zone="([^"]*)",zone="([^"]*)"\} (\S+)$`)
	sum := map[[2]string]float64{}
	for _, a := range agents {
		page := n.must("ip", "netns", "exec", a.space, "env",
			pageToRead+"=http://"+a.api+"/metrics", self)
		for _, m := range sample.FindAllStringSubmatch(page, -1) {
			value, err := strconv.ParseFloat(m[3], 64)
			if err != nil {
				n.t.Fatalf("%s: %v", m[0], err)
			}
			sum[[2]string{m[2], m[1]}] += value
		}
	}
	return sum
}

// checkZones wants bytes for each pair of zones in the agents' metrics, about as many as the kernel
// counted.
func (n *network) checkZones(agents []*agent) {
	n.t.Helper()
	bytes, packets := n.metric(agents, "starling_zone_bytes_total"), n.metric(agents,
		"starling_zone_packets_total")
	for from := 1; from <= zones; from++ {
		for to := 1; to <= zones; to++ {
			pair := [2]string{fmt.Sprintf("zone%d", from), fmt.Sprintf("zone%d", to)}
			told := bytes[pair] + 28*packets[pair]
			if from == to {
				n.t.Logf("in %s: %.0f bytes", pair[0], told)
				continue
			}
			kernel := n.counted(to, source(from))
			n.t.Logf("%s to %s: %.0f bytes with headers; the kernel counts %.0f", pair[0],
				pair[1], told, kernel)
			if told == 0 || told < kernel*0.7 || told > kernel*1.3 {
				n.t.Error("that is not what the kernel counts")
			}
		}
	}
	n.t.Logf("one agent's part:\n%s", n.must("ip", "netns", "exec", agents[0].space, n.binary,
		"--api", agents[0].api, "info", "--zones"))
}

// TestZoneBudget: one zone publishes far more at once than it may send to the others in the time.
// What the kernel counts on the way there stays below the budget, and all that was published
// arrives.
func TestZoneBudget(t *testing.T) {
	n := build(t)
	// bytes a second, messages of each member of the zone, and their bytes
	const budget, each, size = 128 << 10, 6, 100_000
	for i := range all {
		n.start(i, "--zone-budget", strconv.Itoa(budget))
	}
	everybody := n.agents[:]
	n.until("12 agents see each other", func() bool { return n.allSee(everybody, everybody) })

	crossed := func() (sum [2]float64) {
		return [2]float64{n.counted(2, source(1)), n.counted(3, source(1))}
	}
	start, before := time.Now(), crossed()
	for i := range each * perZone {
		if out, err := n.cli(everybody[i%perZone*zones], "publish", "t",
			strings.Repeat("m", size)); err != nil {
			t.Fatal(err, out)
		}
	}
	t.Logf("%d bytes are published in %s", each*perZone*size,
		time.Since(start).Round(10*time.Millisecond))
	since, last := start, before
	n.until("all messages are at all", func() bool {
		if span := time.Since(since).Seconds(); span > 3 {
			now := crossed()
			for i := range now {
				rate := (now[i] - last[i]) / span
				t.Logf("zone1 to zone%d: %.0f bytes a second of %d", i+2, rate, budget)
				if rate > 1.4*budget {
					t.Error("that is more than the budget")
				}
			}
			since, last = time.Now(), now
		}
		return n.allGot(everybody, "t", each*perZone)
	})
	after := crossed()
	for i := range after {
		if got := after[i] - before[i]; got < each*perZone*size {
			t.Errorf("only %.0f bytes came to zone%d: who counts?", got, i+2)
		}
	}
	budgets := n.metric(everybody, "starling_zone_budget_bytes_per_second")
	if len(budgets) != zones*(zones-1) {
		t.Errorf("budgets are told for %d pairs of zones", len(budgets))
	}
	for pair, sum := range budgets {
		if sum != perZone*budget {
			t.Errorf("the members of %s tell budgets for %s that are %.0f in sum", pair[0],
				pair[1], sum)
		}
	}
	t.Logf("one agent's part:\n%s", n.must("ip", "netns", "exec", everybody[0].space, n.binary,
		"--api", everybody[0].api, "info", "--zones"))
}

// allGot says whether so many messages on a topic were delivered at each agent.
func (n *network) allGot(agents []*agent, topic string, messages int) bool {
	for _, a := range agents {
		out, err := n.cli(a, "topics", "--json")
		var topics []struct {
			Name     string
			Messages int
		}
		if err != nil || json.Unmarshal([]byte(out), &topics) != nil || len(topics) != 1 ||
			topics[0].Name != topic || topics[0].Messages != messages {
			return false
		}
	}
	return true
}
