package engine

import (
	"testing"
	"time"

	"linkspan/migrate/flow"
)

// TestScanInterval: a source is looked at as often as its migration wants at least, more often where that is cheap, quickly
// after something came, and never more than half of the time.
func TestScanInterval(t *testing.T) {
	t.Parallel()
	came := []flow.Event{{Kind: flow.Scanned, Files: []flow.Seen{{Name: "a.bak"}}}}
	for _, c := range []struct {
		name        string
		every, took time.Duration
		events      []flow.Event
		want        time.Duration
	}{
		{"cheap", 8 * time.Second, time.Millisecond, nil, 2 * time.Second},
		{"as the spec says", 400 * time.Millisecond, time.Millisecond, nil, 100 * time.Millisecond},
		{"dear", 2 * time.Second, 150 * time.Millisecond, nil, 1500 * time.Millisecond},
		{"very dear", 2 * time.Second, 5 * time.Second, nil, 5 * time.Second},
		{"something came", 8 * time.Second, time.Millisecond, came, quick},
	} {
		if got := new(watch).interval(c.every, c.events, c.took); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
