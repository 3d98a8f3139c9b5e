package topology

import (
	"math"
	"time"
)

// Dimensions is how many a coordinate has beside its height. Two and a height do as well as five
// without (Dabek et al. 2004, section 5.4); the third is worth its three bytes on a globe.
const Dimensions = 3

// Coordinate is where a node stands in a space in which distances are round trips. It is a point of
// a Euclidean space, which has the distances of backbones, and a height above it. The height is the
// way from the node to its backbone, which every packet takes. Its unit is the microsecond, on the
// wire and off it, so that sender and receiver reckon with the same.
type Coordinate struct {
	Point  [Dimensions]int32 // each -MaxAxis to MaxAxis
	Height uint32            // 1 to MaxAxis
	// of estimates with it, relative, of late, in 1/64; 64: they are guesses
	Error uint8
}

// MaxAxis bounds each part of a coordinate, in microseconds: round trips of more than some seconds
// are none.
const MaxAxis = 1<<23 - 1

// RTT estimates the round trip between two nodes that stand at these coordinates.
func (c *Coordinate) RTT(o *Coordinate) time.Duration {
	p, q := c.spot(), o.spot()
	return time.Duration(p.distance(&q) * float64(time.Microsecond))
}

// ErrorTo returns the relative error that estimates with these two coordinates had of late: 0.1 is
// a tenth.
func (c *Coordinate) ErrorTo(o *Coordinate) float64 {
	return math.Sqrt(float64(int(c.Error)*int(c.Error)+int(o.Error)*int(o.Error))/2) / errorUnit
}

const errorUnit = 64

// spot is a coordinate to reckon with. Products are rounded one by one (the conversions see to it),
// since equal inputs must give equal bytes on machines that would fuse them with sums, too.
type spot struct {
	point  [Dimensions]float64
	height float64
	error  float64 // at most guess
}

func (c *Coordinate) spot() (s spot) {
	for i, x := range c.Point {
		s.point[i] = float64(x)
	}
	s.height, s.error = float64(c.Height), min(float64(c.Error)/errorUnit, guess)
	return s
}

func (s *spot) coordinate() (c Coordinate) {
	for i, x := range s.point {
		c.Point[i] = int32(min(max(math.Round(x), -MaxAxis), MaxAxis))
	}
	c.Height = uint32(min(max(math.Round(s.height), 1), MaxAxis))
	c.Error = uint8(math.Round(s.error * errorUnit))
	return c
}

// flat is the distance without heights.
func (s *spot) flat(o *spot) float64 {
	sum := 0.0
	for i := range s.point {
		d := s.point[i] - o.point[i]
		sum += float64(d * d)
	}
	return math.Sqrt(sum)
}

func (s *spot) distance(o *spot) float64 { return s.flat(o) + s.height + o.height }
