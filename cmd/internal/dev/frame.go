package dev

// This file is the cluster as a spectator sees it: each node as the others hold it to be.

// Look is what the others hold a node to be.
type Look uint8

// The looks. Of two the later one wins, as soon as one node holds it.
const (
	Away Look = iota // nobody knows it
	Alive
	Suspect
	Failed
	Left
)

// Bird is one node in a frame.
type Bird struct {
	Look  Look
	Share float64 // of the running nodes that hold it to be that, from 0 to 1
}

// Frame writes each node's look to birds, which has room for all.
func (c *Cluster) Frame(birds []Bird) {
	c.mu.Lock()
	defer c.mu.Unlock()
	observers := 0
	for _, node := range c.nodes {
		if node != nil {
			observers++
		}
	}
	for s := range birds {
		birds[s] = Bird{}
		for v := left; v > unknown; v-- {
			if k := c.counts[s][v]; k > 0 {
				birds[s] = Bird{Look(v), float64(k) / float64(observers)}
				break
			}
		}
	}
}
