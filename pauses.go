package starling

// This file is what a node says of its own pauses. The others see them as failures of it; its own
// log is where one looks for why.

import (
	"log/slog"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

const (
	// stoodMost is the longest time that a process may stand still without a word.
	stoodMost = time.Second
	// stoodLately is for how long after a pause it is held for the reason of what others say.
	stoodLately = 30 * time.Second
)

// stoodStill says that this process did nothing for a while.
func (n *Node) stoodStill(gap time.Duration) {
	if gap < stoodMost {
		return
	}
	n.stood, n.stoodFor = n.now(), gap
	n.log.write(logLine{slog.LevelWarn, "this process stood still: it was stopped, or its host " +
		"was paused or too busy",
		[]any{"for", gap.Round(time.Millisecond)}})
}

// heldFailed says that others held this node failed.
func (n *Node) heldFailed(e *gossip.Event) {
	args := []any{"cause", string(cause(e.Member.Cause)), "for", e.Gap}
	// the news waited meanwhile: its age tells nothing
	if n.stood != 0 && n.now().Sub(n.stood) < stoodLately {
		args = append(args[:2], "stood_still_for", n.stoodFor.Round(time.Millisecond))
	}
	n.log.write(logLine{slog.LevelWarn, "others hold this node for failed" +
		contradiction(n.core.Unheard(), n.core.WaitsForCall()), args})
}

// contradiction says what a node does about it that others hold it for failed.
func contradiction(unheard, waits bool) string {
	switch {
	case unheard:
		return "; that it lives it cannot tell them: nothing that it sends leaves or arrives"
	case waits:
		return "; it has asked them to call it at its address, and tells them that it lives once " +
			"they do"
	}
	return "; it tells them that it lives, and is back once they hear that"
}

// clocks compares the clock by which a node lives, which stands still while the host sleeps, with
// that on the wall.
type clocks struct {
	ahead time.Duration // how far the wall's was ahead at the last look
}

// slept returns how far the wall's clock ran ahead since the last look, if that is long.
func (c *clocks) slept(wall, awake time.Duration) time.Duration {
	was := c.ahead
	c.ahead = wall - awake
	if jump := c.ahead - was; jump >= stoodMost {
		return jump
	}
	return 0
}

// lookAtClocks says that the host slept, once it is awake.
func (n *Node) lookAtClocks(c *clocks) {
	now := time.Now()
	if d := c.slept(now.Round(0).Sub(n.start.Round(0)), now.Sub(n.start)); d != 0 {
		n.log.write(logLine{slog.LevelWarn, "the host of this process slept or was paused, or " +
			"its clock was set forward",
			[]any{"by", d.Round(time.Millisecond)}})
	}
}
