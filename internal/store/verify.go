package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// A bbolt database trusts its own file: over a damaged one it may panic, call itself without end,
// or write over pages that are in use. So the structure of a file is looked through before it is
// opened: every page that can be reached, and the list of free ones. What the pages say is not
// looked at here; each value has a checksum of its own.

// The format of bbolt (https://github.com/etcd-io/bbolt): pages of equal size, of which the first
// two are metas. Numbers are in the machine's order of bytes.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	flagBranch = 1
	flagLeaf   = 2
	flagFree   = 16

	pageHeader = 16 // id u64, flags u16, count u16, overflow u32
	// branch: pos u32, key u32, page u64; leaf: flags u32, pos u32, key u32, value u32
	elementLen = 16
	bucketLen  = 16 // root u64, sequence u64
	// magic, version, page size, flags u32; root u64, sequence u64, free u64, pages u64, tx u64,
	// sum u64
	metaLen = 64

	elementIsBucket = 1

	minPageSize = 1 << 10
	maxPageSize = 1 << 16
)

// meta is the root of a file's tree after its last transaction.
type meta struct {
	pageSize                int64
	root, free, pages, last uint64
}

// verifier looks through one file.
type verifier struct {
	file io.ReaderAt
	meta
	seen []bool // by page
}

// verify says what is wrong with the structure of a file.
func verify(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	v := verifier{file: f}
	if v.meta, err = readMeta(f, info.Size()); err != nil {
		return err
	}
	if v.pages > uint64(info.Size()/v.pageSize) {
		return fmt.Errorf("it has %d bytes and needs %d pages of %d", info.Size(), v.pages,
			v.pageSize)
	}
	v.seen = make([]bool, v.pages)
	if err := v.freelist(); err != nil {
		return err
	}
	return v.tree(v.root, nil, nil, 0)
}

// readMeta returns the newer of the metas that are whole.
func readMeta(f io.ReaderAt, size int64) (best meta, err error) {
	at := []int64{0}
	for s := int64(minPageSize); s <= maxPageSize && s < size; s *= 2 {
		at = append(at, s)
	}
	err = errors.New("neither of its two roots is whole")
	for _, pos := range at {
		b := make([]byte, pageHeader+metaLen)
		if _, e := f.ReadAt(b, pos); e != nil {
			if errors.Is(e, io.EOF) {
				continue
			}
			return meta{}, e
		}
		m, ok := parseMeta(b)
		if !ok || pos != 0 && pos != m.pageSize {
			continue
		}
		if err != nil || m.last > best.last {
			best, err = m, nil
		}
	}
	return best, err
}

func parseMeta(b []byte) (m meta, ok bool) {
	ne := binary.NativeEndian
	b = b[pageHeader:] // which the checksum does not cover, and nobody reads
	sum := fnv.New64a()
	sum.Write(b[:metaLen-8])
	m = meta{
		pageSize: int64(ne.Uint32(b[8:])), root: ne.Uint64(b[16:]),
		free: ne.Uint64(b[32:]), pages: ne.Uint64(b[40:]), last: ne.Uint64(b[48:]),
	}
	return m, ne.Uint32(b) == boltMagic && ne.Uint32(b[4:]) == boltVersion &&
		ne.Uint64(b[56:]) == sum.Sum64() &&
		m.pageSize >= minPageSize && m.pageSize <= maxPageSize && m.pageSize&(m.pageSize-1) == 0
}

// page reads a page that nothing has pointed to yet, with what it overflows into.
func (v *verifier) page(id uint64) (b []byte, flags uint16, err error) {
	ne := binary.NativeEndian
	if id < 2 || id >= v.pages {
		return nil, 0, fmt.Errorf("page %d is not one of %d", id, v.pages)
	}
	var head [pageHeader]byte
	if _, err := v.file.ReadAt(head[:], int64(id)*v.pageSize); err != nil {
		return nil, 0, err
	}
	more := uint64(ne.Uint32(head[12:]))
	if ne.Uint64(head[:]) != id || id+more >= v.pages {
		return nil, 0, fmt.Errorf("page %d says that it is page %d, and %d more", id,
			ne.Uint64(head[:]), more)
	}
	for i := id; i <= id+more; i++ {
		if v.seen[i] {
			return nil, 0, fmt.Errorf("page %d is used twice", i)
		}
		v.seen[i] = true
	}
	b = make([]byte, int64(more+1)*v.pageSize)
	_, err = v.file.ReadAt(b, int64(id)*v.pageSize)
	return b, ne.Uint16(b[8:]), err
}

// freelist looks through the list of free pages. None may be in use.
func (v *verifier) freelist() error {
	ne := binary.NativeEndian
	b, flags, err := v.page(v.free)
	if err != nil {
		return err
	}
	count, at := uint64(ne.Uint16(b[10:])), pageHeader
	if count == 0xffff {
		count, at = ne.Uint64(b[at:]), at+8
	}
	if flags != flagFree || count > uint64(len(b)-at)/8 {
		return fmt.Errorf("page %d is no list of free pages", v.free)
	}
	last := uint64(1)
	for i := range int(count) {
		id := ne.Uint64(b[at+8*i:])
		if id <= last || id >= v.pages || v.seen[id] {
			return fmt.Errorf("page %d cannot be free", id)
		}
		v.seen[id], last = true, id
	}
	return nil
}

