package wire

import (
	"encoding/binary"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// TypeAlarm is the type of Alarm; AlarmSize is its length as a message.
const (
	TypeAlarm Type = 0x23
	AlarmSize      = MessageSize + 29
)

// Alarm says that a member does not answer another, or does again. It is spread, and no verdict.
type Alarm struct {
	Accuser  member.ID
	By       uint32 // the life of the accuser
	Target   member.ID
	Instance uint32 // the life of the target that is meant
	Seq      uint32 // counts the accuser's alarms in its life, from 1
	On       bool
}

// AppendAlarm writes an Alarm.
func AppendAlarm(b []byte, m Alarm) []byte {
	start := len(b)
	b = begin(b, TypeAlarm)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Accuser))
	b = binary.BigEndian.AppendUint32(b, m.By)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Target))
	b = binary.BigEndian.AppendUint32(b, m.Instance)
	b = binary.BigEndian.AppendUint32(b, m.Seq)
	on := byte(0)
	if m.On {
		on = 1
	}
	return end(append(b, on), start)
}

// ReadAlarm reads the body of an Alarm.
func ReadAlarm(body []byte) (m Alarm, ok bool) {
	c := cursor{b: body}
	m = Alarm{Accuser: member.ID(c.u64()), By: c.u32(), Target: member.ID(c.u64()),
		Instance: c.u32(), Seq: c.u32()}
	on := c.u8()
	m.On = on == 1
	return m, !c.bad && on <= 1
}
