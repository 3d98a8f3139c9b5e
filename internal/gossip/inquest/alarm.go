package inquest

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A case, from the accuser's side. It begins in private. A member that missed one answer is pinged
// again and again at the pace of round trips: nearly always the packet was lost, and nobody else
// needs to hear of it. When as many in a row failed as chance alone makes fail in 3 of 1,000 cases,
// a jury is asked.
//
//	 a ping or an ack is missed; others hold the member dead; its zone is looked into
//	   |
//	   v      attempts failed, or its host refused        the votes suffice
//	 pinged -----------------------------------> tried ---------------------> failed: closed
//	   ^                                        | ^ | |                            ^
//	   | its zone is                            | | | | no quorum answers for      |
//	   | heard again                            | | | | Config.patience            | the votes
//	   |                nobody of its zone      | | | +--------> unreachable ------+ suffice
//	   |                is heard                | | |            (its jury is drawn anew, seldom)
//	   +--------- held <------------------------+ | |
//	                +-----------------------------+ | a juror acquits
//	                the zone's grace is over        +--------> barred for a Period, then closed
//
// An answer of the member closes the case in each of these states, and so does news that it is
// dead, gone or in another life. Any other datagram of it shows that it lives, and begins its
// silence anew, but not that it hears. A pause of this process begins a case anew: it was not there
// to hear an answer.
//
// A member that sends and does not hear. A firewall that passes one way alone, an address that
// changed under the process, the wrong interface: all give this picture. No message and no key
// reaches such a member, though each of its datagrams shows that it lives. So life and hearing are
// told apart: a datagram begins the silence anew, and only an answer (an Ack or a Finding to
// something that was sent lately) ends an alarm or a juror's case. A member that is heard, and
// answers nobody, is granted more than a silent one: at DeafGrace/2 its accuser calls the jury,
// whose members look for as long, and at DeafGrace it is failed with the cause deaf, unless one of
// them has had an answer.

// alarm is the case of one member.
type alarm struct {
	peer   plane.Peer
	start  mono.Time // of the silence; mono.Never: from the next step on
	since  mono.Time // when the first ping left that was not answered; mono.Never: the same
	heard  mono.Time // the last datagram that was no answer; 0: none
	next   mono.Time // step
	resend mono.Time // the next ping
	pings  int       // that were not answered, since the silence began
	vain   int       // the same since the alarm began
	first  uint32    // the sequence of the alarm's first ping
	barred mono.Time // acquitted: nothing is done before, and then it is over; 0: not acquitted
	kernel kernel
	jury   jury

	shown       bool // to the user
	unreachable bool
	held        bool // condemned, or unreachable, while nobody of its zone is heard
}

// is says whether it is about a member in the same life.
func (a *alarm) is(p plane.Peer) bool { return a.peer.ID == p.ID && a.peer.Instance == p.Instance }

// restart forgets all that is held against the member.
func (a *alarm) restart() {
	if a.barred == 0 {
		a.start, a.since, a.heard, a.next, a.resend = mono.Never, mono.Never, 0, 0, 0
		a.pings, a.vain = 0, 0
		a.kernel, a.jury, a.held = kernel{}, jury{}, false
	}
}

// sends says whether a member was heard of late while it answered nothing.
func (a *alarm) sends(now mono.Time, c *Config) bool {
	return a.heard != 0 && now.Sub(a.heard) < c.Grace
}

// hear begins the silence of a member anew. That its host refused connections is not forgotten: a
// stranger's datagrams keep no dead process alive.
func (a *alarm) hear(now mono.Time) {
	if a.start == mono.Never || a.barred != 0 {
		return
	}
	a.heard, a.start, a.pings, a.held = now, now, 0, false
	a.kernel.welcome = 0 // a process that sends does not stand still
}

// acquit takes in that a juror heard from the member: the way from here to it is bad, or its
// answers were lost. No new alarm for a while.
func (a *alarm) acquit(now mono.Time, c *Config) {
	a.jury, a.barred = jury{}, now.Add(c.Period)
	a.next = a.barred
}

// cut says whether a member has long not answered this node, nor has any juror.
func (a *alarm) cut(now mono.Time, c *Config) bool {
	long := 2 * c.Grace
	unanswered := now.Sub(a.start) >= long || a.heard != 0 && now.Sub(a.since) >= c.DeafGrace
	return a.jury.convened() && a.barred == 0 && !a.kernel.denied() && unanswered &&
		(a.jury.heard == 0 || now.Sub(a.jury.heard) >= long)
}

// excused says whether the member's process may stand still for longer: a juror that saw its host
// take a connection outweighs all that saw nothing, since packets are lost and none is made up; but
// not those to which the host said that nobody listens.
func (a *alarm) excused(now mono.Time, c *Config) bool {
	if now.Sub(a.start) >= c.StallGrace || a.kernel.denied() {
		return false
	}
	stalled := a.kernel.stalled()
	for i := range a.jury.list {
		if x := &a.jury.list[i]; x.spoken {
			if x.vote.Cause == wire.CauseRefused {
				return false
			}
			stalled = stalled || x.vote.Cause == wire.CauseStalled
		}
	}
	return stalled
}

// alarms are the members that do not answer this node.
type alarms []alarm

func (l alarms) of(id member.ID) int {
	for i := range l {
		if l[i].peer.ID == id {
			return i
		}
	}
	return -1
}

// byJury returns the case whose jury was called under a sequence.
func (l alarms) byJury(seq uint32) int {
	for i := range l {
		if j := &l[i].jury; j.convened() && j.seq == seq {
			return i
		}
	}
	return -1
}

// drop forgets an alarm; the last one takes its place.
func (l *alarms) drop(i int) {
	s := *l
	last := len(s) - 1
	s[i] = s[last]
	s[last] = alarm{}
	*l = s[:last]
	if last == 0 && cap(s) > 16 {
		*l = nil // give back what a storm took
	}
}

// stuck says whether a member cannot be judged.
func (l alarms) stuck() bool {
	for i := range l {
		if l[i].unreachable {
			return true
		}
	}
	return false
}

// pace is how often a member is pinged, of which a round trip takes at most so long.
func (a *alarm) pace(now mono.Time, c *Config, pace time.Duration, spared bool) time.Duration {
	if !a.sends(now, c) {
		if a.kernel.hopeless(now.Sub(a.start), c) {
			pace = max(pace, c.Period) // it costs no more than a healthy one
		}
		return pace
	}
	switch deaf := now.Sub(a.since); { // it is heard, and does not answer
	case deaf > 2*c.DeafGrace, spared:
		return max(pace, c.Period)
	case deaf > c.Grace:
		return max(pace, c.Grace/8)
	}
	return pace
}