// maxDepth is more than a tree of any file that is read here can have, with its buckets.
const maxDepth = 64

// tree looks through a tree whose keys are from low to below high; nil is no bound.
func (v *verifier) tree(id uint64, low, high []byte, depth int) error {
	b, flags, err := v.page(id)
	if err != nil {
		return err
	}
	if depth > maxDepth {
		return fmt.Errorf("page %d is too deep", id)
	}
	switch flags {
	case flagBranch:
		err = v.branch(b, low, high, depth)
	case flagLeaf:
		err = v.leaf(b, low, high, depth)
	default:
		err = fmt.Errorf("it is of no kind (%x)", flags)
	}
	if err != nil && depth < maxDepth {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return err
}

func (v *verifier) branch(b, low, high []byte, depth int) error {
	ne := binary.NativeEndian
	count := int(ne.Uint16(b[10:]))
	if count == 0 || pageHeader+count*elementLen > len(b) {
		return fmt.Errorf("%d branches", count)
	}
	key := func(i int) ([]byte, error) {
		at := pageHeader + i*elementLen
		return cut(b, at, ne.Uint32(b[at:]), ne.Uint32(b[at+4:]))
	}
	for i := range count {
		from, err := key(i)
		to := high
		if err == nil && i+1 < count {
			to, err = key(i + 1)
		}
		if err == nil {
			err = between(from, low, to)
		}
		if err == nil && i == 0 {
			err = first(from, low)
		}
		if err == nil {
			err = v.tree(ne.Uint64(b[pageHeader+i*elementLen+8:]), from, to, depth+1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) leaf(b, low, high []byte, depth int) error {
	ne := binary.NativeEndian
	count := int(ne.Uint16(b[10:]))
	if pageHeader+count*elementLen > len(b) {
		return fmt.Errorf("%d keys", count)
	}
	if count == 0 && low != nil {
		return errors.New("it has no key and is not the root")
	}
	var last []byte
	for i := range count {
		at := pageHeader + i*elementLen
		flags, pos, size := ne.Uint32(b[at:]), ne.Uint32(b[at+4:]), ne.Uint32(b[at+8:])
		key, err := cut(b, at, pos, size)
		if err != nil {
			return err
		}
		if err := between(key, low, high); err != nil {
			return err
		}
		if i == 0 {
			if err := first(key, low); err != nil {
				return err
			}
		}
		if last != nil && bytes.Compare(key, last) <= 0 {
			return errors.New("its keys are not in order")
		}
		last = key
		value, err := cut(b, at, pos+size, ne.Uint32(b[at+12:]))
		if err != nil || pos+size < pos {
			return fmt.Errorf("value %d is not in it", i)
		}
		switch flags {
		case 0:
		case elementIsBucket:
			if err := v.bucket(value, depth+1); err != nil {
				return err
			}
		default:
			return fmt.Errorf("value %d is of no kind (%x)", i, flags)
		}
	}
	return nil
}

// bucket looks through a bucket: a tree of its own, or a leaf within its value.
func (v *verifier) bucket(value []byte, depth int) error {
	ne := binary.NativeEndian
	if len(value) < bucketLen {
		return errors.New("a bucket is too short")
	}
	if root := ne.Uint64(value); root != 0 {
		return v.tree(root, nil, nil, depth)
	}
	if len(value) < bucketLen+pageHeader || ne.Uint16(value[bucketLen+8:]) != flagLeaf ||
		depth > maxDepth {
		return errors.New("a bucket has no leaf")
	}
	return v.leaf(value[bucketLen:], nil, nil, depth)
}

// cut returns some bytes at a distance from an element, if they are in the page.
func cut(b []byte, element int, pos, size uint32) ([]byte, error) {
	from := int64(element) + int64(pos)
	if from+int64(size) > int64(len(b)) {
		return nil, errors.New("a key or value is not in it")
	}
	return b[from : from+int64(size)], nil
}

// between says whether a key has its place in a page.
func between(key, low, high []byte) error {
	if len(key) == 0 || low != nil && bytes.Compare(key, low) < 0 || high != nil &&
		bytes.Compare(key, high) >= 0 {
		return errors.New("a key is not in its place")
	}
	return nil
}

// first says whether a page begins with the key under which the page above knows it. bbolt takes
// that for granted: it finds the entry that it replaces by the first key of the page below.
// Otherwise it would leave the old entry beside the new one, and the old one leads to a page that
// is free by then.
func first(key, low []byte) error {
	if low != nil && !bytes.Equal(key, low) {
		return errors.New("it does not begin with the key that the page above has of it")
	}
	return nil
}
