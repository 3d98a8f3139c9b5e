package starling

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/wire"
	"github.com/starling-gossip/starling/internal/transport"
)

// What was changed on its way, and what no node sent, is counted and not read.
func TestAlteredIsDropped(t *testing.T) {
	n, _ := alone(t)
	from := netip.MustParseAddrPort("127.0.0.1:9")
	sent := transport.AppendSummed(nil, append([]byte{wire.Magic}, make([]byte, 40)...))
	changed := bytes.Clone(sent)
	changed[30] ^= 4
	inLoop(t, n, func() {
		for _, datagram := range [][]byte{changed, sent[:len(sent)-1], []byte("HELO"), {}} {
			n.deliver(from, datagram)
		}
		if altered, read := n.alteredCount.Load(), n.core.Stats(); altered != 4 ||
			read.Malformed+read.OtherCluster != 0 {
			t.Errorf("of 4 altered datagrams %d were dropped: %+v", altered, read)
		}
		n.deliver(from, sent)
		if n.alteredCount.Load() != 4 || n.core.Stats().OtherCluster != 1 {
			t.Errorf("a datagram that came whole was not read: %+v", n.core.Stats())
		}
	})
}
