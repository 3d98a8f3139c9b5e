//go:build unix

package transport

import (
	"net"
	"syscall"
)

// noBroadcast has the kernel refuse what is sent to a broadcast address, which package net allows.
// A stranger names the address at which it is answered, and all hosts of a network would get the
// answer.
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
