package agent

// This file is how far members are apart, in the API.

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/starling-gossip/starling"
	"github.com/starling-gossip/starling/api"
)

// rtt tells of two members; the second is the agent's own node if the query does not name it.
func (s *Server) rtt(w http.ResponseWriter, r *http.Request) {
	out := api.RTT{From: r.URL.Query().Get("from"), To: r.URL.Query().Get("to")}
	if out.To == "" {
		out.To = s.node.Self().Name
	}
	ctx, stop := wait(r)
	defer stop()
	rtt, err := s.node.RTTBetween(ctx, out.From, out.To)
	if err != nil {
		s.failNode(w, r, err)
		return
	}
	out.Estimate, out.Error, out.Measured = rtt.Estimate.Seconds(), rtt.Error,
		rtt.Measured.Seconds()
	reply(w, out)
}

// sortNear sorts members by their round trip from one, and adds it. It is no error if the time is
// over first. A member that has not answered by then has no round trip, and comes last, as the dead
// do.
func (s *Server) sortNear(r *http.Request, name string, members []api.Member) error {
	among := []string{name}
	for i := range members {
		among = append(among, members[i].Name)
	}
	ctx, stop := wait(r)
	defer stop()
	near, err := s.node.Near(ctx, name, among...)
	if err != nil && (near == nil || !errors.Is(err, context.DeadlineExceeded)) {
		return err
	}
	place := map[string]int{}
	for i, x := range near {
		if x.Known {
			place[x.Member.Name] = i + 1
		}
	}
	for i := range members {
		m := &members[i]
		if k := place[m.Name]; k > 0 {
			rtt, e := near[k-1].RTT.Estimate.Seconds(), near[k-1].RTT.Error
			m.RTT, m.RTTError = &rtt, &e
		}
	}
	slices.SortFunc(members, func(a, b api.Member) int {
		x, y := place[a.Name], place[b.Name]
		switch {
		case x == 0 && y == 0:
			return strings.Compare(a.Name, b.Name)
		case x == 0 || y == 0:
			return y - x // the known one first
		}
		return x - y
	})
	return nil
}

// toCoordinates says how good estimates are.
func toCoordinates(i *starling.Info) api.Coordinates {
	out := api.Coordinates{Inside: i.EstimateError}
	if i.FarEstimateError >= 0 {
		out.Outside = &i.FarEstimateError
	}
	return out
}

// coordinateErrors are the samples of a metric.
func coordinateErrors(i starling.Info, emit func(float64, ...string)) {
	c := toCoordinates(&i)
	emit(c.Inside, "inside")
	if c.Outside != nil {
		emit(*c.Outside, "outside")
	}
}
