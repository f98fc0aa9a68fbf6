package doctor

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"linkspan/internal/clock"
)

// Machine is what of this machine matters to a sandbox.
type Machine struct {
	// Dir is where the sandbox would lie.
	Dir string
	// Ports are the addresses that it would listen at, host:port.
	Ports []string
	// Clock is this machine's; nil means the system's.
	Clock clock.Clock
}

// built is a moment that has passed on every clock that is right: no program of this source is older.
var built = time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)

// fewFiles is the number of open files below which many databases will not open.
const fewFiles = 1024

// ExamineMachine looks at this machine. It makes nothing but a file in Dir, if that exists, which it removes.
func ExamineMachine(ctx context.Context, m Machine) *Report {
	if m.Clock == nil {
		m.Clock = clock.System
	}
	r := new(Report)
	if now := m.Clock.Now(); now.Before(built) {
		r.check(here, "clock", Failed, "%s", now.UTC().Format(time.RFC3339))
		r.find("LS-SYS-005", here, "it shows %s", now.UTC().Format(time.RFC3339))
	} else {
		r.check(here, "clock", Passed, "%s", now.UTC().Format(time.RFC3339))
	}
	m.folder(r)
	m.loopback(ctx, r)
	for _, p := range m.Ports {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", p)
		if err != nil {
			r.check(here, "port "+p, Failed, "%v", err)
			r.find("LS-SYS-002", p, "%v", err)
			continue
		}
		_ = l.Close() // it was only looked at
		r.check(here, "port "+p, Passed, "free")
	}
	if n, known := openFiles(); known {
		r.check(here, "open files", outcome(n >= fewFiles), "%d", n)
		if n < fewFiles {
			r.find("LS-SYS-004", here, "the limit is %d", n)
		}
	}
	r.sort()
	return r
}

// folder looks whether the nearest folder that exists can be written.
func (m Machine) folder(r *Report) {
	dir := m.Dir
	for dir != "" {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			break
		}
		dir = parent
	}
	f, err := os.CreateTemp(dir, ".linkspan-doctor-*")
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	r.check(here, "folder", outcome(err == nil), "%s", m.Dir)
	if err != nil {
		r.find("LS-SYS-001", m.Dir, "%v", err)
	}
}

func (m Machine) loopback(ctx context.Context, r *Report) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.2", strconv.Itoa(0)))
	if err != nil {
		r.check(here, "second loopback address", Failed, "%v", err)
		r.find("LS-SYS-003", "127.0.0.2", "%v", err)
		return
	}
	_ = l.Close() // it was only looked at
	r.check(here, "second loopback address", Passed, "127.0.0.2")
}
