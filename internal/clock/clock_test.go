package clock_test

import (
	"testing"
	"time"

	"linkspan/internal/clock"
)

func TestManualFiresWhenDue(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	m := clock.NewManual(start)
	due, _ := m.After(time.Minute)
	dropped, stop := m.After(time.Second)
	stop()
	m.Advance(59 * time.Second)
	select {
	case <-due:
		t.Fatal("fired a second early")
	default:
	}
	m.Advance(time.Second)
	if got := <-due; !got.Equal(start.Add(time.Minute)) {
		t.Errorf("fired at %v", got)
	}
	select {
	case <-dropped:
		t.Error("a stopped timer fired")
	default:
	}
	m.Set(start.Add(-time.Hour))
	if !m.Now().Equal(start.Add(-time.Hour)) {
		t.Error("the clock cannot be set back")
	}
}
