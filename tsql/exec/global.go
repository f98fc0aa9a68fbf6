package exec

import (
	"context"
	"strings"

	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/sqltype"
)

// version is @@MICROSOFTVERSION: 16.0.
const microsoftVersion = 16 << 24

// global gives the value of an @@ variable, named in lower case.
func (f *frame) global(name string) (sqltype.Value, error) {
	s := f.s
	n := func(v int64) (sqltype.Value, error) { return sqltype.IntOf(sqltype.Int, v), nil }
	switch name {
	case "@@servername":
		return sqltype.NVarCharOf(s.e.o.ServerName), nil
	case "@@servicename":
		return sqltype.NVarCharOf(s.e.o.Service), nil
	case "@@version":
		return sqltype.NVarCharOf(s.e.o.Version), nil
	case "@@language":
		return sqltype.NVarCharOf(s.set.language), nil
	case "@@remserver":
		return sqltype.NullOf(sqltype.NVarChar), nil
	case "@@spid":
		return sqltype.IntOf(sqltype.SmallInt, int64(s.o.ID)), nil
	case "@@rowcount":
		return n(s.rowCount)
	case "@@error":
		return n(int64(s.lastError))
	case "@@trancount":
		if s.tx == nil {
			return n(0)
		}
		return n(int64(s.tx.count))
	case "@@nestlevel":
		return n(int64(s.nesting))
	case "@@options":
		return n(s.set.bits())
	case "@@textsize":
		return n(s.set.textSize)
	case "@@lock_timeout":
		return n(s.set.lockTimeout)
	case "@@fetch_status":
		return n(s.fetchStatus)
	case "@@cursor_rows":
		return n(s.cursorRows)
	case "@@max_connections":
		return n(32767)
	case "@@microsoftversion":
		return n(microsoftVersion)
	case "@@timeticks":
		return n(31250)
	case "@@langid":
		return sqltype.IntOf(sqltype.SmallInt, 0), nil
	case "@@datefirst":
		return sqltype.IntOf(sqltype.TinyInt, int64(s.set.dateFirst)), nil
	case "@@max_precision":
		return sqltype.IntOf(sqltype.TinyInt, 38), nil
	case "@@def_sortorder_id":
		return sqltype.IntOf(sqltype.TinyInt, 52), nil
	case "@@identity":
		return decimal38(s.identity), nil
	case "@@dbts":
		return sqltype.BytesOf(sqltype.VarBinary, make([]byte, 8)), nil
	}
	return n(0)
}

// decimal38 gives an integer as numeric(38,0).
func decimal38(v sqltype.Value) sqltype.Value {
	if !v.Valid {
		return sqltype.NullOf(sqltype.Decimal)
	}
	return sqltype.DecimalOf(v.N, 0)
}

// scope is who asks, for views and functions.
func (s *Session) scope(d Database) rel.Scope {
	return rel.Scope{Database: d.Name(), DatabaseID: d.ID(), SessionID: s.o.ID}
}

// Function implements sqlfn.Host: what the session knows itself, and the schema; the rest is the instance's.
func (f *frame) Function(ctx context.Context, sc rel.Scope, name string, args []sqltype.Value) (sqltype.Value, error) {
	if strings.HasPrefix(name, "ERROR_") {
		return f.errorFunction(name), nil
	}
	if v, ok := f.sessionFunction(sc, name, args); ok {
		return v, nil
	}
	if f.conn != nil && sc.Database == f.conn.db.Name() {
		var temp *catalog.Snapshot
		if f.s.temp != nil {
			temp = f.s.temp.snap
		}
		of := catalog.Functions{Temp: temp, Snapshot: f.snap, Conn: f.conn, Identities: f.conn.db.Identities(), Database: sc.Database, DefaultSchema: f.homeSchema(f.conn.db, f.snap)}
		if v, ok, err := of.Call(name, args); ok {
			return v, err
		}
	}
	c := f.s.caller()
	c.Database, c.DatabaseID, c.Snapshot = sc.Database, sc.DatabaseID, f.snap
	return f.s.e.o.Functions.Function(ctx, c, name, args)
}

