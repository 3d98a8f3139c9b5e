package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/swim"
)

// Each checker is shown a history that is right and the same history with one thing wrong.

// ended is the end of a run.
var ended = at(200*time.Second, Obs{Kind: Ended, Node: -1})

// trio is three nodes that started at 0.
var trio = []Obs{started(0, 1), started(1, 1), started(2, 1)}

// ticks are the seconds from one to another.
func ticks(from, to int) (all []Obs) {
	for s := from; s <= to; s++ {
		all = append(all, at(time.Duration(s)*time.Second, Obs{Kind: Tick, Node: -1}))
	}
	return all
}

func history(parts ...any) (all []Obs) {
	all = append(all, trio...)
	for _, p := range parts {
		switch p := p.(type) {
		case Obs:
			all = append(all, p)
		case []Obs:
			all = append(all, p...)
		}
	}
	return all
}

func judge(name string, h []Obs) string { return judgeBy(gossip.Config{}, name, h) }

func judgeBy(config gossip.Config, name string, h []Obs) string {
	o := Options{Nodes: 3, Zones: 2, Bounds: Bounds{Converge: 10 * time.Second,
		Detect: 10 * time.Second, Load: 2}}
	if name == "zone budget" {
		o.Gossip.ZoneBudget = 20_000
	}
	if name == "deaf" || name == "paths" {
		o.Zones = 1
	}
	o.Gossip.Inquest.ZoneGrace = 10 * time.Second
	l := newLedger(6, true)
	l.config, l.zones = config, []int32{0, 0, 0, 1, 1, 1}
	all := checkers(&o)
	if !slices.ContainsFunc(all, func(c Checker) bool { return c.Name() == name }) {
		return "there is no such checker"
	}
	for i := range h {
		x := h[i]
		l.take(&x)
		for _, c := range all { // some look at what others keep
			if msg := c.Take(l, &x); msg != "" && c.Name() == name {
				return msg
			}
		}
	}
	return ""
}

