// Package transport carries a node's datagrams: UDP sockets that read and write in batches, and
// the sealing of datagrams with a cluster key. It knows nothing of the gossip protocol.
//
// A [Conn] is one socket, driven by the one goroutine that drives a node: [Conn.Receive] is the
// single place where that goroutine waits, for a datagram, for its next deadline, or for an
// [Conn.Interrupt] from elsewhere. A Conn owns no buffers: they come from a pool shared by the
// process and only for as long as a batch is in hand, so a thousand sleeping nodes cost almost
// nothing.
//
// A [Sealer] encrypts and authenticates datagrams under a [KeyRing]; it is independent of Conn.
//
// On Linux a batch is one recvmmsg or sendmmsg; elsewhere it is one datagram a call. The build
// tag starling_portable selects the latter on Linux too, so that it can be tested there.
package transport
