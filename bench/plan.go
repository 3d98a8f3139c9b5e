package main

// This file says what is measured at which sizes, how often, and how long a cluster may take for
// it.

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/bench/internal/measure"
	"github.com/starling-gossip/starling/bench/internal/peer"
)

// part is some measures of one cluster after the other, at some sizes.
type part struct {
	world    string
	measures []string
	sizes    []int
	times    int
	limit    time.Duration
	peers    []string // nil: all that can
}

// two are those whose failure detectors differ: Serf's is memberlist's, unchanged.
var two = []string{"starling", "memberlist"}

var (
	ours   = []string{"starling"}
	always = []string{"idle", "message", "crash", "host", "crash10", "host10"}
)

// fullPlan takes a quarter of an hour for real sockets, on two cores that nobody else uses, and as
// long for virtual time. What says most comes first.
var fullPlan = []part{
	{measure.Real, []string{"join"}, []int{128}, 3, 80 * time.Second, nil},
	{measure.Real, []string{"idle", "message", "rate", "crash"}, []int{128}, 1,
		5 * time.Minute, nil},
	{measure.Real, []string{"join"}, []int{1000}, 1, 80 * time.Second, two},
	{measure.Real, []string{"idle", "message", "crash"}, []int{1000}, 1, 4 * time.Minute, ours},
	{measure.Real, []string{"codec"}, []int{2}, 3, time.Minute, two},
	{measure.Real, []string{"message", "crash"}, []int{128}, 2, 2 * time.Minute, two},
	{measure.Real, []string{"join", "message"}, []int{32, 256, 512}, 1, 80 * time.Second, two},

	{measure.Virtual, []string{"join"}, []int{32, 128}, 3, 5 * time.Minute, nil},
	{measure.Virtual, always, []int{32, 128}, 3, 5 * time.Minute, nil},
	{measure.Virtual, []string{"loss"}, []int{128}, 1, 10 * time.Minute, two},
	{measure.Virtual, []string{"lossudp"}, []int{128}, 1, 10 * time.Minute, two},
	{measure.Virtual, []string{"tolerance"}, []int{128}, 1, 10 * time.Minute, two},
	{measure.Virtual, []string{"equal"}, []int{128}, 1, 10 * time.Minute, ours},
	{measure.Virtual, []string{"pauses"}, []int{128}, 1, 10 * time.Minute, two},
	// Serf tries to reconnect,
	{measure.Virtual, []string{"partition"}, []int{128}, 1, 10 * time.Minute, nil},
	{measure.Virtual, always, []int{256, 512}, 1, 20 * time.Minute, two},
	{measure.Virtual, []string{"join"}, []int{256, 512}, 1, 10 * time.Minute, two},
	{measure.Virtual, []string{"join"}, []int{1000}, 1, 20 * time.Minute, two},
	{measure.Virtual, always, []int{1000}, 1, 20 * time.Minute, two},
}

// task is one child process.
type task struct {
	job   measure.Job
	limit time.Duration
}

// plan is the children to run, in order. The peers alternate: A B A B.
func plan(o options) (tasks []task) {
	for _, p := range fullPlan {
		if !slices.Contains(o.worlds, p.world) {
			continue
		}
		sizes, times := p.sizes, p.times
		if len(o.sizes) > 0 && p.sizes[0] > 2 {
			sizes = o.sizes
		}
		if o.quick {
			times = 1
		}
		for _, n := range sizes {
			for rep := range times {
				for _, name := range o.peers {
					if m := wanted(p, name, o.only); len(m) > 0 {
						tasks = append(tasks, task{measure.Job{
							World: p.world, Measures: m, Peer: name, N: n, Seed: uint64(rep +
								1), Quick: o.quick,
						}, p.limit})
					}
				}
			}
		}
	}
	return once(tasks, len(o.sizes) > 0)
}

// wanted returns the measures of a part that a peer can do and the user wishes.
func wanted(p part, name string, only []string) (all []string) {
	s, err := peer.Named(name)
	if err != nil || p.world == measure.Virtual && !s.Virtual || p.peers != nil &&
		!slices.Contains(p.peers, name) {
		return nil
	}
	for _, m := range p.measures {
		d, err := measure.Find(m)
		if err == nil && (s.Membership || !d.Members) &&
			(len(only) == 0 || slices.Contains(only, m)) {
			all = append(all, m)
		}
	}
	return all
}

// once drops what several parts of the plan have in common when the user chose the sizes.
func once(tasks []task, chosen bool) (some []task) {
	if !chosen {
		return tasks
	}
	type key struct {
		world, peer, measure string
		n                    int
		seed                 uint64
	}
	done := map[key]bool{}
	for _, t := range tasks {
		t.job.Measures = slices.DeleteFunc(t.job.Measures, func(m string) bool {
			k := key{t.job.World, t.job.Peer, m, t.job.N, t.job.Seed}
			was := done[k]
			done[k] = true
			return was
		})
		if len(t.job.Measures) > 0 {
			some = append(some, t)
		}
	}
	return some
}
