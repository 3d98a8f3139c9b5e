package starling

// This file is what a node is started with.

import "log/slog"

// Config is what a node is started with. The zero value of each field means its default.
type Config struct {
	// Name is unique in the cluster, 1 to 128 bytes. Default: the host's name.
	Name string
	// Bind is the HOST:PORT to receive on. Default ":7747", which serves IPv4 and IPv6. Port 0
	// takes a free one. A host name is looked up once.
	Bind string
	// Advertise is the HOST or HOST:PORT that the others send to. A host name is looked up until it
	// leads to an address, and not again; the node asks nobody to let it in before. Default: where
	// the socket is bound. If that is all interfaces, it is the address that the host sends from,
	// by its routes, to the first seed that answers, or without seeds to the rest of the world. If
	// there is none it is a global address of the host, IPv4 first and those for containers last;
	// else the loopback, with a warning. When the host's addresses or routes change, the node finds
	// another one and tells the others.
	Advertise string
	// AdvertiseOutside is the HOST or HOST:PORT that members of other zones send to, those whose
	// Zone has another first part. It is the outside of an address translation, or a gateway that
	// passes on UDP as it is, and TCP for the detector Inquest. A name is looked up as that of
	// Advertise is. Default: they send where all do.
	AdvertiseOutside string
	// Seeds are known addresses of the cluster, at most MaxSeeds. Each is IP, IP:PORT, HOST,
	// HOST:PORT, or the name of SRV records, which begins with _ (_starling._udp.db.example) and
	// brings its hosts and ports. All addresses of a name count, MaxSeeds in all, of which 64 are
	// asked at a time, each in its turn. Names are looked up again at every attempt, and by a node
	// that they led to itself alone after 1, 2, 5, 10, 10 ... s. A node without seeds is the first
	// of its cluster until another joins through it; its own address among them is passed over.
	Seeds []string
	// Peers are addresses, IP:PORT, where members of this node's cluster were, at most MaxSeeds
	// with the Seeds. They are asked as seeds are, but if another cluster of the same name lives
	// there now, it does not become one with this one.
	Peers []string
	// Cluster is the cluster's name, at most 32 bytes; clusters of different names never mix.
	// Default "starling".
	Cluster string
	// ClusterID is which cluster of that name this node was in last, as Info.ClusterID told it; 0:
	// it is new, or does not know.
	ClusterID uint64
	// Zone is where the node is, a path with the widest part first, such as "eu/frankfurt/r12".
	Zone string
	// Tags are free key=value pairs, at most 640 bytes in all.
	Tags map[string]string
	// KeyRing seals all traffic. Nil: traffic is neither encrypted nor authenticated, and the log
	// says so at the start.
	KeyRing *KeyRing
	// Retain is how long messages are held for members that were away.
	Retain Retain
	// Logger gets the few lines that a node has to say. Default: none.
	Logger *slog.Logger
	// Tuning is what of the protocol can be set otherwise; the defaults are right for a LAN.
	Tuning Tuning

	machine machine // in tests
}
