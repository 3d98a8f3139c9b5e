package agent

// This file is what an agent is told: its flags, which are its environment and its configuration
// file too (package settings), and what they mean to the node.

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/cmd/internal/settings"
	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/inquest"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// DefaultAPI is where an agent serves its API, and where the client commands look for it.
const DefaultAPI = "127.0.0.1:7748"

// Config is what an agent is started with.
type Config struct {
	Name, Bind, Advertise string
	AdvertiseOutside      string
	Join                  []string
	Cluster, Zone         string
	Tags                  map[string]string
	KeyFile               string
	DataDir               string
	API, APITokenFile     string
	LogFormat, LogLevel   string
	LeaveTimeout          time.Duration
	Retention             time.Duration
	MTU, Budget           int
	ZoneBudget            int           // 0: none
	PairBudgets           []string      // each A:B=BYTES
	Retain                time.Duration // 0: the library's default, in memory alone
	RetainBytes           int           // 0: the library's default
	Detector, Profile     string
	Grace                 time.Duration // 0: the profile's
	ZoneGrace             time.Duration // 0: none
	ShareSuspicions       bool
}

// Flags adds a flag for each setting, with its default.
func (c *Config) Flags(f *pflag.FlagSet) {
	f.StringVar(&c.Name, "name", "", "name of this node, unique in the cluster (default the "+
		"host's name)")
	f.StringVar(&c.Bind, "bind", ":7747", "`HOST:PORT` to receive gossip on, over UDP; port 0 "+
		"takes a free one")
	f.StringVar(&c.Advertise, "advertise", "", "`HOST[:PORT]` that the others send to (default "+
		"where it is bound)")
	f.StringVar(&c.AdvertiseOutside, "advertise-outside", "",
		"`HOST[:PORT]` that nodes of other zones send to (default where all do)")
	f.StringSliceVar(&c.Join, "join", nil, "`ADDR[,ADDR...]` of nodes that are in the cluster: "+
		"IP, IP:PORT, HOST or HOST:PORT")
	f.StringVar(&c.Cluster, "cluster", "starling",
		"name of the cluster; clusters of different names never mix")
	f.StringVar(&c.Zone, "zone", "", "where this node is, the widest part first: eu/frankfurt/r12")
	f.Var(settings.NewMap(&c.Tags), "tag", "`key=value` that the others see; may be repeated; "+
		"640 bytes in all")
	f.StringVar(&c.KeyFile, "key-file", "", "`FILE` of cluster keys, one a line, the one that "+
		"seals first (see starling keygen); SIGHUP reads it again")
	f.StringVar(&c.DataDir, "data-dir", "", "`DIR` to remember the peers in, so that a restart "+
		"needs no --join, and with --retain the messages")
	f.DurationVar(&c.Retain, "retain", 0, "how long messages are held for those who were away, "+
		"with --data-dir on disk too (default 1m, in memory)")
	f.IntVar(&c.RetainBytes, "retain-bytes", 0, "how many `BYTES` of them at most, in memory, "+
		"and with --data-dir and --retain once more on disk (default 8 MiB, 64 MiB)")
	f.StringVar(&c.API, "api", DefaultAPI, "`HOST:PORT` to serve the API on, over HTTP")
	f.StringVar(&c.APITokenFile, "api-token-file", "",
		"`FILE` with the token that the API demands; a must when it listens beyond loopback")
	f.StringVar(&c.LogFormat, "log-format", "text", "text or json")
	f.StringVar(&c.LogLevel, "log-level", "info", "debug, info, warn or error")
	f.DurationVar(&c.LeaveTimeout, "leave-timeout", 5*time.Second,
		"how long a leave may take at a signal")
	f.DurationVar(&c.Retention, "retention", 24*time.Hour,
		"how long failed and left members are remembered and failed ones dialled again")
	f.StringVar(&c.Detector, "detector", gossip.DefaultDetector.String(),
		"failure detector: "+strings.Join(gossip.DetectorNames(), ", ")+"; all nodes alike")
	f.StringVar(&c.Profile, "profile", gossip.ProfileNames[0],
		"kind of network: "+strings.Join(gossip.ProfileNames, ", ")+"; all nodes alike")
	f.DurationVar(&c.Grace, "grace", 0, "with the detector inquest, the silence that is granted "+
		"a member (default the profile's: 1.5s, wan 3s, local 750ms)")
	f.DurationVar(&c.ZoneGrace, "zone-grace", inquest.DefaultZoneGrace,
		"with the detector inquest, how long the members of a zone that is silent as a whole "+
			"are held; 0s: no longer than others")
	f.BoolVar(&c.ShareSuspicions, "share-suspicions", false,
		"with the detector inquest, tell all members whom this node suspects, and not only who "+
			"asks it")
	f.IntVar(&c.MTU, "mtu", wire.DefaultMTU, "most bytes of a datagram on the wire, sealed or "+
		"not, without the headers of IP and UDP; more than 1200 for a LAN alone")
	f.IntVar(&c.Budget, "budget", 1<<20, "most bytes a second of news that this node sends")
	f.IntVar(&c.ZoneBudget, "zone-budget", 0, "most `BYTES` a second that the nodes of a zone "+
		"send to each other zone, all together; 0: no bound; all nodes alike")
	f.StringSliceVar(&c.PairBudgets, "pair-budget", nil,
		"the same between two zones, each way, in place of --zone-budget: `A:B=BYTES`, an empty "+
			"name for nodes without a zone; may be repeated")
}

