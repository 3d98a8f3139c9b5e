package sim

import "time"

// What is drawn from streams of its own, so that seeds draw beside it what they drew before.

// bandwidth draws what links carry: enough for what nodes say in quiet, and less than what a burst
// of messages would take. It draws from a stream of its own: seeds draw beside it what they drew
// before.
func (d *draws) bandwidth(o *Options) {
	own := &draws{stream: newStream(o.Seed, 12)}
	if own.below(6) == 0 {
		o.Network.Own = Bandwidth{Rate: 1_250_000 << own.below(7), // 10 to 640 Mbit/s
			Queue: pick(own, 0, 0, 32<<10, 256<<10)}
	}
	if o.Zones > 1 && own.below(4) == 0 {
		b := Bandwidth{Rate: max(1_250_000, 2*o.Gossip.ZoneBudget) << own.below(5),
			Queue: pick(own, 0, 0, 32<<10, 256<<10)}
		o.Network.Between.Pipe = b
		for i := range o.Network.Paths {
			o.Network.Paths[i].Link.Pipe = b
		}
	}
	if own.below(12) == 0 { // a link that is narrow for a while
		at := own.between(0, d.faults*3/4).Round(time.Millisecond)
		o.Actions = append(o.Actions, Action{At: at, Do: Links, Who: Any(1), Peer: Who{Kind: All},
			For:  own.between(time.Second, d.faults-at).Round(time.Millisecond),
			Link: Link{Pipe: Bandwidth{Rate: 125_000 << own.below(5)}}}) // 1 to 16 Mbit/s
	}
}

// topics draws what messages are about, and which of them are urgent; and at times large messages
// beside small ones of the same publisher. It draws from a stream of its own.
func (d *draws) topics(o *Options) {
	own := &draws{stream: newStream(o.Seed, 16)}
	if own.below(2) == 0 {
		return
	}
	if own.below(4) == 0 {
		who := Nodes(own.below(o.Nodes))
		at := own.between(0, d.faults*3/4).Round(time.Millisecond)
		o.Actions = append(o.Actions, Action{At: at, Do: Publish, Who: who,
			Bytes: 8_000 + own.below(60_000), Every: own.between(100*time.Millisecond,
				time.Second).Round(time.Millisecond), Times: 1 + own.below(4)},
			Action{At: at, Do: Publish, Who: who, Bytes: 1 + own.below(3_000),
				Every: own.between(20*time.Millisecond,
					500*time.Millisecond).Round(time.Millisecond),
				Times: 1 + own.below(20), Confirm: own.below(2) == 0})
	}
	for i := range o.Actions {
		if a := &o.Actions[i]; a.Do == Publish {
			a.Topic, a.Urgent = pick(own, "", "a", "b"), own.below(4) == 0
		}
	}
}
