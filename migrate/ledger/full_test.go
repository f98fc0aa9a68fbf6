package ledger_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"linkspan/migrate/engine"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// TestFullDiskUnderAnEngine: an engine that cannot store what it found says so and goes on when there is room.
func TestFullDiskUnderAnEngine(t *testing.T) {
	t.Parallel()
	full := &listener{heard: make(chan struct{})}
	l := open(t, filepath.Join(t.TempDir(), "state"), nil)
	create(t, l, "move", "db1")
	if err := l.Ask(t.Context(), "move", "db1", flow.Event{Kind: flow.Start}, "anna"); err != nil {
		t.Fatal(err)
	}
	l.Written(t)
	l.LimitPages(t, l.Pages(t)+1)
	e, err := engine.Start(t.Context(), l, engine.Options{Log: slog.New(full), Backoff: 10 * time.Millisecond,
		Open: func(context.Context, ledger.Activity) (engine.Works, error) { return heap{}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Stop(context.Background()) //nolint:errcheck // asked for below
	deadline := time.After(time.Minute)
	select {
	case <-full.heard:
	case <-deadline:
		t.Fatal("nobody says that the disk is full")
	}
	l.LimitPages(t, 0)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n := 0; n != len(heap{}.files()); {
		st, err := l.Status(t.Context(), "move", false)
		if err != nil {
			t.Fatal(err)
		}
		n = st.Databases[0].Files[flow.FileIgnored]
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it does not go on: %+v", st.Databases[0])
		}
	}
	if err := e.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// listener hears that the disk is full.
type listener struct {
	once  sync.Once
	heard chan struct{}
}

func (*listener) Enabled(context.Context, slog.Level) bool { return true }

func (x *listener) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if strings.Contains(a.Value.String(), "make room") {
			x.once.Do(func() { close(x.heard) })
		}
		return true
	})
	return nil
}

func (x *listener) WithAttrs([]slog.Attr) slog.Handler { return x }

func (x *listener) WithGroup(string) slog.Handler { return x }

// heap is a source of many files that are no backups.
type heap struct{}

func (heap) files() []flow.Seen {
	var out []flow.Seen
	for i := range 2000 {
		out = append(out, flow.Seen{Name: fmt.Sprintf("%d.bak", i), Version: "1", Size: 1, Problem: "it is no backup"})
	}
	return out
}

// Do implements engine.Works.
func (h heap) Do(_ context.Context, o engine.Order) ([]flow.Event, error) {
	switch o.Effect.Kind {
	case flow.CheckTarget:
		return []flow.Event{{Kind: flow.TargetChecked}}, nil
	case flow.Scan:
		return []flow.Event{{Kind: flow.Scanned, Files: h.files()}}, nil
	}
	return nil, nil
}

// Logins implements engine.Works.
func (heap) Logins(context.Context) ([]engine.Found, error) { return nil, nil }

// Login implements engine.Works.
func (heap) Login(context.Context, string, flow.Stage) (string, error) { return "", nil }

// Close implements engine.Works.
func (heap) Close() error { return nil }
