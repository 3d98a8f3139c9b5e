package transport

// This file ends a datagram in the clear with a checksum, so that one which bad memory or a bad
// network card changed is not believed. UDP's own sum is 16 bits, is made by that card, and may be
// left out under IPv4. Against an enemy it does nothing: for that there is a key.

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// SumSize is how many bytes AppendSummed adds to a datagram.
const SumSize = 4

// ErrAltered is what CheckSum refuses a datagram with. It is returned as it is, as the errors of
// Sealer.Open are.
var ErrAltered = errors.New("transport: the datagram was altered on its way, or is of something " +
	"else")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendSummed appends plain and its CRC-32C (RFC 3720, section 12.1), little-endian, to dst and
// returns it. The two must not overlap. It allocates only to make room in dst.
func AppendSummed(dst, plain []byte) []byte {
	dst = append(dst, plain...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(plain, castagnoli))
}

// CheckSum returns what AppendSummed was given, within datagram, or nil and ErrAltered.
func CheckSum(datagram []byte) ([]byte, error) {
	plain := len(datagram) - SumSize
	if plain < 0 || crc32.Checksum(datagram[:plain],
		castagnoli) != binary.LittleEndian.Uint32(datagram[plain:]) {
		return nil, ErrAltered
	}
	return datagram[:plain], nil
}
