package exec

import (
	"strconv"
	"strings"

	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/parse"
)

var (
	typeName      = sqltype.Type{Kind: sqltype.NVarChar, Len: 128}
	typeLongName  = sqltype.Type{Kind: sqltype.NVarChar, Len: 1035}
	renameParams  = []Param{{Name: "@objname", Type: typeLongName}, {Name: "@newname", Type: typeName}, {Name: "@objtype", Type: typeName, Optional: true}}
	helptextParam = []Param{{Name: "@objname", Type: typeLongName}, {Name: "@columnname", Type: typeName, Optional: true}}
)

// changing runs f with a definer on the current database, and waits until its change is hardened.
func (f *frame) changing(run func(*conn, *catalog.Definer) error) error {
	d := f.s.db
	at, err := f.writing(d, func(k *conn, snap *catalog.Snapshot) error {
		return run(k, catalog.NewDefiner(k, snap, f.s.e.o.Clock.Now()))
	})
	if err != nil {
		return err
	}
	return f.harden(d, at)
}

// rename is sp_rename @objname, @newname [, @objtype].
func (f *frame) rename(c *call) (int32, flow, error) {
	v, e := match("sp_rename", renameParams, c.args)
	if e != nil {
		fl, err := f.raise(e, abortStatement)
		return notRun, fl, err
	}
	kind := strings.ToUpper(v[2].S)
	err := f.changing(func(k *conn, d *catalog.Definer) error {
		n, perr := parse.Name(v[0].S)
		if kind == "COLUMN" || kind == "INDEX" {
			n = ast.ObjectName{Schema: n.Database, Name: n.Schema}
		}
		if o := f.object(k.db, d.Snapshot(), n); perr == nil && o != nil && f.permitted(k.db, d.Snapshot(), "ALTER", o) != nil {
			return sqlerr.New(15225, v[0].S, f.s.db.Name(), kind)
		}
		return f.renameIn(d, v[0].S, v[1].S, kind)
	})
	if err != nil {
		fl, err := f.fail(err)
		return 1, fl, err
	}
	return 0, next, f.r.out.Message(sqlerr.New(15477).WithLine(f.line))
}

func (f *frame) renameIn(d *catalog.Definer, from, to, kind string) error {
	missing := sqlerr.New(15225, from, f.s.db.Name(), kind)
	n, err := parse.Name(from)
	if err != nil {
		return missing
	}
	snap := d.Snapshot()
	if kind == "COLUMN" || kind == "INDEX" {
		t := tableIn(snap, n.Database, n.Schema)
		if t == nil {
			return missing
		}
		if kind == "COLUMN" {
			for _, c := range t.Columns {
				if snap.Fold(c.Name) == snap.Fold(n.Name) {
					return d.RenameColumn(t, c, to)
				}
			}
			return missing
		}
		for _, ix := range t.Indexes {
			if snap.Fold(ix.Name) == snap.Fold(n.Name) {
				return d.RenameIndex(ix, to)
			}
		}
		return missing
	}
	if kind != "" && kind != "OBJECT" {
		return sqlerr.New(40510, "sp_rename of a "+kind)
	}
	schema := n.Schema
	if schema == "" {
		schema = "dbo"
	}
	o := snap.Object(schema, n.Name)
	if o == nil {
		return missing
	}
	return d.Rename(o, to)
}

// tableIn finds a table, in dbo when the schema is "".
func tableIn(s *catalog.Snapshot, schema, name string) *rel.Table {
	if schema == "" {
		schema = "dbo"
	}
	return s.Table(schema, name)
}

