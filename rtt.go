package starling

// This file is how far members are apart, as its caller sees it. places.go knows where they stand.

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// nearAtOnce is how many members a Near asks at the same time: half of what the core takes, so that
// one alone keeps nobody waiting.
const nearAtOnce = 128

// RTT is the round trip between two members.
type RTT struct {
	Estimate time.Duration // by their coordinates
	// the relative error that such estimates had of late: 0.1 is a tenth, 1 is a guess
	Error float64
	// the median of the last few that this node measured, if it is one of the two; else 0
	Measured time.Duration
}

// RTT returns the round trip between this node and a live member. See RTTBetween.
func (n *Node) RTT(ctx context.Context, name string) (RTT, error) {
	return n.RTTBetween(ctx, n.name, name)
}

// RTTBetween returns the round trip between any two live members; no packet goes between them. Each
// is asked where it stands: a datagram there and one back, again while it does not answer, 4 s at
// most. It is not asked if this node asked it within the last minute. So a program may call this
// for each of its requests, to pick the nearest replica. Of a member that is known for less than
// two minutes, and may still be finding out where it stands, the answer is good for two seconds.
// Calls at the same time share a question. Between a member and itself it is 0.
//
// The error wraps ErrNoMember or ErrNoAnswer and names the member, or it is that of ctx, or why the
// node stopped.
func (n *Node) RTTBetween(ctx context.Context, a, b string) (RTT, error) {
	at, err := n.locate(ctx, a, b)
	if err != nil {
		return RTT{}, err
	}
	return between(&at[0], &at[1]), nil
}

// between reckons the round trip between two places.
func between(a, b *located) (r RTT) {
	if a.id == b.id {
		return r
	}
	r.Estimate, r.Error = a.at.Estimate(&b.at, member.Top(a.zone) == member.Top(b.zone))
	switch {
	case a.self:
		r.Measured = b.measured
	case b.self:
		r.Measured = a.measured
	}
	return r
}

// Neighbor is a live member, and how far from another it is.
type Neighbor struct {
	Member Member
	RTT    RTT
	Known  bool // it answered; else RTT is zero
}

// Near returns the live members, the nearest to the named one first. The named one comes first
// itself, with 0. Those that do not answer come last, in the order of their names. If others are
// named, it returns only those of them that live. As with RTTBetween, no packet goes between the
// members. All members whose answers are not known, as it says there, are asked, up to 128 at the
// same time. With thousands that takes some seconds, and longer where members do not answer.
// Members that this node cannot reach (Info.Unreachable) are not asked.
//
// The error is as that of RTTBetween, about the first member. When ctx ends or the node stops after
// that one answered, what is known then is returned with the error.
func (n *Node) Near(ctx context.Context, name string, among ...string) ([]Neighbor, error) {
	center, err := n.locate(ctx, name)
	if err != nil {
		return nil, err
	}
	all, ask, err := n.neighbors(ctx, &center[0], among)
	if err != nil {
		return nil, err
	}
	if err = n.askAround(ctx, &center[0], all, ask); err != nil {
		unknown := 0
		for i := range all {
			if !all[i].Known {
				unknown++
			}
		}
		err = fmt.Errorf("starling: %d of %d members have not answered yet: %w", unknown,
			len(all), err)
	}
	slices.SortFunc(all, func(a, b Neighbor) int {
		switch {
		case a.Known && !b.Known:
			return -1
		case !a.Known && b.Known:
			return 1
		}
		return cmp.Or(cmp.Compare(a.RTT.Estimate, b.RTT.Estimate),
			strings.Compare(a.Member.Name, b.Member.Name))
	})
	return all, err
}

// neighbors returns the live members, with what is known without asking, and which of them to ask.
func (n *Node) neighbors(ctx context.Context, center *located, among []string) (all []Neighbor,
	ask []int, err error) {
	members, wanted := n.snapshot().members, map[string]bool{}
	for _, name := range among {
		wanted[name] = true
	}
	err = n.call(ctx, func(now gossip.Time, _ *gossip.Outbox) {
		for i := range members {
			m := &members[i]
			if !m.State.Live() || len(among) > 0 && !wanted[m.Name()] {
				continue
			}
			x := Neighbor{Member: n.member(*m)}
			if s, known := n.kept(now, m); known {
				x.RTT, x.Known = between(center, &s), true
			} else if !n.core.IsUnreachable(m.ID) {
				ask = append(ask, len(all))
			}
			all = append(all, x)
		}
	})
	return all, ask, err
}

// askAround asks some of the members where they stand. A member that does not answer stays unknown.
func (n *Node) askAround(ctx context.Context, center *located, all []Neighbor, ask []int) error {
	var next atomic.Int64
	var asking sync.WaitGroup
	for range min(nearAtOnce, len(ask)) {
		asking.Go(func() {
			for k := next.Add(1); k <= int64(len(ask)); k = next.Add(1) {
				x := &all[ask[k-1]]
				if at, err := n.locate(ctx, x.Member.Name); err == nil {
					x.RTT, x.Known = between(center, &at[0]), true
				}
			}
		})
	}
	asking.Wait()
	return cmp.Or(ctx.Err(), n.Err())
}
