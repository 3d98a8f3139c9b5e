// Package sim runs a whole cluster in virtual time: thousands of gossip.Node, the same core that
// runs in production, joined by simulated links that carry their real bytes. Equal options give an
// equal run, to the last byte, on any machine and for any number of workers; Report.Trace, a hash
// over everything that happened, says so.
//
// A run has two parts. First all nodes start and join, and the world waits until every table is
// complete. Then comes the scenario, a list of "at TIME do WHAT to WHOM" whose clock starts when
// the join has settled. Checkers watch both and report what must never happen; meters report what a
// person wants to know.
//
// A worker (Options.Workers) is one goroutine and one event queue; several meet at the end of each
// window of time. Nothing in here reads a clock, and no result depends on speed.
package sim
