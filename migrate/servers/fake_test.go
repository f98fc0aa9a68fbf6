package servers

import (
	"context"
	"strings"
	"sync"
	"testing"

	"linkspan/migrate/flow"
	"linkspan/sqlclient"
	"linkspan/sqlerr"
)

// script answers statements as a server would that cannot be had here: an old one, one with encryption, one whose disk is
// full. The first line whose text is in the statement answers it; others give no rows.
type script struct {
	mu    sync.Mutex
	lines []line
	asked []string
	fails error // of connecting
}

type line struct {
	in   string
	rows []row
	err  error
	// once: it answers only the first time.
	once bool
	used bool
}

func (f *script) Query(_ context.Context, text string, _ ...any) (*sqlclient.Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, text)
	for i := range f.lines {
		l := &f.lines[i]
		if !strings.Contains(text, l.in) || l.once && l.used {
			continue
		}
		l.used = true
		return &sqlclient.Result{Sets: []sqlclient.Set{setOf(l.rows)}}, l.err
	}
	return new(sqlclient.Result), nil
}

func setOf(rows []row) sqlclient.Set {
	var s sqlclient.Set
	at := map[string]int{}
	for _, r := range rows {
		for name := range r {
			if _, ok := at[name]; !ok {
				at[name] = len(s.Columns)
				s.Columns = append(s.Columns, name)
			}
		}
	}
	for _, r := range rows {
		values := make([]any, len(s.Columns))
		for name, v := range r {
			values[at[name]] = v
		}
		s.Rows = append(s.Rows, values)
	}
	return s
}

func (f *script) Each(context.Context, string, func([]any) error, ...any) error { return nil }
func (f *script) Close() error                                                  { return nil }

func (f *script) saw(text string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.asked {
		if strings.Contains(a, text) {
			return true
		}
	}
	return false
}

// scripted is a server that answers by lines; those of sound follow them.
func scripted(t testing.TB, at flow.Place, lines ...line) (*Server, *script) {
	t.Helper()
	f := &script{lines: append(lines, sound()...)}
	s := open(t, Options{Target: sqlclient.Target{Address: "sql1", User: "mover", Password: "secret-1"}, At: at})
	s.dial = func(context.Context, sqlclient.Target) (speaker, error) {
		if f.fails != nil {
			return nil, f.fails
		}
		return f, nil
	}
	return s, f
}

// The statements of the pass, as lines name them.
const (
	theServer    = "IS_SRVROLEMEMBER"
	theDatabases = "source_database_id"
	theFiles     = "sys.master_files"
	theChains    = "last_log_backup_lsn IS NOT NULL"
	theBackups   = "MAX(backup_set_id)"
)

func is(version, engine string, more row) row {
	r := row{"name": "SQL1", "version": version, "edition": "Standard", "engine": engine, "collation": "SQL_Latin1_General_CP1_CI_AS", "updates": nil,
		"login": "mover", "sysadmin": int64(1)}
	for k, v := range more {
		r[k] = v
	}
	return r
}

func database(id int64, name string, more row) row {
	r := row{"database_id": id, "name": name, "state_desc": "ONLINE", "user_access_desc": "MULTI_USER", "is_read_only": false, "is_in_standby": false,
		"recovery_model_desc": "FULL", "collation_name": "Latin1_General_CI_AS", "is_published": false}
	for k, v := range more {
		r[k] = v
	}
	return r
}

// sound is a SQL Server 2008 R2 with one database, sales, that nothing is wrong with. Views of later versions are missing.
func sound() []line {
	missing := sqlerr.Raise(208, 16, 1, "Invalid object name.")
	return []line{
		{in: theServer, rows: []row{is("10.50.6000.34", "2", nil)}},
		{in: theDatabases, rows: []row{database(1, "master", nil), database(5, "sales", nil)}},
		{in: theFiles, rows: []row{{"database_id": int64(5), "type": int64(0), "size": int64(128), "state": int64(0)}, {"database_id": int64(5), "type": int64(1), "size": int64(64), "state": int64(0)}}},
		{in: "sys.availability_replicas", err: missing},
		{in: "encryptor_type", err: sqlerr.Raise(207, 16, 1, "Invalid column name 'encryptor_type'.")},
		{in: theChains, rows: []row{{"database_id": int64(5)}}},
		{in: theBackups, rows: []row{
			{"database_name": "sales", "type": "D", "has_backup_checksums": true, "minutes": int64(60)},
			{"database_name": "sales", "type": "L", "has_backup_checksums": true, "minutes": int64(15)}}},
		{in: "sysmaintplan_plans", err: missing}, {in: "sys.server_event_sessions", err: missing},
	}
}
