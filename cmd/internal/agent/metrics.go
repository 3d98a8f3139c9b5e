package agent

// This file is what Prometheus reads: the node's own state at the moment of the scrape, and the Go
// runtime's.

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// newMetrics serves a node's metrics from a registry of its own.
func newMetrics(node Node) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(&collector{node}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// metric is one family of samples and how it is read from a node's state.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(i starling.Info, emit func(value float64, labels ...string))
}

func newMetric(kind prometheus.ValueType, name, help string, labels []string,
	read func(starling.Info, func(float64, ...string))) metric {
	return metric{prometheus.NewDesc(name, help, labels, nil), kind, read}
}

// one is a read of a single sample.
func one(value func(starling.Info) float64) func(starling.Info, func(float64, ...string)) {
	return func(i starling.Info, emit func(float64, ...string)) { emit(value(i)) }
}

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

var metrics = []metric{
	newMetric(gauge, "starling_node_info", "Always 1; what the node is, in its labels.",
		[]string{"name", "cluster", "zone", "detector", "version"},
		func(i starling.Info, emit func(float64, ...string)) {
			emit(1, i.Self.Name, i.Cluster, i.Self.Zone, string(i.Detector), Version())
		}),
	newMetric(gauge, "starling_members", "Members that this node knows, itself included, by "+
		"state, the failed by cause too.", []string{"state", "cause"},
		func(i starling.Info, emit func(float64, ...string)) {
			for _, s := range []starling.State{starling.Alive, starling.Suspect, starling.Left} {
				emit(float64(i.Members[s]), s.String(), "")
			}
			for c, n := range i.Failed {
				emit(float64(n), starling.Failed.String(), string(c))
			}
		}),
	newMetric(gauge, "starling_unreached", "1 when others hear this node, and nothing that they "+
		"send to its address comes here, else 0.", nil,
		one(func(i starling.Info) float64 { return number(i.Unreached) })),
	newMetric(gauge, "starling_undecided", "Live members that are silent, while too few others "+
		"answer to judge them.", nil,
		one(func(i starling.Info) float64 { return float64(i.Undecided) })),
	newMetric(gauge, "starling_tcp_filtered", "Watched members whose TCP port does not answer "+
		"this node.", nil,
		one(func(i starling.Info) float64 { return float64(i.Filtered) })),
	newMetric(gauge, "starling_tcp_own_filtered", "1 if nobody comes to this node's own TCP "+
		"port, though others were asked to try it.", nil,
		one(func(i starling.Info) float64 { return number(i.OwnFiltered) })),
	newMetric(gauge, "starling_paths_broken", "Live members that do not answer this node, and "+
		"that others reach.", nil,
		one(func(i starling.Info) float64 { return float64(len(i.Broken)) })),
	newMetric(gauge, "starling_paths_small", "Live members between which and this node its "+
		"longest datagrams do not pass, though short ones do.", nil,
		one(func(i starling.Info) float64 { return float64(len(i.Small)) })),
	newMetric(gauge, "starling_paths_checked", "Live members between which and this node that "+
		"was looked for.", nil,
		one(func(i starling.Info) float64 { return float64(i.SizesChecked) })),
	newMetric(counter, "starling_path_checks_total",
		"Checks whether long datagrams pass on a way, by result: they did (passed), only short "+
			"ones did (small), "+
			"neither was to be found out (unanswered).", []string{"result"},
		func(i starling.Info, emit func(float64, ...string)) {
			emit(float64(i.Protocol.ChecksPassed), "passed")
			emit(float64(i.Protocol.ChecksSmall), "small")
			emit(float64(i.Protocol.ChecksUnanswered), "unanswered")
		}),
	newMetric(gauge, "starling_agreement_peers", "Peers heard lately (heard), and those of them "+
		"that hold exactly this node's view (same).",
		[]string{"view"},
		func(i starling.Info, emit func(float64, ...string)) {
			emit(float64(i.Same), "same")
			emit(float64(i.Heard), "heard")
		}),
	newMetric(gauge, "starling_welcomed", "1 when a seed has let this node in or it is the "+
		"first of its cluster, else 0.", nil,
		one(func(i starling.Info) float64 { return number(i.Welcomed) })),
	newMetric(gauge, "starling_join_refused", "1 for the reason for which no seed has let this "+
		"node in, as far as it is known, else 0.", []string{"reason"},
		func(i starling.Info, emit func(float64, ...string)) {
			for _, r := range starling.RefusedReasons {
				emit(number(i.RefusedFor == r), r)
			}
		}),
	newMetric(gauge, "starling_settings_unlike", "Live members that have a setting otherwise "+
		"than this node, where all should have the same, as far as it knows.",
		[]string{"setting"}, func(i starling.Info, emit func(float64, ...string)) {
			for _, s := range starling.UnlikeSettings {
				count := 0
				for _, u := range i.Unlike {
					if u.Setting == s {
						count++
					}
				}
				emit(float64(count), s)
			}
		}),
	newMetric(gauge, "starling_deserted", "1 while this node is alone since it had all others "+
		"forgotten, though it heard none of them, else 0.", nil,
		one(func(i starling.Info) float64 { return number(i.Deserted) })),
	newMetric(gauge, "starling_sealed", "1 when traffic is encrypted and authenticated, else "+
		"0.", nil,
		one(func(i starling.Info) float64 { return number(i.Sealed) })),
	newMetric(gauge, "starling_unheard", "1 when this node hears the others, and nobody answers "+
		"what it sends, else 0.", nil,
		one(func(i starling.Info) float64 { return number(i.Unheard) })),
	newMetric(gauge, "starling_isolated", "1 when this node hears from next to nobody, or next "+
		"to nobody hears it, and so declares nobody failed, else 0.", nil,
		one(func(i starling.Info) float64 { return number(i.Isolated) })),
	newMetric(gauge, "starling_view_members", "Members of the last view that all can have "+
		"agreed on (agreed), and those of them that can be reached (reachable).",
		[]string{"view"},
		func(i starling.Info, emit func(float64, ...string)) {
			emit(float64(i.Agreed), "agreed")
			emit(float64(i.Reachable), "reachable")
		}),
	newMetric(gauge, "starling_members_unreachable",
		"Live members that this node does not reach, each for one reason: family (its socket or "+
			"its "+
			"host's routes do not serve their IP family, and others reach them for it), "+
			"unbridged (the "+
			"same, and nobody reaches them for it), or silent (they do not answer it, "+
			"or their zone is silent, and too few others can be asked).", []string{"reason"},
		func(i starling.Info, emit func(float64, ...string)) {
			emit(float64(len(i.OutOfFamily)-len(i.Unbridged)), "family")
			emit(float64(len(i.Unbridged)), "unbridged")
			emit(float64(len(i.Unreachable)-len(i.Unbridged)), "silent")
		}),
	newMetric(gauge, "starling_no_majority", "1 when this node reaches no more than half of the "+
		"live "+
		"members, and of the others nobody here can say whether they are dead, else 0.", nil,
		one(func(i starling.Info) float64 { return number(i.NoMajority) })),
	newMetric(gauge, "starling_alone", "1 while this node's seeds have led to nobody but "+
		"itself, else 0.", nil,
		one(func(i starling.Info) float64 { return number(i.Alone) })),
	newMetric(gauge, "starling_address_gone", "1 while the host has this node's address no more "+
		"and there is no other to take, else 0.", nil,
		one(func(i starling.Info) float64 { return number(i.AddrGone) })),
	newMetric(gauge, "starling_zones_silent", "Other zones of which nobody is heard from "+
		"here.", nil,
		one(func(i starling.Info) float64 { return float64(len(i.Silent)) })),
	total("starling_zone_silences_total", "Times that a whole other zone fell silent.",
		func(p starling.ProtocolStats) uint64 { return p.ZonesSilent }),
	newMetric(gauge, "starling_detection_seconds",
		"From a crash until it is known: for swim the least, otherwise to be expected.", nil,
		one(func(i starling.Info) float64 { return i.Detection.Seconds() })),
	newMetric(gauge, "starling_health_score", "Local health: 0 is good, higher is slower to "+
		"accuse others.", nil,
		one(func(i starling.Info) float64 { return float64(i.Health) })),
	newMetric(gauge, "starling_probe_rtt_seconds",
		"Smoothed round trip of probes, 0 while unknown.", nil,
		one(func(i starling.Info) float64 { return i.RTT.Seconds() })),
	newMetric(gauge, "starling_coordinate_error",
		"Relative error that estimates of round trips had of late, to members of this node's "+
			"zone (inside) and of all (outside); 1 is a guess.",
		[]string{"space"}, coordinateErrors),
	newMetric(counter, "starling_location_questions_total",
		"Members that were asked where they stand, for users of this node, by what came of it.",
		[]string{"result"}, func(i starling.Info, emit func(float64, ...string)) {
			emit(float64(i.Locations.Answered), "answered")
			emit(float64(i.Locations.Unanswered), "unanswered")
		}),
	newMetric(gauge, "starling_start_time_seconds", "When the node started, in Unix time.", nil,
		one(func(i starling.Info) float64 {
			return float64(i.Started.UnixNano()) / float64(time.Second)
		})),
	newMetric(gauge, "starling_incarnation", "This node's incarnation: rises when it "+
		"contradicts a suspicion or changes its tags.", nil,
		one(func(i starling.Info) float64 { return float64(i.Self.Incarnation) })),
	newMetric(counter, "starling_packets_total", "Datagrams received and sent.",
		[]string{"direction"},
		func(i starling.Info, emit func(float64, ...string)) {
			emit(float64(i.Socket.DatagramsIn), "received")
			emit(float64(i.Socket.DatagramsOut), "sent")
		}),
	newMetric(counter, "starling_bytes_total", "Bytes of datagrams received and sent, without "+
		"the headers of IP and UDP.",
		[]string{"direction"},
		func(i starling.Info, emit func(float64, ...string)) {
			emit(float64(i.Socket.BytesIn), "received")
			emit(float64(i.Socket.BytesOut), "sent")
		}),
	newMetric(counter, "starling_zone_packets_total",
		"Datagrams sent to and received from the members of a zone. The sum of "+
			"direction=\"sent\" by (zone, peer_zone) is that of each pair of zones.",
		zoneLabels, zones(func(z *starling.ZoneTraffic) (out, in uint64) {
			return z.PacketsOut,
				z.PacketsIn
		})),
	newMetric(counter, "starling_zone_bytes_total",
		"Bytes of them, without the headers of IP and UDP.",
		zoneLabels, zones(func(z *starling.ZoneTraffic) (out, in uint64) {
			return z.BytesOut,
				z.BytesIn
		})),
	newMetric(gauge, "starling_zone_budget_bytes_per_second",
		"Bytes, with the headers of IP and UDP, that all members of this node's zone together "+
			"may send to another in a second. Not there for zones without a bound.",
		[]string{"zone", "peer_zone"}, budgets),
	total("starling_zone_budget_waits_total", "Times that messages, keys or repair waited since "+
		"the budget for another zone was spent.",
		func(p starling.ProtocolStats) uint64 { return p.PairWaits }),
	newMetric(counter, "starling_packets_dropped_total",
		"Datagrams that were not sent or not used, by reason.", []string{"reason"},
		func(i starling.Info, emit func(float64, ...string)) {
			for reason, n := range drops(i) {
				emit(float64(n), reason)
			}
		}),
	total("starling_probe_packets_sent_total", "Of the datagrams sent, those of the failure "+
		"detector.",
		func(p starling.ProtocolStats) uint64 { return p.ProbesOut }),
	newMetric(counter, "starling_messages_delivered_total",
		"Published messages that came in for the first time.", nil,
		one(func(i starling.Info) float64 { return float64(i.Messages.Delivered) })),
	newMetric(counter, "starling_messages_duplicate_total",
		"Copies of pieces of messages that were here already.", nil,
		one(func(i starling.Info) float64 { return float64(i.Messages.Duplicates) })),
	newMetric(counter, "starling_messages_lost_total",
		"Messages that were skipped, since nobody held them any more.", nil,
		one(func(i starling.Info) float64 { return float64(i.Messages.Lost) })),
	newMetric(gauge, "starling_messages_held", "Pieces of messages that are held for those who "+
		"were away.", nil,
		one(func(i starling.Info) float64 { return float64(i.Messages.Held) })),
	newMetric(gauge, "starling_messages_held_bytes", "Bytes of them.", nil,
		one(func(i starling.Info) float64 { return float64(i.Messages.HeldBytes) })),
	newMetric(gauge, "starling_messages_open_bytes",
		"Bytes that this node published and not everybody has confirmed yet.", nil,
		one(func(i starling.Info) float64 { return float64(i.Messages.Open) })),
	newMetric(counter, "starling_messages_pulled_total",
		"Pieces that were missing and came when asked for.", nil,
		one(func(i starling.Info) float64 { return float64(i.Messages.Pulled) })),
	newMetric(counter, "starling_messages_too_large_total",
		"Pieces that were asked for, are here and cannot be sent: longer than the protocol "+
			"allows.", nil,
		one(func(i starling.Info) float64 { return float64(i.Messages.TooLarge) })),
	newMetric(counter, "starling_messages_refused_total",
		"Publishes refused or made to wait, since too much was on its way.", nil,
		one(func(i starling.Info) float64 { return float64(i.Messages.Backpressure) })),
	newMetric(counter, "starling_message_packets_total",
		"Parcels of pieces sent, by way: down the tree, beside it, offered, and of these again "+
			"for want of an answer.",
		[]string{"way"}, func(i starling.Info, emit func(float64, ...string)) {
			emit(float64(i.Messages.TreeOut), "tree")
			emit(float64(i.Messages.BesideOut), "beside")
			emit(float64(i.Messages.OffersOut), "offer")
			emit(float64(i.Messages.Repeats), "again")
		}),
	newMetric(gauge, "starling_keys_held", "Versioned keys of all members that are held here.", nil,
		one(func(i starling.Info) float64 { return float64(i.Keys.Held) })),
	newMetric(gauge, "starling_keys_held_bytes", "Bytes of them.", nil,
		one(func(i starling.Info) float64 { return float64(i.Keys.HeldBytes) })),
	newMetric(counter, "starling_keys_written_total",
		"Writes and deletions of this node's own keys.", nil,
		one(func(i starling.Info) float64 {
			return float64(i.Keys.Sets + i.Keys.Deletes +
				i.Keys.Lapsed)
		})),
	newMetric(counter, "starling_keys_applied_total", "Changes of others' keys that came in.", nil,
		one(func(i starling.Info) float64 { return float64(i.Keys.Applied) })),
	newMetric(counter, "starling_keys_sent_bytes_total",
		"Bytes of all datagrams about keys that were sent.", nil,
		one(func(i starling.Info) float64 { return float64(i.Keys.BytesOut) })),
	newMetric(gauge, "starling_store_bytes", "Bytes of messages on disk.", nil,
		one(func(i starling.Info) float64 { return float64(i.Store.Bytes) })),
	newMetric(counter, "starling_store_dropped_total",
		"Pieces of messages that could not be kept on disk: it was full, broken or too slow.", nil,
		one(func(i starling.Info) float64 { return float64(i.Store.Dropped) })),
	newMetric(gauge, "starling_store_failing", "1 while no messages are kept on disk although "+
		"they are to be, else 0.", nil,
		one(func(i starling.Info) float64 { return number(i.Store.Err != nil) })),
	newMetric(counter, "starling_store_failed_total",
		"Times that the file of messages could not be opened, read or written.", nil,
		one(func(i starling.Info) float64 { return float64(i.Store.Failed) })),
	newMetric(counter, "starling_store_damaged_total",
		"Times that it was damaged, moved aside and begun anew.", nil,
		one(func(i starling.Info) float64 { return float64(i.Store.Damaged) })),
	newMetric(counter, "starling_store_removed_total",
		"Times that it was removed or replaced while this node had it open.", nil,
		one(func(i starling.Info) float64 { return float64(i.Store.Removed) })),
	total("starling_rumors_dropped_total", "News let go because the queue was full.",
		func(p starling.ProtocolStats) uint64 { return p.QueueDropped }),
	total("starling_refutations_total", "Accusations of this node that it contradicted.",
		func(p starling.ProtocolStats) uint64 { return p.Refuted }),
	total("starling_name_claims_total", "Times that another node claimed this node's name.",
		func(p starling.ProtocolStats) uint64 { return p.NameClaims }),
	total("starling_stalls_total", "Times that this node's own process stood still.",
		func(p starling.ProtocolStats) uint64 { return p.Stalls }),
	newMetric(gauge, "starling_queue_length", "What waits to be sent: news of members, and "+
		"pieces of this node's messages.", []string{"queue"},
		func(i starling.Info, emit func(float64, ...string)) {
			emit(float64(i.Protocol.NewsQueued), "news")
			emit(float64(i.Messages.Queued), "messages")
		}),
}