func TestCheckersCanFail(t *testing.T) {
	const s = time.Second
	gauge := func(has int) Obs {
		return Obs{Kind: Gauge, Node: 1, Text: "queue", Count: has,
			Seq: 10}
	}
	traffic := func(from, to, busy int) (all []Obs) {
		for _, tick := range ticks(from, to) {
			for n := range int32(3) {
				b := 100
				if n == 1 {
					b = busy
				}
				all = append(all, Obs{At: tick.At, Kind: Traffic, Node: n, Count: b})
			}
			all = append(all, tick)
		}
		return all
	}
	// Of three, one dies while the others are apart: each dials the dead one and the other in turn,
	// and so they may meet late.
	apart := history(Obs{Kind: Troubled, Node: 1}, at(0, Obs{Kind: Crashed, Node: 2}),
		view(0, 7, 1), view(1, 8, 1),
		saw(0, 1, failed(1, 0)), saw(0, 2, failed(1, 0)), saw(1, 0, failed(1, 0)), saw(1, 2,
			failed(1, 0)), at(s, Obs{Kind: Healthy, Node: 1}))
	agree := []Obs{view(0, 7, 3), view(1, 7, 3), view(2, 7, 3)}
	crossed := func(from, to, bytes int) (all []Obs) {
		for _, tick := range ticks(from, to) {
			all = append(all, Obs{At: tick.At, Kind: Crossed, Node: -1, Count: bytes})
		}
		return all
	}
	// Three that were let in and know each other, and a fault between the third and the others.
	here := []Obs{{Kind: Welcomed, Node: 0}, {Kind: Welcomed, Node: 1}, {Kind: Welcomed, Node: 2},
		saw(0, 1, alive(1, 0)), saw(0, 2, alive(1, 0)), saw(1, 0, alive(1, 0)), saw(1, 2,
			alive(1, 0)), saw(2, 0, alive(1, 0)), saw(2, 1, alive(1, 0))}
	fence := &fault{id: 1, from: []bool{false, false, true}, to: []bool{true, true, false},
		link: Link{Loss: 1}}
	severed, mended := Obs{Kind: Laid, Node: -1, way: fence}, at(40*s,
		Obs{Kind: Lifted, Node: -1, way: fence})
	// The same three, the third behind a path that takes less than the others send; and a node that
	// tells it.
	narrow := Obs{Kind: Laid, Node: -1, way: &fault{id: 1, from: []bool{false, false, true},
		to: []bool{true, true, false}, link: Link{MTU: 1100}}}
	told := Obs{Kind: Gauge, Node: 0, Text: smallGauge, Count: 1, Seq: gossip.MaxPaths}
	// Two zones of three, and a cable between them that is cut.
	many := []Obs{started(3, 1), started(4, 1), started(5, 1)}
	cable := Obs{Kind: Laid, Node: -1, way: &fault{id: 1, from: []bool{true, true, true},
		to: []bool{false, false, false, true, true, true}, link: Link{Loss: 1}}}
	again := []Obs{at(9*s, delivered(0, 0, 1)), at(9*s, Obs{Kind: Crashed, Node: 0}),
		at(10*s, started(0, 2)), at(11*s, skipped(1, 0, 1))}
	tested := map[string]bool{}
	for _, c := range []struct {
		checker    string
		right, bad []Obs
		whatItSays string
	}{
		{"precedence", history(saw(0, 1, failed(1, 0)), saw(0, 1, alive(1, 1))),
			history(saw(0, 1, failed(1, 0)), saw(0, 1, alive(1, 0))), "went back"},
		{"precedence", history(saw(0, 1, failed(1, 0)), at(24*time.Hour, saw(0, 1, Holding{}))),
			history(saw(0, 1, alive(1, 0)), saw(0, 1, Holding{})), "forgot"},
		{"precedence", history(saw(2, 1, failed(1, 0)), at(4*s, saw(0, 1, failed(1, 0))),
			at(24*time.Hour, saw(0, 1, Holding{}))),
			history(saw(2, 1, failed(1, 0)), at(4*s, saw(0, 1, failed(1, 0))),
				at(8*s, saw(0, 1, Holding{}))), "8s after anybody did first"},
		// of another life
		{"precedence", history(saw(0, 1, failed(1, 0)),
			at(23*time.Hour, saw(2, 1, failed(2, 0))), at(24*time.Hour, saw(0, 1, Holding{}))),
			history(saw(0, 1, failed(1, 0)), at(23*time.Hour, saw(2, 1, failed(2, 0))),
				at(24*time.Hour, saw(2, 1, Holding{}))), "1h0m0s after anybody did first"},
		// unreachable until then
		{"precedence", history(Obs{Kind: Crashed, Node: 1},
			at(24*time.Hour, saw(0, 1, failed(1, 0))), at(24*time.Hour, saw(0, 1, Holding{}))),
			history(at(1*s, Obs{Kind: Crashed, Node: 1}),
				at(24*time.Hour, saw(0, 1, failed(1, 0))), at(24*time.Hour,
					saw(0, 1, Holding{}))), "23h59m59s after anybody did first"},
		{"incarnation", history(Obs{Kind: Own, Node: 1, After: alive(1, 1)},
			saw(0, 1, alive(1, 1))),
			history(saw(0, 1, alive(1, 1))), "itself was never beyond"},
		{"untold", history(saw(0, 1, alive(1, 0))),
			history(Obs{Kind: Saw, Node: 0, Member: 1, After: alive(1, 0)}), "no event"},
		{"accuracy", history(Obs{Kind: Troubled, Node: 1}, saw(0, 1, failed(1, 0)),
			saw(0, 1, alive(1, 1)), ticks(1, 30)),
			history(Obs{Kind: Troubled, Node: 1}, saw(0, 1, failed(1, 0)),
				at(s, Obs{Kind: Healthy, Node: 1}), ticks(1, 30)),
			"have lasted"},
		{"accuracy", append(apart[:len(apart):len(apart)], ticks(2, 20)...),
			append(apart[:len(apart):len(apart)], ticks(2, 30)...), "have lasted"},
		{"accuracy", history(at(s, Obs{Kind: Crashed, Node: 1}), saw(0, 1, failed(1, 0))),
			history(saw(0, 1, failed(1, 0))), "without trouble"},
		{"completeness", history(saw(0, 1, alive(1, 0)), at(s, Obs{Kind: Crashed, Node: 1}),
			at(2*s, saw(0, 1, failed(1, 0))), ticks(3, 30)),
			history(saw(0, 1, alive(1, 0)), at(s, Obs{Kind: Crashed, Node: 1}),
				ticks(3, 30)), "still holds"},
		{"convergence", history(agree, ticks(1, 30)),
			history(agree, at(s, view(2, 8, 3)), ticks(1, 30)), "differ"},
		{"convergence", history(agree, ticks(1, 30)),
			history(agree, at(s, view(2, 8, 2)), ticks(1, 30)), "knows 2"},
		// a death is not known yet: the quiet counts from when it is, or has to be
		{"convergence", history(agree, saw(0, 2, alive(1, 0)),
			at(s, Obs{Kind: Crashed, Node: 2}), at(s, view(1, 8, 2)), ticks(1, 20)),
			history(agree, saw(0, 2, alive(1, 0)), at(s, Obs{Kind: Crashed, Node: 2}),
				at(s, view(1, 8, 2)), ticks(1, 30)), "knows 3"},
		{"messages", history(at(9*s, delivered(0, 0, 1)), at(9*s, delivered(1, 0, 1))),
			history(at(9*s, delivered(0, 0, 1)), at(9*s, delivered(1, 0, 1)),
				at(9*s, delivered(1, 0, 1))), "second time"},
		{"messages", history(agree, at(9*s, delivered(0, 0, 1)), at(9*s, delivered(1, 0, 1)),
			at(9*s, delivered(2, 0, 1)), ticks(10, 20)),
			history(agree, at(9*s, delivered(0, 0, 1)), at(9*s, delivered(1, 0, 1)),
				ticks(10, 20)), "has not reached 1"},
		// it is gone with n0
		{"messages", history(agree, at(9*s, delivered(0, 0, 1)),
			at(9*s, Obs{Kind: Crashed, Node: 0}), ticks(10, 20)),
			history(agree, at(9*s, delivered(0, 0, 1)), at(9*s, delivered(1, 0, 1)),
				at(9*s, Obs{Kind: Crashed, Node: 0}), ticks(10, 20)), "has not reached 1"},
		// with all that had it
		{"messages", history(agree, at(9*s, delivered(0, 0, 1)), at(9*s, delivered(1, 0, 1)),
			at(9*s, Obs{Kind: Crashed, Node: 0}), at(9*s,
				Obs{Kind: Crashed, Node: 1}), ticks(10, 20)),
			history(agree, at(9*s, delivered(0, 0, 1)), at(9*s, delivered(1, 0, 1)),
				at(9*s, Obs{Kind: Crashed, Node: 0}), ticks(10, 20)),
			"has not reached 1"},
		{"arrival", history(here, at(9*s, delivered(0, 0, 1)), at(9*s, delivered(1, 0, 1)),
			at(12*s, delivered(2, 0, 1)), ticks(10, 70)),
			history(here, at(9*s, delivered(0, 0, 1)), at(9*s, delivered(1, 0, 1)),
				ticks(10, 70)), "message 1 of n0, published at 9.000 s, has not reached n2"},
		// it was told
		{"arrival", history(here, at(9*s, delivered(0, 0, 1)), at(9*s, delivered(1, 0, 1)),
			at(12*s, skipped(2, 0, 1)), ticks(10, 70)),
			history(here, at(9*s, delivered(0, 0, 1)), at(9*s, delivered(1, 0, 1)),
				at(12*s, skipped(2, 0, 2)), ticks(10, 70)), "has not reached n2"},
		// n2 was never in touch with anybody
		{"arrival", history(here, severed, at(9*s, delivered(0, 0, 1)),
			at(9*s, delivered(1, 0, 1)), ticks(10, 70)),
			history(here, severed, at(9*s, delivered(0, 0, 1)), at(9*s, delivered(1, 0, 1)),
				ticks(10, 40), mended, ticks(41, 70)), "n2, which could have been reached since " +
				"40.000 s"},
		{"arrival", history(here, at(8*s, Obs{Kind: Hindered, Node: 2}),
			at(9*s, delivered(0, 0, 1)), at(9*s, delivered(1, 0, 1)), ticks(10, 70)),
			history(here, at(8*s, Obs{Kind: Hindered, Node: 2}), at(9*s, delivered(0, 0, 1)),
				ticks(10, 70)), "has not reached n1, which could have been reached since 10.000 s"},
		// the first is gone by then
		{"arrival", history(here, severed, at(9*s, delivered(0, 0, 1)),
			at(9*s, delivered(1, 0, 1)), ticks(10, 59),
			at(60*s, delivered(0, 0, 2)), at(60*s, delivered(1, 0, 2)), ticks(60, 75), at(75*s,
				mended), ticks(76, 100)),
			history(here, severed, at(9*s, delivered(0, 0, 1)), at(9*s, delivered(1, 0, 1)),
				ticks(10, 59),
				at(60*s, delivered(0, 0, 2)), at(60*s, delivered(1, 0, 2)), ticks(60,
					75), at(75*s, mended), ticks(76, 115)), "message 2 of n0, published at " +
				"60.000 s"},
		// it waits for the first
		{"arrival", history(here, at(9*s, delivered(0, 0, 1)), at(9*s, delivered(0, 0, 2)),
			at(9*s, delivered(1, 0, 2)),
			at(9*s, Obs{Kind: Crashed, Node: 0}), ticks(10, 70)),
			history(here, at(9*s, delivered(0, 0, 1)), at(9*s, delivered(1, 0, 1)),
				at(9*s, delivered(2, 0, 1)), at(9*s, delivered(0, 0, 2)), at(9*s,
					delivered(1, 0, 2)),
				at(9*s, Obs{Kind: Crashed, Node: 0}), ticks(10,
					70)), "message 2 of n0, published at 9.000 s, has not reached n2"},
		// it waits for the former life, until it is told, and no longer than that can be held
		{"arrival", history(here, again, at(12*s, later(0, 0, 1)), at(12*s, later(1, 0, 1)),
			ticks(13, 60), at(60*s, skipped(2, 0, 1)), at(60*s, later(2, 0, 1)), ticks(61, 100)),
			history(here, again, at(12*s, later(0, 0, 1)), at(12*s, later(1, 0, 1)),
				ticks(13, 60), at(60*s, skipped(2, 0, 1)), ticks(61, 100)),
			"message 1 of n0, published at 12.000 s, has not reached n2"},
		{"arrival", history(here, again, ticks(13, 110)), history(here, again, ticks(13, 110),
			at(111*s, later(0, 0, 1)), at(111*s, later(1, 0, 1)), ticks(112, 150)),
			"message 1 of n0, published at 111.000 s, has not reached n2"},
		{"order", history(delivered(1, 0, 7), delivered(1, 0, 8), delivered(1, 2, 1),
			delivered(1, 0, 9)),
			history(delivered(1, 0, 7), delivered(1, 0, 9), delivered(1, 0, 8)), "was not told"},
		{"order", history(delivered(1, 0, 7), skipped(1, 0, 8), delivered(1, 0, 9),
			delivered(2, 0, 8)),
			history(delivered(1, 0, 7), skipped(1, 0, 8), delivered(1, 0, 8)), "after number 8"},
		{"order", history(delivered(1, 0, 7), skipped(1, 0, 0), delivered(1, 0, 50),
			delivered(1, 0, 51)),
			history(delivered(1, 0, 7), skipped(1, 0, 0), delivered(1, 0, 50),
				delivered(1, 0, 52)), "was not told"},
		{"order", history(delivered(1, 0, 7), started(1, 2), restored(1, 0, 7), delivered(1, 0, 8)),
			history(delivered(1, 0, 7), started(1, 2), restored(1, 0, 7),
				delivered(1, 0, 7)), "after number 7"},
		{"order", history(delivered(1, 0, 7), skipped(1, 0, 8)),
			history(delivered(1, 0, 7), skipped(1, 0, 7)), "are lost, and had got number 7"},
		{"messages", history(started(1, 2), restored(1, 0, 7), at(s, delivered(1, 0, 8))),
			history(started(1, 2), restored(1, 0, 7),
				at(s, delivered(1, 0, 7))), "had kept that it has it"},
		{"messages", history(delivered(1, 0, 1)), history(delivered(1, -1, 1)),
			"somebody who does not exist"},
		{"receipts", history(delivered(0, 0, 1), delivered(1, 0, 1), spreadTo(0, 1, 2, 3),
			at(s, delivered(2, 0, 1)), at(2*s, spreadTo(0, 1, 3, 3)), ended),
			history(delivered(0, 0, 1), delivered(1, 0, 1), spreadTo(0, 1, 3, 3),
				at(s, delivered(2, 0, 1))), "n0 was told that 3 members have message 1 of n0, " +
				"which 2 were given"},
		// in the same moment
		{"receipts", history(delivered(0, 0, 1), spreadTo(0, 1, 2, 3), delivered(1, 0, 1), ended),
			history(delivered(0, 0, 1), spreadTo(0, 1, 2, 3), ended), "which 1 were given"},
		{"waits", history(awaited(0, 1), at(s, over(0, 1)), ticks(1, 200), ended),
			history(awaited(0, 1), at(s, spreadTo(0, 1, 2, 3)), ticks(1, 200),
				ended), "1 publishers' waits have no end: that for message 1 of n0"},
		// it knew nobody when it published
		{"waits", history(over(0, 1), awaited(0, 1), ticks(1, 200), ended),
			history(over(0, 1), at(s, awaited(0, 1)), ticks(2, 200), ended), "have no end"},
		// nobody waits any more
		{"waits", history(awaited(0, 1), at(s, Obs{Kind: Crashed, Node: 0}), ticks(1, 200), ended),
			history(awaited(0, 1), at(s, Obs{Kind: Crashed, Node: 1}), ticks(1, 200),
				ended), "have no end"},
		{"loss", history(here, severed, at(9*s, delivered(0, 0, 1)),
			at(10*s, Obs{Kind: Crashed, Node: 0}), ticks(11, 14), at(15*s, skipped(2, 0, 1))),
			history(here, severed, at(9*s, delivered(0, 0, 1)), ticks(11, 14),
				at(15*s, skipped(2, 0, 1))), "whose publisher runs and holds it"},
		{"loss", history(here, severed, at(9*s, delivered(0, 0, 1)),
			at(9*s, delivered(1, 0, 1)), at(10*s, Obs{Kind: Crashed, Node: 0}), ticks(11,
				14), at(15*s, skipped(2, 0, 1))),
			history(here, at(9*s, delivered(0, 0, 1)), at(9*s, delivered(1, 0, 1)),
				at(10*s, Obs{Kind: Crashed, Node: 0}), ticks(11, 14), at(14*s,
					skipped(2, 0, 1))), "n2 was told that message 1 of n0 is lost, and has been " +
				"in " +
				"touch"},
		// its publisher has left, and has not stopped yet
		{"loss", history(here, severed, at(9*s, delivered(0, 0, 1)), ticks(10, 14),
			at(14*s, saw(2, 0, left(1, 1))), at(14*s, skipped(2, 0, 1))),
			history(here, severed, at(9*s, delivered(0, 0, 1)), ticks(10, 14),
				at(14*s, saw(1, 0, left(1, 1))), at(14*s, skipped(2, 0, 1))), "runs and holds it"},
		// it is held no more
		{"loss", history(here, at(9*s, delivered(0, 0, 1)), ticks(10, 14),
			at(72*s, skipped(2, 0, 1))),
			history(here, at(9*s, delivered(0, 0, 1)), at(9*s, delivered(0, 0, 2)),
				at(9*s, delivered(2, 0, 1)), ticks(10, 14), at(14*s,
					lostUpTo(2, 0, 1, 3))), "told that message 2 of n0 is lost"},
		{"accounted", history(here, severed, at(9*s, delivered(0, 0, 1)),
			at(9*s, delivered(1, 0, 1)), ticks(10, 90), at(90*s, skipped(2, 0, 1)), ticks(91,
				150), ended),
			history(here, severed, at(9*s, delivered(0, 0, 1)), at(9*s, delivered(1, 0, 1)),
				ticks(10, 150), ended), "message 1 of n0, published at 9.000 s, neither reached " +
				"n2 nor was it told"},
		// nobody is left that knows of it
		{"accounted", history(here, severed, at(9*s, delivered(0, 0, 1)),
			at(9*s, delivered(1, 0, 1)),
			at(10*s, Obs{Kind: Crashed, Node: 0}), at(10*s,
				Obs{Kind: Crashed, Node: 1}), ticks(11, 150), ended),
			history(here, severed, at(9*s, delivered(0, 0, 1)), at(9*s, delivered(1, 0, 1)),
				at(10*s, Obs{Kind: Crashed, Node: 0}), ticks(11,
					150), ended), "neither reached n2 nor was it told"},
		{"accounted", history(here, severed, at(9*s, delivered(0, 0, 1)),
			at(9*s, delivered(1, 0, 1)), at(10*s, Obs{Kind: Crashed, Node: 0}),
			at(10*s, Obs{Kind: Crashed, Node: 1}), at(12*s, started(1, 2)), ticks(13, 150), ended),
			history(here, severed, at(9*s, delivered(0, 0, 1)), at(9*s, delivered(1, 0, 1)),
				at(10*s, Obs{Kind: Crashed, Node: 0}),
				// it had kept it
				at(10*s, Obs{Kind: Crashed, Node: 1}), at(12*s, started(1, 2)), at(12*s,
					restored(1, 0, 1)),
				ticks(13, 150), ended), "neither reached n2 nor was it told"},
		// its clock went back: the same as before
		{"lives", history(started(1, 1), Obs{Kind: Own, Node: 1, After: alive(2, 0)}),
			history(Obs{Kind: Own, Node: 1, After: alive(2,
				0)}), "n1 is in a new life, 2, and did not start"},
		{"keys", history(agree, here, keyMap(0, 0, 5), keyMap(1, 0, 5), keyMap(2, 0, 5),
			ticks(1, 30), ended),
			history(agree, here, keyMap(0, 0, 5), keyMap(1, 0, 5), keyMap(2, 0, 6),
				ticks(1, 30), ended), "n2 holds other keys of n0 than n0 has"},
		{"unread", history(Obs{Kind: Gauge, Node: 1, Text: unreadGauge}),
			history(Obs{Kind: Gauge, Node: 1, Text: unreadGauge, Count: 2}), "n1 could not read 2"},
		{"precedence", history(saw(0, 1, alive(1, 0)), Obs{Kind: Hindered, Node: 0},
			at(13*time.Hour, Obs{Kind: Free, Node: 0}), at(13*time.Hour, saw(0, 1, Holding{}))),
			history(saw(0, 1, alive(1, 0)), Obs{Kind: Hindered, Node: 0},
				at(time.Hour, Obs{Kind: Free, Node: 0}), at(time.Hour,
					saw(0, 1, Holding{}))), "forgot"},
		// it stands still again at once
		{"precedence", history(saw(0, 1, alive(1, 0)), Obs{Kind: Hindered, Node: 0},
			at(7*time.Hour, Obs{Kind: Free, Node: 0}),
			at(7*time.Hour, Obs{Kind: Hindered, Node: 0}), at(13*time.Hour,
				Obs{Kind: Free, Node: 0}), at(13*time.Hour, saw(0, 1, Holding{}))),
			history(saw(0, 1, alive(1, 0)), Obs{Kind: Hindered, Node: 0},
				at(7*time.Hour, Obs{Kind: Free, Node: 0}),
				at(8*time.Hour, Obs{Kind: Hindered, Node: 0}), at(13*time.Hour,
					Obs{Kind: Free, Node: 0}), at(13*time.Hour, saw(0, 1, Holding{}))), "forgot"},
		{"precedence", history(saw(0, 1, failed(1, 0)), Obs{Kind: Hindered, Node: 0},
			at(13*time.Hour, Obs{Kind: Free, Node: 0}), at(13*time.Hour, saw(0, 1, alive(1, 0)))),
			history(saw(0, 1, failed(1, 0)), Obs{Kind: Hindered, Node: 0},
				at(time.Hour, Obs{Kind: Free, Node: 0}), at(time.Hour,
					saw(0, 1, alive(1, 0)))), "went back to"},
		// its clock went back
		{"incarnation", history(Obs{Kind: Own, Node: 1, After: alive(9, 1)}, started(1, 2),
			saw(0, 1, alive(9, 1))),
			history(started(1, 2), saw(0, 1, alive(9, 1))), "was never beyond 2.0"},
		{"order", history(delivered(1, 0, 7), Obs{Kind: Delivered, Node: 1, Seq: 1,
			After: Holding{Gen: 2}}),
			history(delivered(1, 0, 7), Obs{Kind: Delivered, Node: 1, Seq: 1,
				After: Holding{Gen: 2}, Told: true}), "of a later life of n0"},
		{"order", history(delivered(1, 0, 7), started(1, 2), delivered(1, 0, 3)),
			history(delivered(1, 0, 7), delivered(1, 0, 7)), "after number 7"},
		{"gone", history(saw(0, 1, left(1, 0)), started(1, 2),
			Obs{Kind: Departed, Node: 1, After: Holding{Gen: 2}}, saw(0, 1, alive(2, 0))),
			history(saw(0, 1, left(1, 0)), Obs{Kind: Departed, Node: 1,
				After: Holding{Gen: 1}}, saw(0, 1, alive(1, 1))), "which left"},
		{"gone", history(Obs{Kind: Departed, Node: 1, After: Holding{Gen: 1}},
			saw(0, 1, left(1, 0)), saw(0, 1, alive(2, 0))),
			history(Obs{Kind: Departed, Node: 1, After: Holding{Gen: 1}},
				saw(0, 1, left(1, 0)), saw(0, 1, alive(1, 1))), "which left"},
		{"ends", history(Obs{Kind: Crashed, Node: 1}, at(9*s, saw(0, 1, failed(1, 0))),
			at(60*s, saw(0, 1, Holding{})), at(61*s, saw(0, 1, alive(1, 1)))),
			history(Obs{Kind: Crashed, Node: 1}, at(9*s, saw(0, 1, failed(1, 0))),
				at(60*s, saw(0, 1, Holding{})), at(61*s,
					saw(0, 1, alive(1, 0)))), "n0 was told that n1 joined"},
		// it runs
		{"ends", history(at(9*s, saw(0, 1, failed(1, 0))), at(60*s, saw(0, 1, Holding{})),
			at(61*s, saw(0, 1, alive(1, 0)))),
			history(at(9*s, saw(0, 1, failed(1, 0))), at(60*s, saw(0, 1, Holding{})),
				at(60*s, started(1, 2)), at(66*s, saw(0, 1,
					alive(1, 0)))), "n0 was told that n1 joined"},
		// its clock went back, and it is heard as it was before it was told to begin above
		{"ends", history(at(9*s, saw(0, 1, failed(5, 0))), at(60*s, saw(0, 1, Holding{})),
			at(60*s, started(1, 3)), at(80*s, Obs{Kind: Own, Node: 1, After: alive(6, 0)}),
			at(84*s, saw(0, 1, alive(3, 1)))),
			history(at(9*s, saw(0, 1, failed(5, 0))), at(60*s, saw(0, 1, Holding{})),
				at(60*s, started(1, 3)), at(80*s, Obs{Kind: Own, Node: 1, After: alive(6, 0)}),
				at(86*s, saw(0, 1, alive(3, 1)))), "n0 was told that n1 joined"},
		// it forgot the living
		{"ends", history(saw(0, 1, alive(1, 0)), Obs{Kind: Hindered, Node: 0},
			at(time.Hour, Obs{Kind: Crashed, Node: 1}), at(13*time.Hour, Obs{Kind: Free, Node: 0}),
			at(13*time.Hour, saw(0, 1, failed(1, 0))), at(13*time.Hour, saw(0, 1, Holding{})),
			at(14*time.Hour, saw(0, 1, alive(1, 0)))),
			history(saw(0, 1, alive(1, 0)), at(time.Hour, Obs{Kind: Crashed, Node: 1}),
				at(13*time.Hour, saw(0, 1, failed(1, 0))),
				at(13*time.Hour, saw(0, 1, Holding{})), at(14*time.Hour,
					saw(0, 1, alive(1, 0)))), "n0 was told that n1 joined"},
		// it may not know yet
		{"ends", history(Obs{Kind: Departed, Node: 1, After: Holding{Gen: 1}},
			at(9*s, saw(0, 1, failed(1, 0))), at(12*s, saw(2, 1, left(1, 1)))),
			history(Obs{Kind: Departed, Node: 1, After: Holding{Gen: 1}},
				at(11*s, saw(0, 1, failed(1, 0)))), "n0 was told that n1 failed, which left"},
		{"ends", history(Obs{Kind: Departed, Node: 1, After: Holding{Gen: 1}},
			saw(2, 1, left(1, 1)), at(1*s, saw(2, 1, Holding{})), at(2*s, saw(0, 1, failed(1, 1)))),
			history(Obs{Kind: Departed, Node: 1, After: Holding{Gen: 1}},
				saw(2, 1, left(1, 1)), at(1*s, saw(2, 1, Holding{})), at(2*s,
					saw(2, 1, failed(1, 1)))), "n2 was told that n1 failed, which left"},
		// its clock went back
		{"gone", history(Obs{Kind: Departed, Node: 1, After: Holding{Gen: 5}},
			at(20*s, started(1, 3)), at(60*s, saw(0, 1, alive(3, 0)))),
			history(Obs{Kind: Departed, Node: 1, After: Holding{Gen: 5}},
				at(20*s, started(1, 3)), at(60*s, saw(0, 1, alive(4, 0)))), "which left"},
		{"grace", history(many, at(30*s, cable), at(41*s, saw(0, 4, failed(1, 0)))), // it is over
			history(many, at(30*s, cable), at(39*s,
				saw(0, 4, failed(1, 0)))), "n0 declared n4 failed, which is well, as is its " +
				"whole zone, 9s after"},
		// too few to tell
		{"grace", history(many, at(30*s, Obs{Kind: Crashed, Node: 3}), at(31*s, cable),
			at(39*s, saw(0, 4, failed(1, 0)))),
			history(many, at(31*s, cable), at(36*s,
				Obs{Kind: Lifted, Node: -1, way: cable.way}), at(39*s, saw(0, 4,
				failed(1, 0)))), "the grace is 10s"},
		// it forgot the living
		{"grace", history(many, Obs{Kind: Hindered, Node: 0}, at(13*time.Hour-9*s, cable),
			at(13*time.Hour, Obs{Kind: Free, Node: 0}), at(13*time.Hour, saw(0, 4, failed(1, 0)))),
			history(many, at(12*time.Hour, Obs{Kind: Hindered, Node: 0}),
				at(13*time.Hour-9*s, cable), at(13*time.Hour, Obs{Kind: Free, Node: 0}),
				at(13*time.Hour, saw(0, 4, failed(1, 0)))), "9s after"},
		{"rejoined", history(word(Joined, 0, 1, 1), word(Over, 0, 1, 1), word(Joined, 0, 1, 2),
			started(0, 2), word(Joined, 0, 1, 2), word(Joined, 2, 1, 2)),
			history(word(Joined, 0, 1, 1), word(Over, 2, 1, 1),
				word(Joined, 0, 1, 2)), "n0 was told that n1 joined, in life 2"},
		{"deaf", history(here, severed, at(30*s, saw(0, 2, failed(1, 0)))),
			history(here, at(30*s, saw(0, 2, failed(1,
				0)))), "n0 holds n2 failed, which answers 2 of 2"},
		{"deaf", history(here, severed, at(6*s, saw(0, 2, failed(1, 0))),
			at(6*s, saw(1, 2, failed(1, 0))), ticks(7, 30)),
			history(here, severed, at(6*s, saw(0, 2, failed(1, 0))),
				ticks(7, 30)), "n2 has answered nobody for 16s, and n1 holds it"},
		{"paths", history(here, narrow, told, ticks(2, 40)),
			history(here, narrow, ticks(2, 40)), "nothing of 1197 bytes passes to and from n2"},
		{"bounds", history(gauge(10)), history(gauge(11)), "at most 10"},
		{"budget", history(traffic(1, 2, 1000)), history(traffic(1, 2, 10<<20)), "in a second"},
		{"zone budget", history(crossed(1, 14, 1<<20), crossed(15, 90, 20_000)),
			history(crossed(1, 14, 0), crossed(15, 90, 21_000)), "more than 20000"},
		{"load", history(traffic(1, 60, 300)), history(traffic(1, 60, 30000)), "the mean is"},
	} {
		t.Run(c.checker, func(t *testing.T) {
			tested[c.checker] = true
			if msg := judge(c.checker, c.right); msg != "" {
				t.Errorf("a right history: %s", msg)
			}
			if msg := judge(c.checker, c.bad); !strings.Contains(msg, c.whatItSays) {
				t.Errorf("a wrong history: got %q, want it to say %q", msg, c.whatItSays)
			}
		})
	}
	o := Draw(1)
	for _, c := range checkers(&o) {
		if !tested[c.Name()] {
			t.Errorf("nothing makes %q speak", c.Name())
		}
	}
}

