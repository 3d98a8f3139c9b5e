package virtual

// The network must be what it says: a wrong latency, loss or count would be everybody's.

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starling-gossip/starling/internal/sim"
	bubble "github.com/starling-gossip/starling/internal/virtual"
)

// in runs a test on two hosts.
func in(t *testing.T, f func(t *testing.T, n *Net, a, b *Host)) {
	synctest.Test(t, func(t *testing.T) {
		n := New(1)
		f(t, n, n.Host(), n.Host())
	})
}

// receive takes all that has come to a host.
func receive(h *Host) (all []Packet) {
	for {
		select {
		case p := <-h.Packets:
			h.Took(p)
			all = append(all, p)
		default:
			return all
		}
	}
}

// TestLossAndLatency: as many packets get lost as are to be, and the others take the time of the
// simulator's LAN.
func TestLossAndLatency(t *testing.T) {
	in(t, func(t *testing.T, n *Net, a, b *Host) {
		const total = 4000
		for _, loss := range []float64{0, 0.25, 0.5} {
			n.SetLoss(loss)
			packets, size := n.Sent()
			var took []time.Duration
			for range total {
				sent := time.Now()
				a.Send(b.Addr(), make([]byte, 100))
				bubble.Pass(10 * time.Millisecond)
				for _, p := range receive(b) {
					took = append(took, p.At.Sub(sent))
				}
			}
			got, sigma := 1-float64(len(took))/total, math.Sqrt(loss*(1-loss)/total)
			if math.Abs(got-loss) > 4*sigma {
				t.Errorf("%.3f lost of %v", got, loss)
			}
			slices.Sort(took)
			if half := took[len(took)/2]; half < 285*time.Microsecond ||
				half > 315*time.Microsecond || took[0] < shortest {
				t.Errorf("half took %v, the first %v", half, took[0])
			}
			afterPackets, afterSize := n.Sent()
			if afterPackets-packets != total || afterSize-size != total*(100+ipAndUDP) {
				t.Errorf("%d packets, %d bytes counted", afterPackets-packets, afterSize-size)
			}
		}
	})
}

// TestCutAndCrash: nothing passes a cut, to the dead, or out of their plugs.
func TestCutAndCrash(t *testing.T) {
	in(t, func(t *testing.T, n *Net, a, b *Host) {
		passes := func() bool {
			a.Send(b.Addr(), []byte("x"))
			bubble.Pass(time.Second)
			return len(receive(b)) == 1
		}
		before := passes()
		n.Cut([]*Host{b})
		cut := passes()
		n.Heal()
		healed := passes()
		b.Freeze(10 * time.Second)
		froze := passes()
		bubble.Pass(10 * time.Second)
		thawed := passes()
		b.Crash(false)
		if dead := passes(); !before || cut || !healed || froze || !thawed || dead {
			t.Errorf("passes before %v, cut %v, healed %v, frozen %v, thawed %v, dead %v",
				before, cut, healed, froze, thawed, dead)
		}
	})
}

// TestPause: a host that is paused does nothing until the pause ends, but its socket keeps what it
// has room for.
func TestPause(t *testing.T) {
	in(t, func(t *testing.T, n *Net, a, b *Host) {
		begin := time.Now()
		b.Pause(5 * time.Second)
		const many = 4 * sim.DefaultBuffer / (1000 + skbSize)
		for range many {
			a.Send(b.Addr(), make([]byte, 1000))
		}
		bubble.Pass(time.Second)
		b.Send(a.Addr(), []byte("late"))
		if at := time.Since(begin); at != 5*time.Second {
			t.Errorf("it sent %v after its pause of 5 s began", at)
		}
		if got, room := len(receive(b)), sim.DefaultBuffer/(1000+skbSize); got != room {
			t.Errorf("%d of %d packets kept; there is room for %d", got, many, room)
		}
	})
}

// TestStream: bytes arrive whole and in order under loss, later, and each way to fail is told
// apart.
func TestStream(t *testing.T) {
	in(t, func(t *testing.T, n *Net, a, b *Host) {
		text := bytes.Repeat([]byte("0123456789"), 20_000)
		send := func() ([]byte, time.Duration) {
			begin := time.Now()
			c, err := a.Dial(b.Addr().String(), time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for rest := text; len(rest) > 0; rest = rest[min(7000, len(rest)):] {
					c.Write(rest[:min(7000, len(rest))])
				}
				c.Close()
			}()
			got, err := io.ReadAll(<-b.Conns)
			if err != nil {
				t.Error(err)
			}
			return got, time.Since(begin)
		}
		clean, fast := send()
		n.SetLoss(0.25)
		lossy, slow := send()
		if !bytes.Equal(clean, text) || !bytes.Equal(lossy, text) {
			t.Errorf("%d and %d bytes of %d, or in another order", len(clean), len(lossy),
				len(text))
		}
		if fast > 10*time.Millisecond || slow < resend {
			t.Errorf("%v without loss, %v with it", fast, slow)
		}
		n.SetLoss(0)

		b.Crash(false)
		_, err := a.Dial(b.Addr().String(), time.Second)
		if !errors.Is(err, errRefused) {
			t.Errorf("to a dead process: %v", err)
		}
		b.Crash(true)
		_, err = a.Dial(b.Addr().String(), time.Second)
		var timeout net.Error
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) ||
			!timeout.Timeout() {
			t.Errorf("to a dead host: %v", err)
		}
		n.BlockStreams()
		if _, err = a.Dial(n.Host().Addr().String(), time.Second); !errors.Is(err,
			os.ErrDeadlineExceeded) {
			t.Errorf("through a firewall: %v", err)
		}
	})
}
