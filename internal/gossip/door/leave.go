package door

import (
	"errors"
	"fmt"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

const (
	holders = 3              // others that have what this node published, before it leaves
	maxWait = 24 * time.Hour // for them
)

// ErrUnsent is that of a LeaveDone.
var ErrUnsent = errors.New("not all that was published is out")

// Unsent returns an error that wraps ErrUnsent and names the first message of this node's that is
// not known to be out; nil if there is none. One that nobody else had when all others had failed is
// not out, though nobody is left to wait for. It may be called after the end too.
func (d *Door) Unsent() error {
	seq, late := d.unsent()
	if generation, lone, ok := d.Streams.FirstLone(); ok {
		if !late || generation < d.roster.Record().Generation || lone < seq {
			seq, late = lone, true
		}
	}
	if late {
		return fmt.Errorf("%w: message %d, and perhaps others", ErrUnsent, seq)
	}
	return nil
}

// Leave has this node go, once what it published is out or the wait for that is over.
func (d *Door) Leave(wait time.Duration) {
	switch _, late := d.unsent(); {
	case d.leaving:
	case late && wait > 0:
		d.draining, d.drained = true, d.now.Add(min(wait, maxWait))
	default:
		d.depart()
	}
}

// unsent returns the sequence of the first message of this node's that is not out, if any is not.
func (d *Door) unsent() (seq uint64, late bool) {
	generation, piece, late := d.Relay.Unsettled(holders)
	if late {
		seq = d.Streams.MessageOf(d.roster.ID(), generation, piece)
	}
	if first := d.Streams.FirstWaiting(); first > 0 && (!late || first < seq) {
		seq, late = first, true
	}
	return seq, late
}

// Lacks says whether there are others, as far as this node knows, that a message is for and that
// may have gone without it: it is not in yet, or knows of a member that has not left.
func (d *Door) Lacks() bool {
	if !d.whole {
		return true
	}
	for i := range d.roster.Table().Len() {
		if m := d.roster.Table().At(i); m.ID != d.roster.ID() && m.State != member.Left {
			return true
		}
	}
	return false
}

// Drain lets this node go if what it published is out.
func (d *Door) Drain() {
	if d.draining && !d.leaving {
		if _, late := d.unsent(); !late {
			d.depart()
		}
	}
}

// depart tells everybody that this node goes.
func (d *Door) depart() {
	d.late = d.Unsent()
	d.leaving = true
	d.gone = d.now.Add(d.cfg.LastRound + leaveLinger)
	d.roster.Leave()
}
