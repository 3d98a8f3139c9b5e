package sim

import (
	"bytes"
	"encoding/json"
)

// formerSettings became constants of the core. Runs that were saved before have them, as 0, which
// meant the default.
var formerSettings = map[string][]string{
	"Repair":  {"Streak", "Follow", "Much", "MaxPause", "Window", "PerRange", "Timeout"},
	"Tree":    {"Coalesce", "AckDelay", "Orphan", "Pace"},
	"Accrual": {"MinDev"},
}

// ReadOptions reads the options of a saved run. What this simulator does not know is an error.
func ReadOptions(text []byte) (o Options, err error) {
	d := json.NewDecoder(bytes.NewReader(withoutFormer(text)))
	d.DisallowUnknownFields()
	err = d.Decode(&o)
	return o, err
}

// withoutFormer leaves former settings that are 0 out; without any it returns the text as it is.
func withoutFormer(text []byte) []byte {
	type object = map[string]json.RawMessage
	var all, gossip object
	if json.Unmarshal(text, &all) != nil || json.Unmarshal(all["gossip"], &gossip) != nil {
		return text
	}
	dropped := false
	for group, names := range formerSettings {
		var fields object
		if json.Unmarshal(gossip[group], &fields) != nil {
			continue
		}
		for _, name := range names {
			if string(fields[name]) == "0" {
				delete(fields, name)
				dropped = true
			}
		}
		gossip[group], _ = json.Marshal(fields)
	}
	if !dropped {
		return text
	}
	all["gossip"], _ = json.Marshal(gossip)
	shorter, _ := json.Marshal(all)
	return shorter
}
