//go:build !unix

package transport

import "net"

// noBroadcast does nothing on these systems.
func noBroadcast(*net.UDPConn) error { return nil }
