package starling

import (
	"iter"
	"slices"
	"sync/atomic"
)

// subscribers are the readers of messages. They stand by topic, so that a message costs nothing for
// the readers of other topics. What is lost is counted once for all of them, since nobody knows of
// which topic it was.
type subscribers struct {
	all   []*subscriber            // of every topic
	by    map[string][]*subscriber // of a topic
	count int                      // entries in both; a reader of two topics has two
	lived int                      // of them, when all were last gone through

	lost  uint64 // messages that were passed over; a message in a queue says how many by then
	fresh bool   // some were since the last showGaps
	// the last that a reader is to know of, though no message follows
	shown atomic.Pointer[gap]
}

// add takes in a reader. Readers that are gone are let go when they may be half of all.
func (l *subscribers) add(s *subscriber) {
	if l.count >= 2*l.lived {
		l.sweep()
	}
	s.of, s.told = l, l.lost
	if l.count++; len(s.topics) == 0 {
		l.all = append(l.all, s)
		return
	}
	if l.by == nil {
		l.by = make(map[string][]*subscriber)
	}
	l.count += len(s.topics) - 1
	for _, t := range s.topics {
		l.by[t] = append(l.by[t], s)
	}
}

// sweep lets go of all readers that are gone.
func (l *subscribers) sweep() {
	l.sweepAll()
	for t := range l.by {
		l.sweepTopic(t)
	}
	l.lived = l.count
}

func (l *subscribers) sweepAll() {
	before := len(l.all)
	l.all = prune(l.all)
	l.count += len(l.all) - before
}

func (l *subscribers) sweepTopic(topic string) {
	list := l.by[topic]
	kept := prune(list)
	l.count += len(kept) - len(list)
	if len(kept) == 0 {
		delete(l.by, topic)
	} else if len(kept) < len(list) {
		l.by[topic] = kept
	}
}

// readers yields those of a topic. It looks at no others.
func (l *subscribers) readers(topic []byte) iter.Seq[*subscriber] {
	return func(yield func(*subscriber) bool) {
		if list := l.by[string(topic)]; slices.ContainsFunc(list, (*subscriber).isGone) {
			l.sweepTopic(string(topic))
		}
		if slices.ContainsFunc(l.all, (*subscriber).isGone) {
			l.sweepAll()
		}
		for _, list := range [...][]*subscriber{l.by[string(topic)], l.all} {
			for _, s := range list {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// rouse makes all readers look at what is shown.
func (l *subscribers) rouse() {
	for _, s := range l.all {
		s.rouse()
	}
	for _, list := range l.by {
		for _, s := range list {
			s.rouse()
		}
	}
}
