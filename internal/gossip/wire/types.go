package wire

import "fmt"

// Plane says which part of a node reads a message, and what the message's bytes count as.
type Plane uint8

// The planes.
const (
	Unknown Plane = iota // the type is of a later version, or of nobody
	Probing              // of failure detectors
	News                 // of members
	Entry                // coming in and going
	Repairs              // of tables: fingerprints and what follows from them
	Tree                 // what users publish, fresh
	Streams              // the same, held and asked for
	Keys                 // what members write about themselves
	Quota                // loans of what a zone may send to another
	Places               // where members stand
	Ways                 // what passes on the ways to others
	Planes               // how many there are
)

var planeNames = [Planes]string{
	"unknown", "probing", "news", "entry", "repair", "tree", "streams", "keys", "quota", "places",
	"ways",
}

// String returns the plane's name as docs/protocol.md has it.
func (p Plane) String() string {
	if p < Planes {
		return planeNames[p]
	}
	return fmt.Sprintf("Plane(%d)", uint8(p))
}

// Spec is what a type of messages is for and how a node takes it.
type Spec struct {
	Name     string
	Plane    Plane
	Members  bool // from anybody but a live member, in the life that is known, it is not read
	Question bool // it asks for an answer, so the second one of a datagram is not read
}

// Specs has the Spec of each type; that of a type which is not known has the plane Unknown and no
// name. All that treats types alike reads it: a node, the simulator, and the tests against
// docs/protocol.md.
var Specs = [256]Spec{
	TypePing:        {Name: "Ping", Plane: Probing, Question: true},
	TypeAck:         {Name: "Ack", Plane: Probing},
	TypePingReq:     {Name: "PingReq", Plane: Probing, Question: true},
	TypeNack:        {Name: "Nack", Plane: Probing},
	TypeFingerprint: {Name: "Fingerprint", Plane: Repairs, Members: true},
	TypeUpdate:      {Name: "Update", Plane: News},
	TypeRecord:      {Name: "Record", Plane: News},
	TypeRequest:     {Name: "Request", Plane: News, Question: true},
	TypeJoin:        {Name: "Join", Plane: Entry, Question: true},
	TypeWelcome:     {Name: "Welcome", Plane: Entry},
	TypeRefuse:      {Name: "Refuse", Plane: Entry},
	TypeConflict:    {Name: "Conflict", Plane: Entry, Question: true},
	TypeMistaken:    {Name: "Mistaken", Plane: Entry},
	TypeChallenge:   {Name: "Challenge", Plane: Entry},
	TypeMerged:      {Name: "Merged", Plane: Entry, Members: true},
	TypeUnopened:    {Name: "Unopened", Plane: Entry},
	TypeEvidence:    {Name: "Evidence", Plane: News},
	TypeSketch:      {Name: "Sketch", Plane: Repairs, Members: true},
	TypeList:        {Name: "List", Plane: Repairs, Members: true},
	TypeWant:        {Name: "Want", Plane: Repairs, Members: true},
	TypePush:        {Name: "Push", Plane: Repairs, Members: true},
	TypeDone:        {Name: "Done", Plane: Repairs, Members: true},
	TypeBusy:        {Name: "Busy", Plane: Repairs, Members: true},
	TypeSeen:        {Name: "Seen", Plane: Ways, Members: true},
	TypePad:         {Name: "Pad", Plane: Ways, Members: true, Question: true},
	TypeAcross:      {Name: "Across", Plane: Ways, Members: true, Question: true},
	TypeBridge:      {Name: "Bridge", Plane: Ways, Members: true},
	TypeBorrow:      {Name: "Borrow", Plane: Quota, Members: true, Question: true},
	TypeLend:        {Name: "Lend", Plane: Quota, Members: true},
	TypeSilence:     {Name: "Silence", Plane: News},
	TypeLease:       {Name: "Lease", Plane: Probing, Question: true},
	TypeInquiry:     {Name: "Inquiry", Plane: Probing, Question: true},
	TypeFinding:     {Name: "Finding", Plane: Probing},
	TypeAlarm:       {Name: "Alarm", Plane: News},
	TypeCounters:    {Name: "Counters", Plane: Probing},
	TypeLocate:      {Name: "Locate", Plane: Places, Members: true, Question: true},
	TypeLocated:     {Name: "Located", Plane: Places, Members: true},
	TypeCarry:       {Name: "Carry", Plane: Tree, Members: true},
	TypeOffer:       {Name: "Offer", Plane: Tree, Members: true},
	TypeConfirm:     {Name: "Confirm", Plane: Tree, Members: true},
	TypeHeads:       {Name: "Heads", Plane: Streams, Members: true},
	TypeAsk:         {Name: "Ask", Plane: Streams, Members: true},
	TypePage:        {Name: "Page", Plane: Streams, Members: true},
	TypePull:        {Name: "Pull", Plane: Streams, Members: true},
	TypeSupply:      {Name: "Supply", Plane: Streams, Members: true},
	TypeKeySketch:   {Name: "KeySketch", Plane: Keys, Members: true},
	TypeKeyDigest:   {Name: "KeyDigest", Plane: Keys, Members: true},
	TypeDeltas:      {Name: "Deltas", Plane: Keys, Members: true},
}

// String returns the type's name, or its number if it is not known.
func (t Type) String() string {
	if s := Specs[t].Name; s != "" {
		return s
	}
	return fmt.Sprintf("type %#02x", uint8(t))
}
