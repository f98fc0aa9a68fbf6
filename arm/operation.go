package arm

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"linkspan/armtypes"
	"linkspan/internal/clock"
	"linkspan/internal/startstop"
)

// Bounds on operations.
const (
	maxRunning  = 64
	maxFinished = 4096
)

// errSuperseded is the cause with which a DELETE ends the creation that still runs.
var errSuperseded = errors.New("a later request deletes the resource")

// operation is one long-running piece of work. What is below mu changes.
type operation struct {
	id, name string
	// key is the resource it works on; same is what a repeated request must have in common to be the same request.
	key, same string
	started   time.Time
	// result makes the resource that the operation left, as the given version shows it; nil means nothing is left.
	result func(ctx context.Context, v armtypes.Version) (any, error)
	done   chan struct{} // closed when it ended
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	status string
	ended  time.Time
	err    *armtypes.Error
}

// state reads what changes.
func (o *operation) state() armtypes.OperationStatus {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := armtypes.OperationStatus{Name: o.id, Status: o.status, StartTime: o.started.UTC(), Error: o.err}
	if !o.ended.IsZero() {
		t := o.ended.UTC()
		s.EndTime = &t
	}
	return s
}

// operations runs and remembers them. They live in memory: a client that polls across a restart finds nothing and
// looks at the resource instead, which is the truth.
type operations struct {
	clock clock.Clock
	keep  time.Duration
	group *startstop.Group
	log   *slog.Logger
	fail  func(err error, id string) *armtypes.Error

	mu   sync.Mutex // protects what follows
	byID map[string]*operation
	// running has the newest unfinished operation of each resource.
	running map[string]*operation
	order   []*operation // oldest first
}

func newOperations(c clock.Clock, keep time.Duration, g *startstop.Group, log *slog.Logger) *operations {
	return &operations{clock: c, keep: keep, group: g, log: log, byID: make(map[string]*operation), running: make(map[string]*operation)}
}

// request describes an operation to start.
type request struct {
	name, key, same string
	// deletes makes it end a creation that still runs on the same resource, wait for that, and go on.
	deletes bool
	work    func(ctx context.Context) error
	result  func(ctx context.Context, v armtypes.Version) (any, error)
}

// start begins an operation, or returns the one already running when it is the same request again.
func (os *operations) start(r request) (*operation, error) {
	os.mu.Lock()
	defer os.mu.Unlock()
	os.forgetLocked()
	before := os.running[r.key]
	if before != nil {
		if before.same == r.same {
			return before, nil
		}
		if !r.deletes {
			return nil, armtypes.Errorf(http.StatusConflict, "ConflictingServerOperation", "An operation (%s) is in progress on the resource. Try again when it has ended.", before.name)
		}
	}
	if len(os.running) >= maxRunning {
		return nil, armtypes.Errorf(http.StatusTooManyRequests, "TooManyOperations", "%d operations are in progress. Try again later.", maxRunning)
	}
	ctx, cancel := context.WithCancelCause(os.group.Context())
	o := &operation{id: newID(), name: r.name, key: r.key, same: r.same, result: r.result, started: os.clock.Now(), status: armtypes.InProgress, done: make(chan struct{}), cancel: cancel}
	if !os.group.Go(func(context.Context) { os.run(ctx, o, before, r.work) }) {
		cancel(startstop.ErrStopped)
		return nil, armtypes.Errorf(http.StatusServiceUnavailable, "ServiceUnavailable", "The endpoint is stopping.")
	}
	os.byID[o.id], os.running[r.key] = o, o
	os.order = append(os.order, o)
	return o, nil
}

func (os *operations) run(ctx context.Context, o, before *operation, work func(context.Context) error) {
	defer o.cancel(nil)
	if before != nil {
		before.cancel(errSuperseded)
		<-before.done
	}
	err := work(ctx)
	o.mu.Lock()
	o.status, o.ended = armtypes.Succeeded, os.clock.Now()
	if err != nil {
		o.status = armtypes.Failed
		if cause := context.Cause(ctx); cause != nil {
			o.status, err = armtypes.Canceled, armtypes.Errorf(http.StatusConflict, "OperationCanceled", "The operation was cancelled: %v.", cause)
		}
		o.err = os.fail(err, o.id)
	}
	o.mu.Unlock()
	if err != nil {
		os.log.Warn("operation failed", "operation", o.name, "id", o.id, "resource", o.key, "cause", err)
	}
	os.mu.Lock()
	if os.running[o.key] == o {
		delete(os.running, o.key)
	}
	os.mu.Unlock()
	close(o.done)
}

// get finds an operation by its id.
func (os *operations) get(id string) *operation {
	os.mu.Lock()
	defer os.mu.Unlock()
	os.forgetLocked()
	return os.byID[id]
}

// current is the operation that runs on the resource, or nil.
func (os *operations) current(key string) *operation {
	os.mu.Lock()
	defer os.mu.Unlock()
	return os.running[key]
}

// forgetLocked drops operations that ended long ago, and the oldest ended ones when there are too many. Needs os.mu.
func (os *operations) forgetLocked() {
	limit := os.clock.Now().Add(-os.keep)
	excess := len(os.order) - maxFinished
	kept := os.order[:0]
	for i, o := range os.order {
		o.mu.Lock()
		old := !o.ended.IsZero() && (o.ended.Before(limit) || i < excess)
		o.mu.Unlock()
		if old {
			delete(os.byID, o.id)
		} else {
			kept = append(kept, o)
		}
	}
	clear(os.order[len(kept):])
	os.order = kept
}
