package startstop_test

import (
	"context"
	"errors"
	"testing"

	"linkspan/internal/startstop"
)

func TestStopWaitsAndRefusesMore(t *testing.T) {
	g := startstop.New(t.Context())
	started, ended := make(chan struct{}), false
	g.Go(func(ctx context.Context) {
		close(started)
		<-ctx.Done()
		if !errors.Is(context.Cause(ctx), startstop.ErrStopped) {
			t.Errorf("cause = %v", context.Cause(ctx))
		}
		ended = true
	})
	<-started
	g.Stop()
	g.Stop()
	if !ended {
		t.Error("Stop did not wait")
	}
	if g.Go(func(context.Context) { t.Error("ran after Stop") }) {
		t.Error("Go after Stop reported true")
	}
}
