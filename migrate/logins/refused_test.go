package logins_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"linkspan/instance"
	"linkspan/migrate/flow"
	"linkspan/sqlerr"
)

// mover is the login that the migration uses, so that a gate tells it from the test's own.
const mover = "mover"

func (h *host) withMover() *host {
	h.run("CREATE LOGIN mover WITH PASSWORD = 'Mover-secret-1'", "ALTER SERVER ROLE sysadmin ADD MEMBER mover")
	c := *h
	c.at.User, c.at.Password = mover, "Mover-secret-1"
	return &c
}

// record keeps the batches of the mover.
type record struct {
	mu      sync.Mutex
	batches []string
}

func (r *record) add(batch string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches = append(r.batches, batch)
}

func (r *record) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.batches)
}

var hex = regexp.MustCompile(`0x0[123]00[0-9A-Fa-f]{40,}`)

// TestOldSource: a server before 2012 has no columns of roles that users make and of authentication; and whatever the
// version, the source is only read.
func TestOldSource(t *testing.T) {
	t.Parallel()
	seen := new(record)
	src := startBehind(t, "sqlserver1", instance.SQLServer, t.TempDir(), func(user, batch string) (string, *sqlerr.Error) {
		if user != mover {
			return batch, nil
		}
		seen.add(batch)
		for _, column := range []string{"owning_principal_id", "is_fixed_role", "authentication_type"} {
			if strings.Contains(batch, column) {
				return "", sqlerr.New(207, column)
			}
		}
		return strings.ReplaceAll(batch, "SERVERPROPERTY(N'ProductVersion')", "N'10.50.6000.34'"), nil
	})
	equip(src)
	dst := start(t, "sqlserver2", instance.SQLServer, t.TempDir())
	m := newMove(t, src.withMover(), dst, "", pairs...)
	names, err := m.names(t.Context())
	if err != nil || len(names) < 5 {
		t.Fatalf("%q %v", names, err)
	}
	for _, name := range names {
		for _, stage := range []flow.Stage{flow.Initialize, flow.LoginMigration, flow.AssignRoleMembership, flow.EstablishServerPermissions, flow.EstablishObjectPermissions} {
			if _, err := m.Do(t.Context(), name, stage); err != nil {
				t.Errorf("%s of %s: %v", stage, name, err)
			}
		}
	}
	if _, err := m.Missing(t.Context(), "sales"); err != nil {
		t.Error(err)
	}
	dst.as("veteran", passwords["veteran"])
	write := regexp.MustCompile(`(?i)\b(CREATE|ALTER|DROP|GRANT|DENY|REVOKE|INSERT|UPDATE|DELETE|EXEC)\b`)
	for _, batch := range seen.all() {
		if write.MatchString(batch) {
			t.Errorf("the source is written to: %s", batch)
		}
	}
}

// TestRefused: what the target does not take is told by name, and the rest goes on.
func TestRefused(t *testing.T) {
	t.Parallel()
	src := start(t, "sqlserver1", instance.SQLServer, t.TempDir())
	equip(src)
	dst := startBehind(t, "sqlserver2", instance.SQLServer, t.TempDir(), func(user, batch string) (string, *sqlerr.Error) {
		for _, no := range []string{"GRANT ALTER ANY LOGIN", "[processadmin] ADD MEMBER", "CREATE SERVER ROLE [ops]"} {
			if user == mover && strings.Contains(batch, no) {
				return "", sqlerr.Raise(33009, 16, 1, no+" is not supported here.")
			}
		}
		return batch, nil
	})
	m := newMove(t, src, dst.withMover(), "", pairs...)
	m.must(before...)
	for name, want := range map[string][]string{
		"app":    {"membership in server role [processadmin] was left out: Msg 33009", "GRANT ALTER ANY LOGIN TO [app] WITH GRANT OPTION was left out: Msg 33009"},
		"report": {"CREATE SERVER ROLE [ops] was left out: Msg 33009", "membership in server role [ops] was left out"},
	} {
		var got strings.Builder
		for range 2 {
			for _, stage := range []flow.Stage{flow.AssignRoleMembership, flow.EstablishServerPermissions} {
				warning, err := m.Do(t.Context(), name, stage)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintln(&got, warning)
			}
		}
		for _, text := range want {
			if strings.Count(got.String(), text) != 2 {
				t.Errorf("%s: %q is not told each time: %s", name, text, got.String())
			}
		}
	}
	if got := dst.rows("SELECT IS_SRVROLEMEMBER('inner_ops', 'report'), IS_SRVROLEMEMBER('processadmin', 'app')"); strings.Contains(got, "1") {
		t.Errorf("roles: %s", got)
	}
}

