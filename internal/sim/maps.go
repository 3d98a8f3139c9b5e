package sim

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"
)

// This file is maps: how far zones are from each other.

// Maps are the names that Map knows.
func Maps() []string { return []string{"three", "world", "internet"} }

// Map sets the latencies between so many zones. "three" are zones with round trips of 40, 60 and 80
// ms. "world" are the first of twenty cities, with round trips of 3 to 300 ms. "internet" are the
// same cities over cables that take detours, with each host behind a link of its own, which carries
// 100 Mbit a second each way unless another rate is set.
func (n *Network) Map(name string, zones int) error {
	var all []time.Duration // round trips
	least, most := 2, 0
	switch name {
	case "three":
		least, most = 3, 3
		all = []time.Duration{40 * time.Millisecond, 80 * time.Millisecond, 60 * time.Millisecond}
	case "world", "internet":
		most = len(cities)
		for a := range min(zones, most) {
			for b := a + 1; b < min(zones, most); b++ {
				d := roundTrip(&cities[a], &cities[b])
				if name == "internet" {
					d += detour(d, a, b)
				}
				all = append(all, d)
			}
		}
		if name == "internet" {
			if n.Access.IsZero() {
				n.Access = Lognormal(500*time.Microsecond, 1)
			}
			n.Own = cmp.Or(n.Own, Bandwidth{Rate: 100e6 / 8})
		}
	default:
		return fmt.Errorf("there is no map %q; there are %s", name, strings.Join(Maps(), ", "))
	}
	if zones < least || zones > most {
		return fmt.Errorf("the map %q is for %d to %d zones, not for %d", name, least, most, zones)
	}
	n.Paths = nil
	for a := range zones {
		for b := a + 1; b < zones; b++ {
			n.Paths = append(n.Paths, Path{A: a, B: b,
				Link: Link{Latency: far(all[0] / 2), Loss: n.Between.Loss}})
			all = all[1:]
		}
	}
	return nil
}

// detour is what the cable between two cities takes more: a tenth in the mean, for many next to
// nothing and for some much.
func detour(trip time.Duration, a, b int) time.Duration {
	rng := newStream(0, 8, uint64(a), uint64(b))
	share := -0.1 * math.Log(float64(rng.Uint64()>>11+1)/(1<<53))
	return time.Duration(math.Round(float64(trip)*share/1000)) * 1000
}

// far is the latency of a long way: nearly constant, with a little queueing.
func far(oneWay time.Duration) Latency {
	return Lognormal(oneWay/100+100*time.Microsecond, 0.5).Plus(oneWay * 99 / 100)
}

// city is where a zone of the map "world" is, in degrees.
type city struct {
	name                string
	latitude, longitude float64
}

var cities = [...]city{
	{"New York", 40.71, -74.01}, {"San Francisco", 37.77, -122.42}, {"Frankfurt", 50.11,
		8.68}, {"Singapore", 1.35, 103.82},
	{"Tokyo", 35.68, 139.69}, {"São Paulo", -23.55, -46.63}, {"Sydney", -33.87,
		151.21}, {"Mumbai", 19.08, 72.88},
	{"London", 51.51, -0.13}, {"Johannesburg", -26.20, 28.05}, {"Seoul", 37.57,
		126.98}, {"Dallas", 32.78, -96.80},
	{"Amsterdam", 52.37, 4.90}, {"Brussels", 50.85, 4.35}, {"Stockholm", 59.33,
		18.07}, {"Madrid", 40.42, -3.70},
	{"Dubai", 25.20, 55.27}, {"Hong Kong", 22.32, 114.17}, {"Montréal", 45.50,
		-73.57}, {"Milan", 45.46, 9.19},
}

// Light in fibre takes 1 ms for 200 km, and cables are about 1.6 times as long as the great circle.
const (
	fibre   = 200.0 // km in a millisecond
	stretch = 1.6
	radius  = 6371.0 // km
)

// roundTrip is how long light takes from a city to another and back, with a little for what stands
// between.
func roundTrip(a, b *city) time.Duration {
	rad := math.Pi / 180
	h := math.Pow(math.Sin((b.latitude-a.latitude)*rad/2), 2) +
		math.Cos(a.latitude*rad)*math.Cos(b.latitude*rad)*
			math.Pow(math.Sin((b.longitude-a.longitude)*rad/2), 2)
	km := 2 * radius * math.Asin(math.Sqrt(h))
	return time.Duration(math.Round(2*km*stretch/fibre*1000))*time.Microsecond +
		300*time.Microsecond
}
