// Package codec measures what one probe costs to write and to read: a ping with two updates, and
// its ack.
package codec

import (
	"bytes"
	"fmt"
	"testing"
	_ "unsafe" // for go:linkname

	_ "github.com/hashicorp/memberlist" // whose functions these are
)

// memberlist's own functions, which it does not export.

//go:linkname encode github.com/hashicorp/memberlist.encode
func encode(kind uint8, in any, newTime bool) (*bytes.Buffer, error)

//go:linkname decode github.com/hashicorp/memberlist.decode
func decode(buf []byte, out any) error

//go:linkname makeCompoundMessage github.com/hashicorp/memberlist.makeCompoundMessage
func makeCompoundMessage(parts [][]byte) *bytes.Buffer

//go:linkname decodeCompoundMessage github.com/hashicorp/memberlist.decodeCompoundMessage
func decodeCompoundMessage(buf []byte) (cut int, parts [][]byte, err error)

//go:linkname compressPayload github.com/hashicorp/memberlist.compressPayload
func compressPayload(b []byte, newTime bool) (*bytes.Buffer, error)

//go:linkname decompressPayload github.com/hashicorp/memberlist.decompressPayload
func decompressPayload(b []byte) ([]byte, error)

// What memberlist writes; the names of the fields are part of its wire format.
type (
	mlPing struct {
		SeqNo      uint32
		Node       string
		SourceAddr []byte `codec:",omitempty"`
		SourcePort uint16 `codec:",omitempty"`
		SourceNode string `codec:",omitempty"`
	}
	mlAck struct {
		SeqNo   uint32
		Payload []byte
	}
	mlAlive struct {
		Incarnation uint32
		Node        string
		Addr        []byte
		Port        uint16
		Meta        []byte
		Vsn         []uint8
	}
	mlSuspect struct {
		Incarnation uint32
		Node        string
		From        string
	}
)

const (
	kindPing, kindAck, kindSuspect, kindAlive, kindCompound, kindCompress = 0, 2, 3, 4, 7, 9

	crcHeader = 5 // memberlist puts it in front of every packet
)

// Cost is that of one probe.
type Cost struct{ Nanoseconds, Allocations, Bytes float64 }

func measured(probe func() (bytes int, err error)) (Cost, error) {
	size, err := probe()
	if err != nil {
		return Cost{}, err
	}
	r := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := probe(); err != nil {
				b.Fatal(err)
			}
		}
	})
	return Cost{float64(r.T.Nanoseconds()) / float64(r.N), float64(r.AllocsPerOp()),
		float64(size)}, nil
}

// Memberlist measures its codec, with the compression that is its default or without.
func Memberlist(compressed bool) (Cost, error) {
	return measured(func() (int, error) { return mlProbe(compressed) })
}

func mlProbe(compressed bool) (int, error) {
	ping := mlPing{SeqNo: 70_000, Node: "node-17", SourceAddr: []byte{10, 0, 0, 4},
		SourcePort: 7946, SourceNode: "node-4"}
	alive := mlAlive{Incarnation: 2, Node: "node-99", Addr: []byte{10, 0, 0, 99}, Port: 7946,
		Vsn: []uint8{1, 5, 2, 0, 0, 0}}
	suspect := mlSuspect{Incarnation: 1, Node: "node-55", From: "node-4"}
	parts := make([][]byte, 3)
	for i, m := range []struct {
		kind uint8
		body any
	}{{kindPing, &ping}, {kindAlive, &alive}, {kindSuspect, &suspect}} {
		b, err := encode(m.kind, m.body, false)
		if err != nil {
			return 0, err
		}
		parts[i] = b.Bytes()
	}
	there, err := mlSend(makeCompoundMessage(parts).Bytes(), compressed)
	if err != nil {
		return 0, err
	}
	ack, err := encode(kindAck, &mlAck{SeqNo: 70_000}, false)
	if err != nil {
		return 0, err
	}
	back, err := mlSend(ack.Bytes(), compressed)
	return there + back, err
}

// mlSend does what happens to a packet on its way out and in, and returns its bytes on the wire.
func mlSend(packet []byte, compressed bool) (size int, err error) {
	if compressed {
		b, err := compressPayload(packet, false)
		if err != nil {
			return 0, err
		}
		if b.Len() < len(packet) {
			packet = b.Bytes()
		}
	}
	size = len(packet) + crcHeader
	if packet[0] == kindCompress {
		if packet, err = decompressPayload(packet[1:]); err != nil {
			return 0, err
		}
	}
	return size, mlRead(packet)
}

func mlRead(packet []byte) (err error) {
	parts := [][]byte{packet}
	if packet[0] == kindCompound {
		if _, parts, err = decodeCompoundMessage(packet[1:]); err != nil {
			return err
		}
	}
	for _, p := range parts {
		var into any
		switch p[0] {
		case kindPing:
			into = new(mlPing)
		case kindAck:
			into = new(mlAck)
		case kindAlive:
			into = new(mlAlive)
		case kindSuspect:
			into = new(mlSuspect)
		default:
			return fmt.Errorf("no message of kind %d was written", p[0])
		}
		if err := decode(p[1:], into); err != nil {
			return err
		}
	}
	return nil
}
