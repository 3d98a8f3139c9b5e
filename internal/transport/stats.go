package transport

// This file counts what a socket did, for metrics.

import "sync/atomic"

// Stats are a Conn's counts since it was opened. Bytes are UDP payload, without headers.
type Stats struct {
	DatagramsIn, BytesIn   uint64 // handed to deliver
	DatagramsOut, BytesOut uint64 // taken by the kernel
	Truncated              uint64 // longer than MaxDatagram, dropped
	ReadErrors             uint64 // reported by reads and survived
	// datagrams that the kernel refused: no route, forbidden, too long …
	SendErrors  uint64
	SendDropped uint64 // datagrams dropped because the socket's send buffer was full
	KernelDrops uint64 // dropped by the kernel because nobody read in time; Linux only
}

// counters are the live counts: one goroutine writes, any reads. They are added to once a batch.
type counters struct {
	datagramsIn, bytesIn, datagramsOut, bytesOut   atomic.Uint64
	truncated, readErrors, sendErrors, sendDropped atomic.Uint64
}

// Stats returns the counts so far. Safe from any goroutine.
func (c *Conn) Stats() Stats {
	n := &c.counters
	return Stats{
		DatagramsIn:  n.datagramsIn.Load(),
		BytesIn:      n.bytesIn.Load(),
		DatagramsOut: n.datagramsOut.Load(),
		BytesOut:     n.bytesOut.Load(),
		Truncated:    n.truncated.Load(),
		ReadErrors:   n.readErrors.Load(),
		SendErrors:   n.sendErrors.Load(),
		SendDropped:  n.sendDropped.Load(),
		KernelDrops:  c.kernelDrops(),
	}
}

// LastSendError is the reason of the latest refusal counted in Stats.SendErrors, nil if there was
// none; for a log line. Only for the driving goroutine.
func (c *Conn) LastSendError() error { return c.sendErr }