// helpText is sp_helptext @objname: the lines of a module's text.
func (f *frame) helpText(c *call) (int32, flow, error) {
	v, e := match("sp_helptext", helptextParam, c.args)
	if e != nil {
		fl, err := f.raise(e, abortStatement)
		return notRun, fl, err
	}
	var text string
	n, perr := parse.Name(v[0].S)
	err := f.reading(f.s.db, false, func(_ *conn, snap *catalog.Snapshot) error {
		o := f.object(f.s.db, snap, n)
		switch {
		case perr != nil || o == nil || f.permitted(f.s.db, snap, "VIEW DEFINITION", o) != nil:
			return sqlerr.New(15009, v[0].S, f.s.db.Name())
		case o.Text == "":
			return sqlerr.New(15197, v[0].S)
		}
		text = o.Text
		return nil
	})
	if err != nil {
		fl, err := f.fail(err)
		return 1, fl, err
	}
	out := f.r.out
	if err := out.Columns([]sqlapi.Column{{Name: "Text", Type: sqltype.Type{Kind: sqltype.NVarChar, Len: 255}, Nullable: true}}); err != nil {
		return 1, next, err
	}
	lines := strings.SplitAfter(text, "\n")
	for _, l := range lines {
		if err := out.Row([]sqltype.Value{sqltype.NVarCharOf(cut(l, 255))}); err != nil {
			return 1, next, err
		}
	}
	return 0, next, out.Done(sqlapi.Done{Command: sqlapi.CmdSelect, Rows: int64(len(lines)), HasRows: true, InProc: true})
}

// checkIdentity is DBCC CHECKIDENT ('table' [, NORESEED | RESEED [, value]]).
func (f *frame) checkIdentity(st *ast.DBCC) (flow, error) {
	if len(st.Args) == 0 || len(st.Args) > 3 {
		return f.raise(sqlerr.New(2560, len(st.Args)+1), abortStatement)
	}
	name, mode, err := f.dbccWord(st.Args[0]), "", error(nil)
	if len(st.Args) > 1 {
		mode = strings.ToUpper(f.dbccWord(st.Args[1]))
	}
	var to sqltype.Value
	if len(st.Args) > 2 {
		if to, err = f.value(st.Args[2], sqltype.Type{Kind: sqltype.BigInt}); err != nil {
			return f.evalFailed(err)
		}
	}
	var messages []*sqlerr.Error
	check := func(k *conn, snap *catalog.Snapshot, d *catalog.Definer) error {
		n, perr := parse.Name(name)
		t := tableIn(snap, n.Schema, n.Name)
		switch {
		case perr != nil || t == nil:
			return sqlerr.New(2501, name)
		case f.permitted(k.db, snap, "ALTER", snap.ObjectByID(t.ID)) != nil:
			return sqlerr.New(2557, f.s.o.Login.User, "CHECKIDENT", name)
		case t.Identity < 0:
			return sqlerr.New(7997, t.Name)
		}
		last, used, err := k.db.Identities().Current(k, snap.SQLSchema, t)
		if err != nil {
			return err
		}
		shown := "NULL"
		if used {
			shown = strconv.FormatInt(last, 10)
		}
		text := sqlerr.New(7998, shown, shown)
		if to.Valid {
			text = sqlerr.New(7999, shown)
		}
		messages = append(messages, text, sqlerr.New(2528))
		if d == nil {
			return nil
		}
		return d.ResetIdentity(t, to.N, used)
	}
	if mode == "RESEED" && to.Valid {
		err = f.changing(func(k *conn, d *catalog.Definer) error { return check(k, d.Snapshot(), d) })
	} else {
		err = f.reading(f.s.db, false, func(k *conn, snap *catalog.Snapshot) error { return check(k, snap, nil) })
	}
	if err != nil {
		return f.fail(err)
	}
	f.ok()
	for _, m := range messages {
		if ast.FindOption(st.Options, "NO_INFOMSGS") == nil {
			if err := f.r.out.Message(m.WithLine(f.line)); err != nil {
				return next, err
			}
		}
	}
	return next, wrapEnd(f.done(sqlapi.CmdNone, -1))
}

// dbccWord is an argument of DBCC that names something.
func (f *frame) dbccWord(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Keyword:
		return e.Word
	case *ast.Literal:
		return e.Text
	}
	_, v, err := f.typed(e)
	if err != nil {
		return ""
	}
	return v.S
}
