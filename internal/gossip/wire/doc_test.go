package wire_test

// Holds docs/protocol.md against the code.

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
	"github.com/starling-gossip/starling/internal/transport"
)

func readDoc(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var hexBlock = regexp.MustCompile("(?s)```hex ([^\n]+)\n(.*?)```")

// docExamples returns the examples of the document: of each title, its bytes. On a line the bytes
// end at two spaces.
func docExamples(t *testing.T) map[string][]byte {
	t.Helper()
	examples := make(map[string][]byte)
	for _, block := range hexBlock.FindAllStringSubmatch(readDoc(t), -1) {
		title := block[1]
		if _, twice := examples[title]; twice {
			t.Errorf("the document has the example %q twice", title)
		}
		examples[title] = []byte{}
		for line := range strings.Lines(block[2]) {
			digits, _, _ := strings.Cut(strings.TrimSpace(line), "  ")
			b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
			if err != nil {
				t.Errorf("example %q, line %q: %v", title, line, err)
			}
			examples[title] = append(examples[title], b...)
		}
	}
	return examples
}

// The type table is that of the constants and that of the document: neither has a type that the
// other lacks.
func TestTypeTable(t *testing.T) {
	constants := typeConstants()
	for name, value := range constants {
		if spec := wire.Specs[value]; spec.Name != name || spec.Plane == wire.Unknown ||
			value.String() != name {
			t.Errorf("Type%s, %#02x, has the row %+v in the table", name, uint8(value), spec)
		}
	}
	rows := documentRows(t)
	for i, spec := range wire.Specs {
		value := wire.Type(i)
		if spec != (wire.Spec{}) && constants[spec.Name] != value {
			t.Errorf("the table has %q at %#02x, and no constant has", spec.Name, i)
		}
		if got := rows[value]; got != spec {
			t.Errorf("%#02x is %+v in the document and %+v in the table", i, got, spec)
		}
	}
}

var typeRow = regexp.MustCompile(`(?m)^\| (0x[0-9a-f]{2}) \| \[(\w+)\]\(#[^)]+\) \| [^|]+ \| ` +
	`(\w+) \| (members|anybody) \|( question)? \|$`)

// documentRows reads the document's table of types.
func documentRows(t *testing.T) map[wire.Type]wire.Spec {
	t.Helper()
	rows := make(map[wire.Type]wire.Spec)
	for _, m := range typeRow.FindAllStringSubmatch(readDoc(t), -1) {
		value, err := strconv.ParseUint(m[1], 0, 8)
		if err != nil {
			t.Fatal(err)
		}
		spec := wire.Spec{Name: m[2], Members: m[4] == "members", Question: m[5] != ""}
		for p := range wire.Planes {
			if p != wire.Unknown && p.String() == m[3] {
				spec.Plane = p
			}
		}
		if _, twice := rows[wire.Type(value)]; twice {
			t.Errorf("the document has %#02x twice", value)
		}
		rows[wire.Type(value)] = spec
	}
	return rows
}

// Every example is a golden vector, and says what the golden file says; and every type has an
// example.
func TestDocumentExamples(t *testing.T) {
	_, text, data := readGolden(t)
	seen := make(map[wire.Type]bool)
	for title, b := range docExamples(t) {
		kind, name, _ := strings.Cut(title, " ")
		if kind == "sealed" || kind == "clear" { // as they are sent
			continue
		}
		v := vector{name: name, datagram: kind == "datagram", bytes: b}
		switch golden, ok := data[title]; {
		case !ok:
			t.Errorf("there is no golden vector for the document's example %q", title)
		case hex.EncodeToString(golden) != hex.EncodeToString(b):
			t.Errorf("%s is\n%x in the document and\n%x in the golden file", title, b, golden)
		case v.describe() != text[title]:
			t.Errorf("the document's %s is read as\n%sgolden is\n%s", title, v.describe(),
				text[title])
		}
		_, r, _ := wire.Open(v.inDatagram())
		for mt, _, ok := r.Next(); ok; mt, _, ok = r.Next() {
			seen[mt] = true
		}
	}
	for name, value := range typeConstants() {
		if !seen[value] {
			t.Errorf("the document has no example of a %s (%#02x)", name, uint8(value))
		}
	}
}

// The example in the clear is the ping and its checksum.
func TestDocumentChecksum(t *testing.T) {
	examples := docExamples(t)
	if want := transport.AppendSummed(nil,
		examples["datagram ping"]); !bytes.Equal(examples["clear ping"], want) {
		t.Errorf("the document's ping in the clear is\n%x, want\n%x", examples["clear ping"], want)
	}
}

// The sealed example is what the document says how to make, and what package transport opens.
func TestDocumentSealing(t *testing.T) {
	examples := docExamples(t)
	plain, sealed := examples["datagram ping"], examples["sealed ping"]
	key := make([]byte, transport.KeySize)
	for i := range key {
		key[i] = byte(i)
	}
	head := append([]byte{0xa4}, []byte("12 byte salt\x00\x00\x00\x00\x01\x02")...)
	if want := sealAsDocumented(t, key, head,
		plain); hex.EncodeToString(sealed) != hex.EncodeToString(want) {
		t.Errorf("the document's sealed ping is\n%x, want\n%x", sealed, want)
	}
	k, err := transport.ParseKey(base64.StdEncoding.EncodeToString(key))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := transport.NewKeyRing(k)
	if err != nil {
		t.Fatal(err)
	}
	got, err := transport.NewSealer(ring, transport.SealerOptions{}).Open(nil, sealed)
	if err != nil || hex.EncodeToString(got) != hex.EncodeToString(plain) {
		t.Errorf("it opens as %x (%v), want %x", got, err, plain)
	}
}

// sealAsDocumented follows the document word by word; head is kind, salt and counter.
func sealAsDocumented(t *testing.T, key, head, plain []byte) []byte {
	t.Helper()
	secret, err := hkdf.Key(sha256.New, key, head[1:13], "starling seal v1", 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce := append(make([]byte, 6), head[13:19]...)
	return gcm.Seal(head[:len(head):len(head)], nonce, plain, head)
}

func TestDocumentLimits(t *testing.T) {
	doc := readDoc(t)
	for name, value := range map[string]int{
		"MaxGeneration": member.MaxGeneration, "DefaultMTU": wire.DefaultMTU, "MinMTU": wire.MinMTU,
		"MaxMTU":   wire.MaxMTU,
		"SealSize": wire.SealSize, "MinRoom": wire.MinRoom, "MaxPiece": wire.MaxPiece,
		"HeaderSize": wire.HeaderSize, "MessageSize": wire.MessageSize,
		"MaxName": member.MaxName, "MaxZone": member.MaxZone, "MaxTags": member.MaxTags,
		"MaxRecord": member.MaxRecord,
		"MaxTopic":  wire.MaxTopic, "MaxCluster": wire.MaxCluster, "MaxSettings": wire.MaxSettings,
		"MaxRequest": wire.MaxRequest, "MaxWant": wire.MaxWant,
		"MaxCells": wire.MaxCells, "EstimateWords": wire.EstimateWords,
		"MaxRangeBits": wire.MaxRangeBits,
		"MaxMembers":   member.MaxMembers, "MaxParcel": wire.MaxParcel,
		"MaxMissing": wire.MaxMissing,
	} {
		if row := fmt.Sprintf("| `%s` | %d |", name, value); !strings.Contains(doc, row) {
			t.Errorf("the document's table of limits has no row %q", row)
		}
	}
}

// The hashes that the document gives are those of the code.
func TestDocumentHashes(t *testing.T) {
	doc := readDoc(t)
	m := member.Member{ID: idOf(robin), Handle: member.Share(robin), Incarnation: 2,
		Check: robin.Check()}
	for what, want := range map[string]string{
		"ID of robin":  fmt.Sprintf("%016x", uint64(idOf(robin))),
		"check":        fmt.Sprintf("%08x", robin.Check()),
		"instance":     fmt.Sprintf("%08x", instanceOf(robin)),
		"item":         fmt.Sprintf("%016x", m.Item()),
		"ID of wren":   fmt.Sprintf("%016x", uint64(idOf(wren))),
		"ID of lark":   fmt.Sprintf("%016x", uint64(idOf(lark))),
		"cluster hash": fmt.Sprintf("%08x", wire.ClusterHash("starling")),
	} {
		if !strings.Contains(doc, "`"+want+"`") {
			t.Errorf("the document does not have the %s, `%s`", what, want)
		}
	}
}