// Load sets what the flags did not say from the environment and then from the file that the flag
// "config" names.
func Load(flags *pflag.FlagSet, lookup func(string) (string, bool)) error {
	if err := settings.FromEnv(flags, lookup); err != nil {
		return err
	}
	path := flags.Lookup("config").Value.String()
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("the configuration file: %w", err)
	}
	return settings.FromFile(flags, path, text)
}

// settingError is an error about a setting: a starling.ErrConfig in its own words.
type settingError struct{ error }

func (e settingError) Unwrap() error      { return e.error }
func (settingError) Is(target error) bool { return target == starling.ErrConfig }

// node translates to what the library wants.
func (c *Config) node(log *slog.Logger) (starling.Config, error) {
	sc := starling.Config{
		Name: c.Name, Bind: c.Bind, Advertise: c.Advertise, AdvertiseOutside: c.AdvertiseOutside,
		Seeds:   c.Join,
		Cluster: c.Cluster, Zone: c.Zone, Tags: c.Tags, Logger: log,
	}
	sc.Retain = starling.Retain{Age: c.Retain, Bytes: c.RetainBytes}
	if c.Retain > 0 {
		sc.Retain.Dir = c.DataDir
	}
	if c.Retain < 0 || c.RetainBytes < 0 {
		return sc, settingError{fmt.Errorf("--retain %s and --retain-bytes %d: they cannot be "+
			"negative", c.Retain, c.RetainBytes)}
	}
	var err error
	if sc.Tuning, err = c.tuning(); err != nil {
		return sc, settingError{err}
	}
	if c.KeyFile == "" {
		return sc, nil
	}
	if sc.KeyRing, err = starling.ReadKeyFile(c.KeyFile); err != nil {
		return sc, fmt.Errorf("--key-file: %w", err)
	}
	return sc, nil
}

// The graces that can be: less is shorter than the pauses of a healthy process, more is no
// detection.
const minGrace, maxGrace = 200 * time.Millisecond, time.Minute

// maxZoneGrace is for how long a zone that may be dead can be held at most.
const maxZoneGrace = 24 * time.Hour