// Of the labels, zone is this node's own, and both are the widest parts of paths. What belongs to
// no zone that is known has peer_zone="?".
var zoneLabels = []string{"zone", "peer_zone", "direction"}

// zones is a read of two samples for each zone.
func zones(value func(*starling.ZoneTraffic) (out, in uint64)) func(starling.Info,
	func(float64, ...string)) {
	return func(i starling.Info, emit func(float64, ...string)) {
		own := member.Top(i.Self.Zone)
		for _, z := range i.Zones {
			peer := z.Zone
			if z.Unknown {
				peer = "?"
			}
			out, in := value(&z)
			emit(float64(out), own, peer, "sent")
			emit(float64(in), own, peer, "received")
		}
	}
}

// budgets is a read of what there is a bound for.
func budgets(i starling.Info, emit func(float64, ...string)) {
	for _, z := range i.Zones {
		if z.Budget > 0 {
			emit(float64(z.Budget), member.Top(i.Self.Zone), z.Zone)
		}
	}
}

// total is a counter of the protocol.
func total(name, help string, value func(starling.ProtocolStats) uint64) metric {
	return newMetric(counter, name, help, nil,
		one(func(i starling.Info) float64 { return float64(value(i.Protocol)) }))
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// collector reads a node once a scrape, so that all samples are of one moment.
type collector struct{ node Node }

// Describe lists the families.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range metrics {
		ch <- m.desc
	}
}

// Collect reads the node.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	info := c.node.Info()
	for _, m := range metrics {
		m.read(info, func(value float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(m.desc, m.kind, value, labels...)
		})
	}
}
