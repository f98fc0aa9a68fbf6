package hadr

import (
	"context"
	"net/netip"
	"sync"
	"testing"

	"linkspan/hadr/agcore"
	"linkspan/hadr/endpoint"
	"linkspan/lsn"
	"linkspan/sqlerr"
)

// TestStrangersDoNotPileUp: peers that are refused while names are resolved slowly are not kept waiting in numbers.
func TestStrangersDoNotPileUp(t *testing.T) {
	t.Parallel()
	answer := make(chan struct{})
	m := &Manager{links: map[string]*link{}, holds: map[string]map[string]lsn.LSN{}, resolving: make(chan struct{}, maxResolving)}
	m.opts.ErrorLog = func(*sqlerr.Error) {}
	m.opts.Resolve = func(context.Context, string) ([]netip.Addr, error) { <-answer; return nil, nil }
	m.config.Put(&agcore.Group{Name: "d", Distributed: true, Role: agcore.Primary,
		Replicas: []*agcore.Replica{{Name: "a", Local: true}, {Name: "b", URL: "TCP://far.example:5022;Server=[far]"}}})
	m.links["d"] = &link{m: m, name: "d"}
	m.links["d"].snap.Store(&snapshot{})
	const n = 50
	ended := make(chan struct{}, n)
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			m.refused(&endpoint.Refusal{Err: sqlerr.New(28035, "Certificate not found", 89), Addr: "192.0.2.1:1"})
			ended <- struct{}{}
		})
	}
	for range n - maxResolving {
		<-ended // hangs when each of them waits for the name
	}
	close(answer)
	all.Wait()
}