// tuning is what of the protocol is set.
func (c *Config) tuning() (t starling.Tuning, err error) {
	if _, err = gossip.Profile(c.Profile); err != nil {
		return t, fmt.Errorf("--profile: %w", err)
	}
	if _, err = gossip.ParseDetector(c.Detector); err != nil {
		return t, fmt.Errorf("--detector: %w", err)
	}
	t.Profile, t.Detector = starling.Profile(c.Profile), starling.Detector(c.Detector)
	if t.ShareSuspicions = c.ShareSuspicions; c.ShareSuspicions && t.Detector != starling.Inquest {
		return t, fmt.Errorf("--share-suspicions is for the detector inquest, and this one is %s: "+
			"add --detector inquest, or leave it out", t.Detector)
	}
	switch {
	case c.Grace == 0:
	case t.Detector != starling.Inquest:
		return t, fmt.Errorf("--grace %s is for the detector inquest, and this one is %s: add "+
			"--detector inquest, or leave it out",
			c.Grace, t.Detector)
	case c.Grace < minGrace || c.Grace > maxGrace:
		return t, fmt.Errorf("--grace %s: from %s to %s is possible", c.Grace, minGrace, maxGrace)
	default:
		t.Tolerance = c.Grace
	}
	switch {
	case c.ZoneGrace < 0 || c.ZoneGrace > maxZoneGrace:
		return t, fmt.Errorf("--zone-grace %s: from 0s to %s is possible", c.ZoneGrace,
			maxZoneGrace)
	case c.ZoneGrace == 0:
		t.ZoneGrace = -1
	default:
		t.ZoneGrace = c.ZoneGrace
	}
	t.Retention, t.MTU, t.NewsRate, t.ZoneRate = c.Retention, c.MTU, c.Budget, c.ZoneBudget
	for _, text := range c.PairBudgets {
		pair, err := parsePair(text)
		if err != nil {
			return t, fmt.Errorf("--pair-budget %q: %w", text, err)
		}
		t.PairRates = append(t.PairRates, pair)
	}
	return t, nil
}

// parsePair reads A:B=BYTES. What zones and how many bytes there can be, the core says.
func parsePair(text string) (p starling.PairRate, err error) {
	pair, bytes, ok := strings.Cut(text, "=")
	names := strings.Split(pair, ":")
	if !ok || len(names) != 2 {
		return p, fmt.Errorf("two zones and the bytes a second between them are wanted, as in " +
			"eu:us=1000000")
	}
	p.Zones = [2]string(names)
	if p.Rate, err = strconv.Atoi(bytes); err != nil {
		return p, fmt.Errorf("%q is not a number of bytes a second, as in eu:us=1000000", bytes)
	}
	return p, nil
}

// maxToken bounds a token file in bytes; minToken is what a guesser would need too long for.
const maxToken, minToken = 4096, 16

// token reads the API's token. Without a file there is none, which only an API on loopback may do.
func (c *Config) token() (string, error) {
	if c.APITokenFile != "" {
		return ReadToken(c.APITokenFile)
	}
	if !isLoopback(c.API) {
		return "", settingError{fmt.Errorf("--api %s can be reached from other machines, so it "+
			"needs --api-token-file: "+
			"make one with 'starling keygen > token', or listen on %s", c.API, DefaultAPI)}
	}
	return "", nil
}

// ReadToken reads a token from a file: its text without the space around it.
func ReadToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("--api-token-file: %w", err)
	}
	t := strings.TrimSpace(string(text))
	if len(t) < minToken || len(t) > maxToken || strings.ContainsAny(t, " \t\r\n") {
		return "", fmt.Errorf("--api-token-file %s: the token must be one word of %d to %d "+
			"characters; make one with 'starling keygen'",
			path, minToken, maxToken)
	}
	return t, nil
}

// isLoopback says whether only this machine can reach a listening address.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// NewLogger makes the agent's logger.
func (c *Config) NewLogger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return nil, fmt.Errorf("--log-level %q: debug, info, warn or error is wanted", c.LogLevel)
	}
	opts := &slog.HandlerOptions{Level: level}
	switch c.LogFormat {
	case "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return nil, fmt.Errorf("--log-format %q: text or json is wanted", c.LogFormat)
}