// Of three nodes two die at once. With Inquest the third fails neither, by design, and does not
// have to, unless it still has a juror to ask. The time for that counts from when it can ask. With
// Lifeguard the last one is slow, and has the time for it that it needs, and no more. The views
// may differ until then, and for as long after as after any change.
func TestTheOutvotedAreNotBlamed(t *testing.T) {
	holds := []Obs{saw(0, 1, alive(1, 0)), saw(0, 2, alive(1, 0)), view(0, 7, 3),
		view(1, 7, 3), view(2, 7, 3)}
	one := history(holds, at(time.Second, Obs{Kind: Crashed, Node: 1}), ticks(2, 40))
	two := history(holds, at(time.Second, Obs{Kind: Crashed, Node: 1}),
		at(time.Second, Obs{Kind: Crashed, Node: 2}), ticks(2, 40))
	back := history(holds, at(time.Second, Obs{Kind: Crashed, Node: 1}),
		at(time.Second, Obs{Kind: Crashed, Node: 2}),
		ticks(2, 40), at(40*time.Second, started(1, 2)), ticks(41, 43))
	lifeguard, inquest := gossip.Config{Detector: gossip.SWIM},
		gossip.Config{Detector: gossip.INQUEST}
	for checker, until := range map[string]int{"completeness": 50, "convergence": 60} {
		for _, c := range []struct {
			name    string
			config  gossip.Config
			history []Obs
			blamed  bool
		}{
			{"SWIM, two", gossip.Config{Detector: gossip.SWIM,
				SWIM: swim.Config{NoLocalHealth: true}}, two, true},
			{"Lifeguard, two", lifeguard, two, false},
			{"Lifeguard, two, later", lifeguard, append(two[:len(two):len(two)],
				ticks(41, until)...), true},
			{"Lifeguard, one", lifeguard, one, true},
			{"Inquest, two", inquest, two, false},
			{"Inquest, one", inquest, one, true},
			{"Inquest, two, one of whom has been back for 3 s", inquest, back, false},
			{"Inquest, two, one of whom has been back for long", inquest,
				append(back[:len(back):len(back)], ticks(44, 70)...), true},
			{"the default, two", gossip.Config{}, two, false},
			{"accrual, two", gossip.Config{Detector: gossip.ACCRUAL}, two, true},
		} {
			if msg := judgeBy(c.config, checker, c.history); (msg != "") != c.blamed {
				t.Errorf("%s, %s: %q", checker, c.name, msg)
			}
		}
	}
}

// Of three nodes one dies. Heartbeats that go to it are wasted, and one of the two others may be
// failed by chance. A detector whose pings are answered has no such excuse, nor have heartbeats
// once the death is long known.
func TestTheStarvedAreNotBlamed(t *testing.T) {
	dies := at(time.Second, Obs{Kind: Crashed, Node: 1})
	for _, c := range []struct {
		name   string
		config gossip.Config
		after  time.Duration
		blamed bool
	}{
		{"heartbeat", gossip.Config{Detector: gossip.HEARTBEAT}, 9 * time.Second, false},
		{"heartbeat, later", gossip.Config{Detector: gossip.HEARTBEAT}, time.Minute, true},
		{"Inquest", gossip.Config{Detector: gossip.INQUEST}, 9 * time.Second, true},
	} {
		if msg := judgeBy(c.config, "accuracy", history(dies,
			at(c.after, saw(0, 2, failed(1, 0))))); (msg != "") != c.blamed {
			t.Errorf("%s: %q", c.name, msg)
		}
	}
}
