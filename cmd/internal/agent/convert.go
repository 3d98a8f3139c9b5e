package agent

// This file turns the library's values into the API's shapes.

import (
	"fmt"
	"runtime/debug"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/api"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// stateNames are the states as the API has them.
var stateNames = []string{
	starling.Alive.String(), starling.Suspect.String(), starling.Failed.String(),
	starling.Left.String(),
}

func toMember(m starling.Member) api.Member {
	return api.Member{
		Name: m.Name, Addr: m.Addr.String(), State: m.State.String(), Cause: string(m.Cause),
		Zone: m.Zone, Tags: m.Tags.Map(),
		Generation: m.Generation, Incarnation: m.Incarnation, Since: m.Since.UTC(),
		OutOfFamily: m.OutOfFamily,
	}
}

func toEvent(e starling.Event) api.Event {
	out := api.Event{Time: e.Time.UTC(), Event: e.Kind.String()}
	if e.Kind == starling.Resync {
		return out
	}
	if e.Kind == starling.ZoneUnreachable || e.Kind == starling.ZoneRecovered {
		out.Zone, out.Members = e.Zone.Name, e.Zone.Members
		return out
	}
	out.Silent, out.Members = e.Silent, e.Of
	m := e.Member
	out.Name, out.Addr, out.State, out.Zone, out.Tags = m.Name, m.Addr.String(), m.State.String(),
		m.Zone, m.Tags.Map()
	out.Cause = string(m.Cause)
	out.Generation, out.Incarnation = m.Generation, m.Incarnation
	return out
}

func toMessage(m starling.Message) api.Message {
	payload := m.Payload
	if payload == nil {
		payload = []byte{} // "" in JSON, not null
	}
	return api.Message{Time: m.Time.UTC(), Topic: m.Topic, Origin: m.Origin,
		Generation: m.Generation, Seq: m.Seq, Payload: payload, Missed: m.Missed, Lost: m.Lost}
}

func toPath(p *starling.Path) api.Path {
	out := api.Path{
		Name: p.Name, Addr: p.Addr.String(), Probes: p.Probes, Answers: p.Answers, Loss: p.Loss,
		RTT:    p.RTT.Seconds(),
		Passed: p.Passed, TooLong: p.TooLong, TCP: p.Port, Broken: p.Broken,
		Unreachable: p.Unreachable, Silent: p.Silent, Mute: p.Mute, OutOfFamily: p.OutOfFamily,
	}
	if !p.Heard.IsZero() {
		heard := p.Heard.UTC()
		out.Heard, out.From = &heard, p.From.String()
	}
	if p.SeenAs.IsValid() {
		out.SeenAs = p.SeenAs.String()
	}
	if !p.Checked.IsZero() {
		checked := p.Checked.UTC()
		out.Checked = &checked
	}
	return out
}

func toInfo(i starling.Info) api.Info {
	out := api.Info{
		Member: toMember(i.Self), Cluster: i.Cluster, ClusterID: clusterID(i.ClusterID),
		Version: Version(), Detector: string(i.Detector),
		Sealed: i.Sealed, Welcomed: i.Welcomed, Started: i.Started.UTC(),
		Uptime:  i.Uptime.Seconds(),
		Silent:  []api.SilentZone{},
		Members: map[string]int{}, Agreement: api.Agreement{Same: i.Same, Heard: i.Heard},
		Filtered: i.Filtered, FilteredPort: i.FilteredPort, Watched: i.Watched,
		Unreached: i.Unreached, Undecided: i.Undecided, Broken: append([]string{}, i.Broken...),
		Failed:   map[string]int{},
		Isolated: i.Isolated, Unreachable: append([]string{}, i.Unreachable...),
		Detection: i.Detection.Seconds(), Health: i.Health, RTT: i.RTT.Seconds(),
		Traffic: api.Traffic{
			SentPackets: i.Socket.DatagramsOut, SentBytes: i.Socket.BytesOut,
			ReceivedPackets: i.Socket.DatagramsIn, ReceivedBytes: i.Socket.BytesIn,
			Dropped: map[string]uint64{}, Zones: []api.ZoneTraffic{},
			BudgetWaits: i.Protocol.PairWaits,
		},
	}
	out.Unheard, out.Unserved = i.Unheard, i.Unserved
	out.Deserted, out.Refused, out.RefusedFor = i.Deserted, i.Refused, i.RefusedFor
	if !i.LastHeard.IsZero() {
		at := i.LastHeard.UTC()
		out.LastHeard = &at
	}
	out.OwnFiltered = i.OwnFiltered
	out.Mute, out.FilteredAt = append([]string{}, i.Mute...), append([]string{}, i.FilteredNames...)
	if !i.LastConnection.IsZero() {
		at := i.LastConnection.UTC()
		out.Connected = &at
	}
	out.Unlike = []api.Unlike{}
	for _, u := range i.Unlike {
		out.Unlike = append(out.Unlike, api.Unlike(u))
	}
	out.OtherKeys = append([]string{}, i.OtherKeys...)
	out.SmallPaths, out.SizesChecked, out.Longest = []api.SmallPath{}, i.SizesChecked, i.Longest
	for _, p := range i.Small {
		out.SmallPaths = append(out.SmallPaths, api.SmallPath(p))
	}
	out.Unbridged, out.NoMajority = append([]string{}, i.Unbridged...), i.NoMajority
	out.Alone, out.AddrGone, out.OutOfFamily = i.Alone, i.AddrGone, append([]string{},
		i.OutOfFamily...)
	if i.Translated.IsValid() {
		out.Translated, out.TranslatedHere = i.Translated.String(), i.TranslatedHere
	}
	if m := i.Moved; m != nil {
		out.Moved = &api.Move{From: m.From.String(), To: m.To.String(), Time: m.Time.UTC()}
	}
	if st := i.Store; st.Path != "" {
		out.Store = &api.Store{Path: st.Path, Pieces: st.Held, Bytes: st.Bytes,
			Dropped: st.Dropped, Failed: st.Failed, Damaged: st.Damaged, Removed: st.Removed}
		if st.Err != nil {
			out.Store.Error = st.Err.Error()
		}
	}
	out.Coordinates = toCoordinates(&i)
	out.View = api.View{Agreed: i.Agreed, Reachable: i.Reachable}
	for _, z := range i.Silent {
		out.Silent = append(out.Silent, api.SilentZone{Zone: z.Name, Members: z.Members,
			Since: z.Since.UTC()})
	}
	for _, z := range i.Zones {
		out.Traffic.Zones = append(out.Traffic.Zones, api.ZoneTraffic{
			Zone: z.Zone, Own: !z.Unknown && z.Zone == member.Top(i.Self.Zone), Unknown: z.Unknown,
			SentPackets: z.PacketsOut, SentBytes: z.BytesOut, ReceivedPackets: z.PacketsIn,
			ReceivedBytes: z.BytesIn,
			Budget:        z.Budget,
		})
	}
	for _, state := range []starling.State{starling.Alive, starling.Suspect, starling.Failed,
		starling.Left} {
		out.Members[state.String()] = i.Members[state]
	}
	for c, n := range i.Failed {
		out.Failed[string(c)] = n
	}
	for reason, n := range drops(i) {
		out.Traffic.Dropped[reason] = n
	}
	return out
}

func toWhy(name string, all []starling.Verdict, detector string) api.Why {
	out := api.Why{Name: name, Detector: detector, Verdicts: []api.Verdict{}}
	for _, v := range all {
		x := api.Verdict{Time: v.Time.UTC(), Kind: v.Kind.String(), After: v.After.Seconds()}
		if v.Explained {
			x.Evidence = &api.Evidence{Accuser: v.Accuser, Cause: string(v.Cause),
				Pings: v.Pings, Span: v.Span.Seconds(), Seats: v.Seats, Votes: []api.Vote{}}
			for _, o := range v.Votes {
				x.Evidence.Votes = append(x.Evidence.Votes,
					api.Vote{Juror: o.Juror, Cause: string(o.Cause), Pings: o.Pings,
						Span: o.Span.Seconds()})
			}
		}
		if v.HeardFrom.IsValid() {
			out.Heard = v.HeardFrom.String()
		}
		out.Verdicts = append(out.Verdicts, x)
	}
	return out
}

// clusterID is a cluster's ID as text, empty for none.
func clusterID(id uint64) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprintf("%016x", id)
}

// drops are the packets that were not used, by reason.
func drops(i starling.Info) map[string]uint64 {
	return map[string]uint64{
		"truncated":     i.Socket.Truncated,
		"read_error":    i.Socket.ReadErrors,
		"send_error":    i.Socket.SendErrors,
		"send_buffer":   i.Socket.SendDropped,
		"kernel_buffer": i.Socket.KernelDrops,
		"altered":       i.Altered,
		"unopened":      i.Unopened,
		"malformed":     i.Protocol.Malformed,
		"unknown_type":  i.Protocol.UnknownType,
		"other_cluster": i.Protocol.OtherCluster,
		"misaddressed":  i.Protocol.Misaddressed,
		"namesake":      i.Protocol.Namesake,
	}
}

// Version returns the version that the program was built with: a release, a commit, or "devel".
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}
