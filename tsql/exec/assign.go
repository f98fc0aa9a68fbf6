package exec

import (
	"strings"

	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
)

func (f *frame) declareStatement(st *ast.Declare) (flow, error) {
	for i := range st.Vars {
		d := &st.Vars[i]
		f.line = d.Line
		switch {
		case d.Table != nil:
			if err := f.declareTable(d); err != nil {
				return f.failBind(err)
			}
			continue
		case d.Cursor:
			continue // it is allocated by SET @c = CURSOR
		}
		t, err := f.typeOf(d.Type, false)
		if err != nil {
			return f.evalFailed(err)
		}
		// A DECLARE in a loop keeps the value of the variable that it declared before, unless it sets one.
		v := f.variable(d.Name)
		if v == nil {
			v = f.declare(d.Name, t)
		}
		if d.Value == nil {
			continue
		}
		val, err := f.value(d.Value, t)
		if err != nil {
			return f.evalFailed(err)
		}
		v.value = val
		f.s.rowCount = 1
	}
	f.s.lastError = 0
	return next, nil
}

func (f *frame) setVariable(st *ast.SetVariable) (flow, error) {
	v := f.variable(st.Name)
	if v == nil {
		return f.failBind(sqlerr.New(137, st.Name).WithState(1))
	}
	e := st.Value
	if st.Op != "=" {
		e = f.c.compound(st)
	}
	val, err := f.value(e, v.typ)
	if err != nil {
		return f.evalFailed(err)
	}
	v.value = val
	f.s.lastError, f.s.rowCount = 0, 1
	return next, nil
}

// compound gives the expression that a compound assignment stands for, the same one each time, so that its plan is found.
func (c *compiled) compound(st *ast.SetVariable) ast.Expr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.compounds[st]; ok {
		return e
	}
	e := &ast.Binary{Pos: st.Pos, Op: strings.TrimSuffix(st.Op, "="), L: &ast.Variable{Pos: st.Pos, Name: st.Name}, R: st.Value}
	c.compounds[st] = e
	return e
}

func (f *frame) setOptions(st *ast.SetOptions) {
	for _, n := range st.Names {
		f.s.set.turn(n, st.On)
	}
	f.ok()
}

func (f *frame) setValue(st *ast.SetValue) (flow, error) {
	s := f.s
	t, v, err := f.optionValue(st.Value)
	if err != nil {
		return f.evalFailed(err)
	}
	number := func(least, most int64) (int64, *sqlerr.Error) {
		if !v.Valid || !t.Kind.IsInteger() || v.N < least || v.N > most {
			return 0, sqlerr.New(1074, st.Name)
		}
		return v.N, nil
	}
	var n int64
	var e *sqlerr.Error
	switch st.Name {
	case "ROWCOUNT":
		if n, e = number(0, 1<<62); e == nil {
			s.set.rowCount = n
		}
	case "TEXTSIZE":
		if n, e = number(-1, 1<<31-1); e == nil {
			if s.set.textSize = n; n <= 0 {
				s.set.textSize = map[bool]int64{true: 4096, false: 2147483647}[n == 0]
			}
		}
	case "LOCK_TIMEOUT":
		if n, e = number(-1, 1<<31-1); e == nil {
			s.set.lockTimeout = n
		}
	case "DATEFIRST":
		if n, e = number(1, 7); e == nil {
			s.set.dateFirst = int(n)
		}
	case "DATEFORMAT":
		e = s.setDateFormat(strings.ToLower(v.S))
	case "LANGUAGE":
		return f.setLanguage(v.S)
	case "CONTEXT_INFO":
		b, err := assign(v, t, sqltype.Type{Kind: sqltype.VarBinary, Len: 128})
		if err != nil {
			return f.evalFailed(err)
		}
		s.contextInfo = b.S
	}
	if e != nil {
		return f.raise(e, abortStatement)
	}
	f.ok()
	return next, nil
}

// optionValue evaluates the value of a SET option; a bare word is a text.
func (f *frame) optionValue(e ast.Expr) (sqltype.Type, sqltype.Value, error) {
	if k, ok := e.(*ast.Keyword); ok {
		return sqltype.Type{Kind: sqltype.NVarChar, Len: 128}, sqltype.NVarCharOf(k.Word), nil
	}
	return f.typed(e)
}

func (s *Session) setDateFormat(format string) *sqlerr.Error {
	switch format {
	case "mdy":
		s.set.dateFormat = format
		return nil
	case "dmy", "ymd", "ydm", "myd", "dym":
		return sqlerr.New(40510, "SET DATEFORMAT "+format)
	}
	return sqlerr.New(2741, format)
}

// setLanguage accepts us_english under its names.
func (f *frame) setLanguage(name string) (flow, error) {
	switch strings.ToLower(name) {
	case "us_english", "english", "american english":
	default:
		return f.raise(sqlerr.New(2740, name), abortStatement)
	}
	f.ok()
	old := f.s.set.language
	f.s.set.language = "us_english"
	if err := f.r.out.Env(sqlapi.EnvChange{Kind: sqlapi.EnvLanguage, New: "us_english", Old: old}); err != nil {
		return next, err
	}
	return next, f.r.out.Message(sqlerr.New(5703, "us_english").WithLine(f.line))
}

func (f *frame) setIdentityInsert(st *ast.SetIdentityInsert) (flow, error) {
	s := f.s
	d := s.db
	if st.Table.Database != "" && !strings.EqualFold(st.Table.Database, d.Name()) {
		other, err := s.e.o.Databases.Find(st.Table.Database)
		if err != nil {
			return f.failBind(err)
		}
		d = other
	}
	var number int32
	var had string
	err := f.reading(d, false, func(_ *conn, snap *catalog.Snapshot) error {
		var t *rel.Table
		o := f.object(d, snap, st.Table)
		if o != nil {
			t = o.Table
		}
		if t == nil {
			return sqlerr.New(1088, st.Table.String())
		}
		if err := f.permitNeeds(d, snap, []catalog.Need{{Permission: "ALTER", Object: o, Owner: snap.OwnerOf(o)}}); err != nil {
			return err
		}
		switch {
		case t.Identity < 0:
			return sqlerr.New(8106, st.Table.String())
		}
		number = t.ID
		if o := snap.ObjectByID(s.set.identityTable); o != nil && s.set.identityDB == d.ID() {
			had = o.Schema + "." + o.Name
		}
		return nil
	})
	switch {
	case err != nil:
		return f.fail(err)
	case st.On && had != "" && s.set.identityTable != number:
		return f.raise(sqlerr.New(8107, d.Name()+"."+had, st.Table.String()), abortStatement)
	case st.On:
		s.set.identityDB, s.set.identityTable = d.ID(), number
	case s.set.identityTable == number:
		s.set.identityDB, s.set.identityTable = 0, 0
	}
	f.ok()
	return next, nil
}

func (f *frame) use(st *ast.Use) (flow, error) {
	s := f.s
	old := s.db.Name()
	f.r.release()
	if err := s.enter(st.Database); err != nil {
		if end := f.r.ending(err); end != nil {
			return next, end
		}
		return f.raise(f.sqlError(err), abortScope)
	}
	f.ok()
	if err := f.r.out.Env(sqlapi.EnvChange{Kind: sqlapi.EnvDatabase, New: s.db.Name(), Old: old}); err != nil {
		return next, err
	}
	return next, f.r.out.Message(sqlerr.New(5701, s.db.Name()).WithLine(f.line))
}
