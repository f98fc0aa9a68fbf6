package depot

import (
	"bytes"
	"context"
	"io"

	"golang.org/x/time/rate"

	"linkspan/internal/clock"
)

// sip is the most that is passed on at once under a limit, in bytes.
const sip = 64 << 10

// Limit is a bandwidth that copies share. Safe for concurrent use; nil limits nothing.
type Limit struct {
	rate  *rate.Limiter
	clock clock.Clock
}

// NewLimit makes a limit of so many bytes per second; nil when that is 0 or less. A nil clk is the product's clock.
func NewLimit(bytesPerSecond int64, clk clock.Clock) *Limit {
	if bytesPerSecond <= 0 {
		return nil
	}
	if clk == nil {
		clk = clock.System
	}
	return &Limit{rate.NewLimiter(rate.Limit(bytesPerSecond), sip), clk}
}

// wait returns when n bytes may go, n at most sip.
func (l *Limit) wait(ctx context.Context, n int) error {
	if l == nil || n == 0 {
		return ctx.Err()
	}
	now := l.clock.Now()
	r := l.rate.ReserveN(now, n)
	d := r.DelayFrom(now)
	if d <= 0 {
		return ctx.Err()
	}
	c, stop := l.clock.After(d)
	defer stop()
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		r.CancelAt(l.clock.Now())
		return ctx.Err()
	}
}

// reader reads p as fast as the limit lets it.
func (l *Limit) reader(ctx context.Context, p []byte) io.ReadSeeker {
	if l == nil {
		return bytes.NewReader(p)
	}
	return &limited{r: bytes.NewReader(p), ctx: ctx, limit: l}
}

type limited struct {
	r     *bytes.Reader
	ctx   context.Context
	limit *Limit
}

func (r *limited) Read(p []byte) (int, error) {
	n, err := r.r.Read(p[:min(len(p), sip)])
	if err != nil {
		return n, err
	}
	return n, r.limit.wait(r.ctx, n)
}

func (r *limited) Seek(offset int64, whence int) (int64, error) { return r.r.Seek(offset, whence) }
