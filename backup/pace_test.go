package backup

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"linkspan/internal/clock"
)

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		commits := int64(7)
		p := newPace(clock.Machine, func() int64 { return commits })
		paused := func(took time.Duration) time.Duration {
			start := clock.Machine.Now()
			if err := p.after(t.Context(), took); err != nil {
				t.Fatal(err)
			}
			return clock.Machine.Now().Sub(start)
		}
		if got := paused(time.Second); got != 0 {
			t.Errorf("beside nobody it paused %v", got)
		}
		commits++
		if got := paused(10 * time.Millisecond); got != 10*pauseFactor*time.Millisecond {
			t.Errorf("beside a writer it paused %v", got)
		}
		if got := paused(10 * time.Millisecond); got != 0 {
			t.Errorf("after the writer it paused %v", got)
		}
		commits++
		if got := paused(time.Minute); got != pauseMost {
			t.Errorf("on a slow disk it paused %v", got)
		}
		commits++
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("attention")
		cancel(why)
		if err := p.after(ctx, time.Second); !errors.Is(err, why) {
			t.Errorf("a cancelled pause gave %v", err)
		}
	})
}
