package exec

import (
	"strings"

	"linkspan/catalog"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/bind"
)

// cursor is a T-SQL cursor. Every cursor is a static one: OPEN takes the rows as they are then.
type cursor struct {
	query *ast.Select
	// home is the scope that declared it, with the variables' values of that moment.
	home *frame
	// forward cursors only go to the next row.
	forward bool
	open    bool
	columns []sqlapi.Column
	rows    [][]sqltype.Value
	// at is the current row, -1 before the first.
	at int
}

// scrolling are the options that let a cursor go anywhere.
var scrolling = map[string]bool{"SCROLL": true, "STATIC": true, "KEYSET": true, "DYNAMIC": true, "INSENSITIVE": true}

// declareCursor is DECLARE c CURSOR FOR … and SET @c = CURSOR FOR ….
func (f *frame) declareCursor(st *ast.DeclareCursor) (flow, error) {
	c := &cursor{query: st.Query, forward: true, at: -1}
	local := false
	for _, o := range st.Options {
		c.forward = c.forward && !scrolling[o]
		local = local || o == "LOCAL"
	}
	for _, o := range st.Options {
		c.forward = c.forward || o == "FORWARD_ONLY" || o == "FAST_FORWARD"
	}
	c.home = f.child(f.c)
	for name, v := range f.vars {
		copied := *v
		c.home.vars[name] = &copied
	}
	name := strings.ToLower(st.Name)
	where := &f.s.cursors
	if local || strings.HasPrefix(name, "@") {
		where = &f.cursors
	}
	if (*where)[name] != nil && !strings.HasPrefix(name, "@") {
		return f.raise(sqlerr.New(16915, st.Name), abortStatement)
	}
	if *where == nil {
		*where = map[string]*cursor{}
	}
	(*where)[name] = c
	f.ok()
	return next, nil
}

// findCursor finds a cursor by name, a local one first.
func (f *frame) findCursor(name string) *cursor {
	k := strings.ToLower(name)
	if c := f.cursors[k]; c != nil {
		return c
	}
	return f.s.cursors[k]
}

func (f *frame) cursorStatement(st *ast.CursorStatement) (flow, error) {
	c := f.findCursor(st.Name)
	if c == nil {
		if strings.HasPrefix(st.Name, "@") {
			return f.raise(sqlerr.New(16950, st.Name), abortStatement)
		}
		return f.raise(sqlerr.New(16916, st.Name), abortStatement)
	}
	switch st.Verb {
	case "OPEN":
		if c.open {
			return f.raise(sqlerr.New(16905), abortStatement)
		}
		if err := f.openCursor(c); err != nil {
			return f.evalFailed(err)
		}
		f.s.cursorRows = int64(len(c.rows))
	case "CLOSE":
		if !c.open {
			return f.raise(sqlerr.New(16917), abortStatement)
		}
		c.open, c.rows = false, nil
	case "DEALLOCATE":
		k := strings.ToLower(st.Name)
		if f.cursors[k] != nil {
			delete(f.cursors, k)
		} else {
			delete(f.s.cursors, k)
		}
	case "FETCH":
		return f.fetch(c, st)
	}
	f.ok()
	return next, nil
}

// openCursor takes the rows.
func (f *frame) openCursor(c *cursor) error {
	t := f.c.traitsOf(c.query)
	d, err := f.home(t)
	if err != nil {
		return bindError{err}
	}
	h := c.home
	h.r, h.line = f.r, f.line
	kept := &captured{}
	return h.readingAll(d, t, func(k *conn, snap *catalog.Snapshot) error {
		p, err := h.c.plan(h.key(c.query, d, snap, sqltype.Type{}), func() (*bind.Plan, error) { return bind.Query(h.env(k.db, snap), c.query) })
		if err != nil {
			return bindError{err}
		}
		if p.Writes || p.Verb != bind.Select {
			return bindError{sqlerr.New(16948)}
		}
		if err := h.permit(k.db, snap, p); err != nil {
			return err
		}
		if _, err := h.run(k, snap, p, &bind.Run{Row: kept.Row}); err != nil {
			return err
		}
		c.open, c.at, c.columns, c.rows = true, -1, p.Columns, kept.all
		return nil
	})
}

// fetch moves the cursor and gives the row to the variables or to the client.
func (f *frame) fetch(c *cursor, st *ast.CursorStatement) (flow, error) {
	s := f.s
	if !c.open {
		s.fetchStatus = -1
		return f.raise(sqlerr.New(16917), abortStatement)
	}
	if c.forward && st.Direction != "NEXT" {
		return f.raise(sqlerr.New(16911, strings.ToLower(st.Direction)), abortStatement)
	}
	if len(st.Into) > 0 && len(st.Into) != len(c.columns) {
		return f.raise(sqlerr.New(16924), abortBatch)
	}
	count := int64(0)
	if st.Count != nil {
		v, err := f.value(st.Count, sqltype.Type{Kind: sqltype.BigInt})
		if err != nil {
			return f.evalFailed(err)
		}
		count = v.N
	}
	c.move(st.Direction, count)
	f.ok()
	found := c.at >= 0 && c.at < len(c.rows)
	s.fetchStatus = -1
	if found {
		s.fetchStatus, s.rowCount = 0, 1
	}
	if len(st.Into) == 0 {
		return next, f.fetched(c, found)
	}
	if !found {
		return next, nil
	}
	for i, name := range st.Into {
		v := f.variable(name)
		if v == nil {
			return f.failBind(sqlerr.New(137, name).WithState(2))
		}
		val, err := assign(c.rows[c.at][i], c.columns[i].Type, v.typ)
		if err != nil {
			return f.evalFailed(err)
		}
		v.value = val
	}
	return next, nil
}

// move places the cursor; before the first row is -1, behind the last len(rows).
func (c *cursor) move(direction string, count int64) {
	to := int64(c.at)
	n := int64(len(c.rows))
	switch direction {
	case "NEXT":
		to++
	case "PRIOR":
		to--
	case "FIRST":
		to = 0
	case "LAST":
		to = n - 1
	case "RELATIVE":
		to += min(max(count, -n-1), n+1)
	case "ABSOLUTE":
		switch {
		case count > 0:
			to = min(count, n+1) - 1
		case count < 0:
			to = n + max(count, -n-1)
		default:
			to = -1
		}
	}
	c.at = int(min(max(to, -1), n))
}

// fetched sends the row as a result set of its own.
func (f *frame) fetched(c *cursor, found bool) error {
	if err := f.r.out.Columns(c.columns); err != nil {
		return err
	}
	rows := int64(0)
	if found {
		rows = 1
		if err := f.r.out.Row(c.rows[c.at]); err != nil {
			return err
		}
	}
	return wrapEnd(f.done(sqlapi.CmdSelect, rows))
}