// errorFunction gives ERROR_NUMBER and its kin: NULL outside CATCH.
func (f *frame) errorFunction(name string) sqltype.Value {
	number := func(n int64) sqltype.Value { return sqltype.IntOf(sqltype.Int, n) }
	if len(f.s.caught) == 0 {
		switch name {
		case "ERROR_MESSAGE", "ERROR_PROCEDURE":
			return sqltype.NullOf(sqltype.NVarChar)
		}
		return sqltype.NullOf(sqltype.Int)
	}
	e := f.s.caught[len(f.s.caught)-1]
	switch name {
	case "ERROR_NUMBER":
		return number(int64(e.Number))
	case "ERROR_SEVERITY":
		return number(int64(e.Severity))
	case "ERROR_STATE":
		return number(int64(e.State))
	case "ERROR_LINE":
		return number(int64(e.Line))
	case "ERROR_PROCEDURE":
		if e.Procedure == "" {
			return sqltype.NullOf(sqltype.NVarChar)
		}
		return sqltype.NVarCharOf(e.Procedure)
	}
	return sqltype.NVarCharOf(e.Message)
}

// sessionFunction gives the functions about the session.
func (f *frame) sessionFunction(sc rel.Scope, name string, args []sqltype.Value) (sqltype.Value, bool) {
	s := f.s
	switch name {
	case "XACT_STATE":
		return sqltype.IntOf(sqltype.SmallInt, s.xactState()), true
	case "SCOPE_IDENTITY":
		return decimal38(f.identity), true
	case "ROWCOUNT_BIG":
		return sqltype.IntOf(sqltype.BigInt, s.rowCount), true
	case "APP_NAME":
		return sqltype.NVarCharOf(s.o.Login.AppName), true
	case "HOST_NAME":
		return sqltype.NVarCharOf(s.o.Login.Hostname), true
	case "ORIGINAL_DB_NAME":
		return sqltype.NVarCharOf(s.loginDB), true
	case "CONTEXT_INFO":
		if s.contextInfo == "" {
			return sqltype.NullOf(sqltype.VarBinary), true
		}
		return sqltype.StringOf(sqltype.VarBinary, s.contextInfo), true
	case "CURRENT_TRANSACTION_ID":
		if s.tx == nil {
			return sqltype.IntOf(sqltype.BigInt, 0), true
		}
		return sqltype.IntOf(sqltype.BigInt, int64(s.tx.id)), true
	case "SESSIONPROPERTY":
		return s.sessionProperty(args[0].S), true
	case "SESSION_CONTEXT":
		if v, ok := s.sessionState[strings.ToLower(args[0].S)]; ok && args[0].Valid {
			return v, true
		}
		return sqltype.NullOf(sqltype.NVarChar), true
	case "DB_NAME":
		if len(args) == 0 {
			return sqltype.NVarCharOf(sc.Database), true
		}
	case "DB_ID":
		if len(args) == 0 {
			return sqltype.IntOf(sqltype.SmallInt, int64(sc.DatabaseID)), true
		}
	}
	return sqltype.Value{}, false
}

func (s *Session) xactState() int64 {
	switch {
	case s.tx == nil:
		return 0
	case s.tx.doomed:
		return -1
	}
	return 1
}

func (s *Session) sessionProperty(name string) sqltype.Value {
	switch n := strings.ToUpper(name); n {
	case "ANSI_NULLS", "ANSI_PADDING", "ANSI_WARNINGS", "ARITHABORT", "CONCAT_NULL_YIELDS_NULL", "NUMERIC_ROUNDABORT", "QUOTED_IDENTIFIER":
		if s.set.isOn(n) {
			return sqltype.NVarCharOf("1")
		}
		return sqltype.NVarCharOf("0")
	}
	return sqltype.NullOf(sqltype.NVarChar)
}
