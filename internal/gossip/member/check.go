package member

import (
	"errors"
	"fmt"
)

// Check says what contradicts itself in a table, nil if nothing does. It goes through all members.
func (t *Table) Check() error {
	if t.served < 0 || t.served > t.live || t.live > len(t.entries) {
		return fmt.Errorf("table: %d members can be sent to, of %d live, of %d", t.served, t.live,
			len(t.entries))
	}
	hash, heard, indexed := uint64(0), 0, 0
	for i := range t.entries {
		e := &t.entries[i]
		if live, served := e.state.Live(), e.state.Live() && !e.other; live != (i < t.live) ||
			served != (i < t.served) {
			return fmt.Errorf("table: %s is %s, out of family: %t, and stands at %d of %d live, "+
				"of which %d can be sent to", e.name(), e.state, e.other, i, t.live, t.served)
		}
		if at, ok := t.find(e.id); !ok || at != i {
			return fmt.Errorf("table: %s stands at %d, and the index says %d", e.name(), i, at)
		}
		if e.state.Live() {
			hash ^= e.item()
		}
		if e.is(reply) {
			heard++
			if t.heard[e.id] == nil {
				return fmt.Errorf("table: where %s was heard is not known", e.name())
			}
		}
	}
	for _, at := range t.index {
		if at != 0 {
			indexed++
		}
	}
	switch {
	case indexed != len(t.entries):
		return fmt.Errorf("table: the index holds %d of %d members", indexed, len(t.entries))
	case heard != len(t.heard):
		return fmt.Errorf("table: it is known where %d members were heard, and needed of %d",
			len(t.heard), heard)
	case hash != t.fingerprint:
		return errors.New("table: the fingerprint is not that of the live members")
	}
	return nil
}

func (e *entry) name() string { return e.rec.Value().Name }
