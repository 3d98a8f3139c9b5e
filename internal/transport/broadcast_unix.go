//go:build unix

package transport

import (
	"net"
	"syscall"
)

// noBroadcast has the kernel refuse what is sent to a broadcast address, which package net allows:
// a stranger names the address to which it is answered, and all hosts of a network would hear that.
func noBroadcast(udp *net.UDPConn) error {
	raw, err := udp.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_BROADCAST, 0)
	})
	if err != nil {
		return err
	}
	return failed
}
