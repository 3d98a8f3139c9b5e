package member

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// Each way in which a table can contradict itself is seen.
func TestCheck(t *testing.T) {
	for what, spoil := range map[string]func(t *Table){
		"":                func(*Table) {},
		"fingerprint":     func(t *Table) { t.fingerprint++ },
		"stands at":       func(t *Table) { t.entries[0].state = Failed },
		"can be sent to,": func(t *Table) { t.served = t.live + 1 },
		"the index says":  func(t *Table) { e := t.entries; e[0], e[1] = e[1], e[0] },
		"index holds":     func(t *Table) { t.entries = t.entries[:len(t.entries)-1] },
		"were heard":      func(t *Table) { t.heard = map[ID]*netip.AddrPort{1: nil} },
	} {
		var table Table
		for i := range 20 {
			state := Alive
			if i%3 == 0 {
				state = Failed
			}
			table.Merge(0, Fact{Record: Share(record(fmt.Sprint("m", i), 1, 0)), State: state})
		}
		spoil(&table)
		if err := table.Check(); what == "" && err != nil || what != "" && (err == nil ||
			!strings.Contains(err.Error(), what)) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