// TestNothingSecret: a server that repeats the statement in its error, one that fails for a while, one that does not know
// the form of the hash.
func TestNothingSecret(t *testing.T) {
	t.Parallel()
	src := start(t, "sqlserver1", instance.SQLServer, t.TempDir())
	equip(src)
	var mu sync.Mutex
	var answer func(batch string) *sqlerr.Error
	seen := new(record)
	dst := startBehind(t, "sqlserver2", instance.SQLServer, t.TempDir(), func(user, batch string) (string, *sqlerr.Error) {
		mu.Lock()
		defer mu.Unlock()
		if user == mover {
			seen.add(batch)
			if answer != nil && strings.Contains(batch, "HASHED") {
				return batch, answer(batch)
			}
		}
		return batch, nil
	})
	m := newMove(t, src, dst.withMover(), "", pairs...)
	for name, c := range map[string]struct {
		number   int32
		severity uint8
		halts    bool
	}{"15021": {15021, 16, true}, "102": {102, 15, true}, "1205": {1205, 13, false}, "40613": {40613, 20, false}} {
		mu.Lock()
		answer = func(batch string) *sqlerr.Error {
			return sqlerr.Raise(c.number, c.severity, 1, "near '"+batch+"'")
		}
		mu.Unlock()
		_, err := m.Do(t.Context(), "app", flow.LoginMigration)
		var halt *flow.Halt
		var wait *flow.Hindrance
		if errors.As(err, &halt) != c.halts || errors.As(err, &wait) == c.halts || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			if hex.MatchString(e.Error()) {
				t.Errorf("%s: the hash shows in %v", name, e)
			}
		}
	}
	mu.Lock()
	answer = nil
	mu.Unlock()
	if _, err := m.Do(t.Context(), "app", flow.LoginMigration); err != nil {
		t.Errorf("once it works: %v", err)
	}
	for _, batch := range seen.all() {
		if hex.MatchString(batch) && !strings.Contains(batch, "LOGIN [app] WITH PASSWORD = 0x") {
			t.Errorf("a hash goes where it does not belong: %s", batch)
		}
	}
	if done := strings.Join(m.journal.take(), "\n"); hex.MatchString(done) || !strings.Contains(done, "CREATE LOGIN [app]") {
		t.Errorf("the log has %s", done)
	}
}

// TestNoRights: who may not see everything would miss logins without a word. Once the right is there it goes on.
func TestNoRights(t *testing.T) {
	t.Parallel()
	src, dst := start(t, "sqlserver1", instance.SQLServer, t.TempDir()), start(t, "sqlserver2", instance.SQLServer, t.TempDir())
	equip(src)
	for _, side := range []*host{src, dst} {
		side.run("CREATE LOGIN weak WITH PASSWORD = 'Weak-secret-1'")
		weak := *side
		weak.at.User, weak.at.Password = "weak", "Weak-secret-1"
		m, at := newMove(t, &weak, dst, "", pairs...), flow.AtSource
		if side == dst {
			m, at = newMove(t, src, &weak, "", pairs...), flow.AtTarget
		}
		asks := map[string]func() error{
			"Missing": func() error { _, err := m.Missing(t.Context(), "sales"); return err },
			"Do":      func() error { _, err := m.Do(t.Context(), "app", flow.Initialize); return err },
		}
		if side == src {
			asks["List"] = func() error { _, err := m.List(t.Context()); return err }
		}
		for name, ask := range asks {
			var h *flow.Hindrance
			if err := ask(); !errors.As(err, &h) || h.At != at || !strings.Contains(err.Error(), "sysadmin") {
				t.Errorf("%s at the %s: %v", name, at, err)
			}
		}
		side.run("GRANT CONTROL SERVER TO weak")
		for name, ask := range asks {
			if err := ask(); err != nil {
				t.Errorf("%s at the %s, once it may: %v", name, at, err)
			}
		}
	}
}
