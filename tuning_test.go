package starling

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// What the documentation tells as numbers is what the core holds.
func TestBoundsAreTheCores(t *testing.T) {
	if MaxMessage != gossip.MaxMessage || MaxKey != gossip.MaxKey ||
		MaxValue != gossip.MaxValue || MaxState != gossip.MaxState {
		t.Error("a bound is not the core's")
	}
	if gossip.MaxVerdicts != 256 {
		t.Error("Why tells another number of verdicts")
	}
	var d []string
	for _, x := range []Detector{SWIM, Inquest, Heartbeat, Accrual} {
		d = append(d, string(x))
	}
	if names := gossip.DetectorNames(); !reflect.DeepEqual(d, names) {
		t.Errorf("detectors %q, the core has %q", d, names)
	}
	p := []string{string(LAN), string(WAN), string(Local)}
	if names := gossip.ProfileNames; !reflect.DeepEqual(p, names) {
		t.Errorf("profiles %q, the core has %q", p, names)
	}
}

// Each field of Tuning reaches the core, and none that is zero changes a default of the profile.
func TestTuningReachesTheCore(t *testing.T) {
	for _, p := range []Profile{"", LAN, WAN, Local} {
		got, err := (&Tuning{Profile: p}).params()
		want, _ := gossip.Profile(string(p))
		if p == "" {
			want, _ = gossip.Profile("lan")
		}
		if want.Detector = gossip.INQUEST; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, want %+v; %v", p, got, want, err)
		}
	}
	pairs := []PairRate{{[2]string{"eu", "us"}, 1 << 20}}
	for _, c := range []struct {
		set   Tuning
		value func(*gossip.Config) any
		want  any
	}{
		{Tuning{Detector: SWIM}, func(c *gossip.Config) any { return c.Detector }, gossip.SWIM},
		{Tuning{Tolerance: time.Second}, func(c *gossip.Config) any { return c.Inquest.Grace },
			time.Second},
		{Tuning{Profile: WAN, ProbeEvery: time.Second}, func(c *gossip.Config) any {
			return [...]time.Duration{c.Inquest.Period, c.SWIM.Period, c.Heartbeat.Period,
				c.Accrual.Period}
		}, [...]time.Duration{time.Second, time.Second, time.Second, time.Second}},
		{Tuning{NoKernelEvidence: true}, func(c *gossip.Config) any { return c.Inquest.NoKernel },
			true},
		{Tuning{ZoneGrace: -1}, func(c *gossip.Config) any { return c.Inquest.ZoneGrace },
			time.Duration(-1)},
		{Tuning{MTU: 1400}, func(c *gossip.Config) any { return c.MTU }, 1400},
		{Tuning{NewsRate: 1 << 16}, func(c *gossip.Config) any { return c.Budget }, 1 << 16},
		{Tuning{MessageRate: 1 << 16}, func(c *gossip.Config) any { return c.Tree.Rate }, 1 << 16},
		{Tuning{ZoneRate: 1 << 16}, func(c *gossip.Config) any { return c.ZoneBudget }, 1 << 16},
		{Tuning{PairRates: pairs}, func(c *gossip.Config) any { return c.PairBudgets },
			[]gossip.PairBudget{{Zones: [2]string{"eu", "us"}, Rate: 1 << 20}}},
		{Tuning{Retention: time.Hour}, func(c *gossip.Config) any { return c.Retention },
			time.Hour},
		{Tuning{ShareSuspicions: true}, func(c *gossip.Config) any { return c.ShareSuspicions },
			true},
	} {
		p, err := c.set.params()
		if got := c.value(&p); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: %v, want %v; %v", c.set, got, c.want, err)
		}
	}
	if n := reflect.TypeFor[Tuning]().NumField(); n > 15 {
		t.Errorf("Tuning has %d fields, at most 15 are meant to be", n)
	}
}

func TestTuningRefused(t *testing.T) {
	for name, set := range map[string]Tuning{
		"Detector":                  {Detector: "swin"},
		"Profile":                   {Profile: "moon"},
		"Tolerance, short":          {Tolerance: time.Millisecond},
		"Tolerance, less than 0":    {Tolerance: -time.Second},
		"Tolerance, another":        {Detector: SWIM, Tolerance: time.Second},
		"ProbeEvery":                {ProbeEvery: -time.Second},
		"ZoneGrace":                 {ZoneGrace: 25 * time.Hour},
		"MTU":                       {MTU: 1199},
		"NewsRate":                  {NewsRate: 1000},
		"MessageRate":               {MessageRate: -1},
		"ZoneRate":                  {ZoneRate: 1},
		"PairRates":                 {PairRates: []PairRate{{[2]string{"eu", "eu"}, 1 << 20}}},
		"Retention":                 {Retention: -time.Second},
		"ShareSuspicions, another":  {Detector: Heartbeat, ShareSuspicions: true},
		"MTU, more than a datagram": {MTU: 65508},
	} {
		n, err := Start(Config{Name: "a", Bind: "127.0.0.1:0", Tuning: set})
		if !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			n.Close()
		}
	}
	if _, err := Start(Config{Name: "a", Bind: "127.0.0.1:0",
		KeyRing: new(KeyRing)}); !errors.Is(err, ErrConfig) {
		t.Errorf("an empty key ring: %v", err)
	}
}

// Errors of each kind are matched at the root.
func TestErrorsAreMatched(t *testing.T) {
	n, err := Start(Config{Name: "a", Bind: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	ctx := t.Context()
	publish := func(topic string, size int) error {
		_, err := n.Publish(ctx, topic, make([]byte, size))
		return err
	}
	large := string(make([]byte, 300))
	for _, c := range []struct{ got, want error }{
		{publish("", 1), ErrTopic}, {publish(large, 1), ErrTopic},
		{publish("t", MaxMessage+1), ErrTooLarge}, {publish("t", MaxMessage), nil},
		{n.Set(ctx, "", nil, 0), ErrKey}, {n.Set(ctx, large, nil, 0), ErrKey},
		{n.Set(ctx, "k", make([]byte, MaxValue+1), 0), ErrValue},
		{n.Set(ctx, "k", nil, time.Microsecond), ErrTTL}, {n.Delete(ctx, "k"), ErrNoKey},
		{n.SetTags(ctx, map[string]string{"": ""}), ErrConfig},
		{n.SetTags(ctx, map[string]string{"k": string(make([]byte, 641))}), ErrConfig},
		{n.Forget(ctx, "b"), ErrNoMember}, {n.Forget(ctx, "a"), ErrLives},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%v, want %v", c.got, c.want)
		}
	}
}
