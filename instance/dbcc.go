package instance

import (
	"context"
	"fmt"

	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/tsql/ast"
	"linkspan/tsql/exec"
)

// dbcc is DBCC: CHECKDB, and TRACESTATUS, which never has a flag to show.
func (a admin) dbcc(ctx context.Context, c exec.Caller, s *ast.DBCC, out sqlapi.ResultSink) error {
	switch s.Command {
	case "CHECKDB", "CHECKALLOC":
		return a.checkDB(ctx, c, s, out)
	case "TRACESTATUS":
		return out.Message(sqlerr.New(2528))
	default:
		return unsupported("DBCC "+s.Command, "DBCC CHECKDB reads every page again")
	}
}

// checkDB reads every page of a database from the disk and compares it with its hash.
func (a admin) checkDB(ctx context.Context, c exec.Caller, s *ast.DBCC, out sqlapi.ResultSink) error {
	name := c.Database
	if len(s.Args) > 0 {
		name = databaseArgument(s.Args[0])
	}
	d, err := a.in.Find(name)
	if err != nil {
		return err
	}
	db, err := d.Storage()
	if err != nil {
		return err
	}
	r, err := db.Verify(ctx, nil)
	if err != nil {
		return fmt.Errorf("check database %s: %w", d.Name(), err)
	}
	quiet := ast.FindOption(s.Options, "NO_INFOMSGS") != nil
	for _, b := range r.Bad {
		if err := out.Message(sqlerr.New(8928, b.Page, d.Name(), b.File, b.Offset, b.Reason, fmt.Sprintf("%x", b.Expected), fmt.Sprintf("%x", b.Actual))); err != nil {
			return err
		}
	}
	wrong := len(r.Bad)
	if wrong == 0 && !r.OK() {
		wrong = 1
		if err := out.Message(sqlerr.New(8990, d.Name(), fmt.Sprintf("%x", r.Digest), fmt.Sprintf("%x", r.ExpectedDigest))); err != nil {
			return err
		}
	}
	if quiet && wrong == 0 {
		return nil
	}
	if err := out.Message(sqlerr.New(8989, wrong, d.Name(), r.Pages, r.LSN.Decimal())); err != nil {
		return err
	}
	return out.Message(sqlerr.New(2528))
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
