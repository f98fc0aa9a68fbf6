package instance

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/storage"
	"linkspan/tsql/ast"
	"linkspan/tsql/exec"
)

// dbcc is DBCC: CHECKDB, what is about the log, and TRACESTATUS, which never has a flag to show.
func (a admin) dbcc(ctx context.Context, c exec.Caller, s *ast.DBCC, out sqlapi.ResultSink) error {
	switch s.Command {
	case "CHECKDB", "CHECKALLOC":
		return a.checkDB(ctx, c, s, out)
	case "SQLPERF":
		return a.logSpace(s, out)
	case "LOGINFO":
		return a.logInfo(c, s, out)
	case "TRACESTATUS":
		return dbccDone(s, out)
	default:
		return unsupported("DBCC "+s.Command, "DBCC CHECKDB reads every page again")
	}
}

// dbccDone ends a command that went well.
func dbccDone(s *ast.DBCC, out sqlapi.ResultSink) error {
	if quiet(s) {
		return nil
	}
	return out.Message(sqlerr.New(2528))
}

func quiet(s *ast.DBCC) bool { return ast.FindOption(s.Options, "NO_INFOMSGS") != nil }

// dbccDatabase is the database that the first argument names by name or number, or the caller's.
func (a admin) dbccDatabase(c exec.Caller, s *ast.DBCC) (*Database, error) {
	name := c.Database
	if len(s.Args) > 0 {
		name = databaseArgument(s.Args[0])
		if id, err := strconv.Atoi(name); err == nil {
			if d := a.in.byID(id); d != nil {
				return d, nil
			}
			if id == 0 {
				name = c.Database
			}
		}
	}
	return a.in.Find(name)
}

// checkDB reads every page of a database from the disk and compares it with its hash.
func (a admin) checkDB(ctx context.Context, c exec.Caller, s *ast.DBCC, out sqlapi.ResultSink) error {
	d, err := a.dbccDatabase(c, s)
	if err != nil {
		return err
	}
	db, err := d.Storage()
	if err != nil {
		return err
	}
	started := a.in.opts.Clock.Now()
	r, err := db.Verify(ctx, nil)
	if err != nil {
		return fmt.Errorf("check database %s: %w", d.Name(), err)
	}
	if !quiet(s) {
		if err := out.Message(sqlerr.New(2536, d.Name())); err != nil {
			return err
		}
	}
	wrong, err := reportBad(out, d.Name(), &r)
	if err != nil {
		return err
	}
	a.logCheck(c, s, d.Name(), wrong, a.in.opts.Clock.Now().Sub(started))
	if quiet(s) && wrong == 0 {
		return nil
	}
	messages := []*sqlerr.Error{sqlerr.New(8989, s.Command, 0, wrong, d.Name()), sqlerr.New(58025, r.Pages, d.Name(), r.LSN.Decimal())}
	if wrong > 0 {
		messages = append(messages, sqlerr.New(58026, d.Name()))
	}
	return send(out, append(messages, sqlerr.New(2528)))
}

// reportBad sends what CHECKDB found, and counts it.
func reportBad(out sqlapi.ResultSink, database string, r *storage.Report) (int, error) {
	for _, b := range r.Bad {
		test := fmt.Sprintf("%s of file '%s' at offset %#016x", b.Reason, b.File, b.Offset)
		err := send(out, []*sqlerr.Error{sqlerr.New(8928, b.Page), sqlerr.New(8939, b.Page, test, b.Expected, b.Actual)})
		if err != nil {
			return 0, err
		}
	}
	if len(r.Bad) > 0 || r.OK() {
		return len(r.Bad), nil
	}
	return 1, out.Message(sqlerr.New(58027, database, r.Digest, r.ExpectedDigest))
}

// logCheck writes the outcome of CHECKDB to the error log, as SQL Server does.
func (a admin) logCheck(c exec.Caller, s *ast.DBCC, database string, wrong int, took time.Duration) {
	seconds := int(took / time.Second)
	a.in.errorLog(sqlerr.New(8957, s.Command, database, a.in.callerName(c), wrong, 0, seconds/3600, seconds/60%60, seconds%60))
}

// callerName is the login of a caller's session.
func (in *Instance) callerName(c exec.Caller) string {
	for _, x := range in.sessions.all() {
		if x.ID() == c.Session {
			return x.login.User
		}
	}
	return ""
}

// logSpace is DBCC SQLPERF(LOGSPACE).
func (a admin) logSpace(s *ast.DBCC, out sqlapi.ResultSink) error {
	if len(s.Args) == 0 || !strings.EqualFold(databaseArgument(s.Args[0]), "LOGSPACE") {
		return unsupported("DBCC SQLPERF other than LOGSPACE", "use DBCC SQLPERF(LOGSPACE)")
	}
	if err := out.Columns([]sqlapi.Column{key("Database Name", tSysname), key("Log Size (MB)", tReal), key("Log Space Used (%)", tReal), key("Status", tInt)}); err != nil {
		return err
	}
	var n int64
	for _, row := range a.in.eachOpen(func(d *Database, db *storage.DB) []sqltype.Value {
		st := db.Stats()
		return []sqltype.Value{vText(d.Name()), sqltype.FloatOf(sqltype.Real, float64(st.LogSize)/mib), sqltype.FloatOf(sqltype.Real, percent(st.LogBytes, st.LogSize)), vInt(0)}
	}) {
		if err := out.Row(row); err != nil {
			return err
		}
		n++
	}
	if err := endRows(out, nil, n); err != nil {
		return err
	}
	return dbccDone(s, out)
}

// logInfo is DBCC LOGINFO: a row for each virtual log file.
func (a admin) logInfo(c exec.Caller, s *ast.DBCC, out sqlapi.ResultSink) error {
	d, err := a.dbccDatabase(c, s)
	if err != nil {
		return err
	}
	db, err := d.Storage()
	if err != nil {
		return err
	}
	if err := out.Columns([]sqlapi.Column{key("RecoveryUnitId", tInt), key("FileId", tInt), key("FileSize", tBigInt), key("StartOffset", tBigInt),
		key("FSeqNo", tInt), key("Status", tInt), key("Parity", tTinyInt), key("CreateLSN", tLSN)}); err != nil {
		return err
	}
	var offset int64
	segs := db.LogSegments()
	for _, g := range segs {
		if err := out.Row([]sqltype.Value{vInt(0), vInt(2), vBig(g.Bytes), vBig(offset), vInt(int(g.VLF)), vInt(vlfStatus(g)), vTiny(64),
			vDecimal(g.Previous.Decimal(), 25)}); err != nil {
			return err
		}
		offset += g.Bytes
	}
	if err := endRows(out, nil, int64(len(segs))); err != nil {
		return err
	}
	return dbccDone(s, out)
}

// databaseArgument is a database's name given as a word or a string.
func databaseArgument(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Literal:
		return e.Text
	case *ast.Keyword:
		return e.Word
	default:
		return ""
	}
}
