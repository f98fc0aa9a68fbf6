package sqlfn

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"linkspan/rel"
	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// MaxViewColumns is the greatest number of columns of a rel.View that ls_view serves.
const MaxViewColumns = 200

// viewKey names the rows of one view in one database.
type viewKey struct{ view, db string }

// viewRows holds a view's rows for the time of a statement.
type viewRows struct {
	types []sqltype.Type
	// cells are the rows one after the other, in row-store encoding.
	cells []sqltype.Stored
	count int
	// byInt finds, for a column, the rows with an integer; made when first asked for.
	byInt map[int]map[int64][]int32
}

// registerViews adds the eponymous module ls_view(view, database).
func registerViews(conn *sqlite3.Conn, env *Env) error {
	connect := func(db *sqlite3.Conn, _, _, _ string, _ ...string) (*viewTable, error) {
		var b strings.Builder
		b.WriteString("CREATE TABLE ls_view(")
		for i := range MaxViewColumns {
			b.WriteString("c_" + strconv.Itoa(i+1) + ", ")
		}
		b.WriteString("view_name HIDDEN, database_name HIDDEN)")
		if err := db.DeclareVTab(b.String()); err != nil {
			return nil, err
		}
		return &viewTable{env}, db.VTabConfig(sqlite3.VTAB_INNOCUOUS)
	}
	//lint:ignore SA1019 the method that replaces it needs a newer Go
	if err := sqlite3.CreateModule(conn, "ls_view", nil, connect); err != nil { //nolint:staticcheck // see above
		return fmt.Errorf("register views: %w", err)
	}
	return nil
}

type viewTable struct{ env *Env }

// BestIndex passes the view's name, the database and at most one equality on a column.
func (t *viewTable) BestIndex(info *sqlite3.IndexInfo) error {
	view, db, eq := -1, -1, -1
	for i, c := range info.Constraint {
		if c.Op != sqlite3.INDEX_CONSTRAINT_EQ {
			continue
		}
		switch {
		case c.Column == MaxViewColumns && c.Usable:
			view = i
		case c.Column == MaxViewColumns+1 && c.Usable:
			db = i
		case c.Column == MaxViewColumns || c.Column == MaxViewColumns+1:
			return sqlite3.CONSTRAINT // the arguments must be known first
		case c.Column >= 0 && c.Column < MaxViewColumns && c.Usable && eq < 0:
			eq = i
		}
	}
	if view < 0 {
		return sqlite3.CONSTRAINT
	}
	next := 1
	use := func(i int, omit bool) {
		info.ConstraintUsage[i] = sqlite3.IndexConstraintUsage{ArgvIndex: next, Omit: omit}
		next++
	}
	use(view, true)
	if db >= 0 {
		use(db, true)
		info.IdxNum |= 1
	}
	info.EstimatedCost, info.EstimatedRows = 1000, 1000
	if eq >= 0 {
		use(eq, false)
		info.IdxNum |= 2 | info.Constraint[eq].Column<<2
		info.EstimatedCost, info.EstimatedRows = 10, 10
	}
	return nil
}

func (t *viewTable) Open() (sqlite3.VTabCursor, error) { return &viewCursor{env: t.env}, nil }

// viewCursor walks the rows, or those that pick lists.
type viewCursor struct {
	env    *Env
	rows   *viewRows
	pick   []int32
	picked bool
	pos    int
}

func (c *viewCursor) Filter(idxNum int, _ string, arg ...sqlite3.Value) error {
	db := ""
	if idxNum&1 != 0 {
		db = arg[1].Text()
	}
	rows, err := c.env.viewRows(arg[0].Text(), db)
	if err != nil {
		return c.env.note(err)
	}
	c.rows, c.pos, c.pick, c.picked = rows, 0, nil, false
	if idxNum&2 == 0 {
		return nil
	}
	key, column := arg[len(arg)-1], idxNum>>2
	if key.Type() == sqlite3.NULL {
		c.picked = true
	} else if key.Type() == sqlite3.INTEGER && column < len(rows.types) && sqltype.StorageOf(rows.types[column]) == sqltype.StoreInt {
		c.pick, c.picked = rows.find(column, key.Int64()), true
	}
	return nil
}

func (r *viewRows) find(column int, n int64) []int32 {
	index := r.byInt[column]
	if index == nil {
		index = make(map[int64][]int32)
		for i := range r.count {
			if s := r.cells[i*len(r.types)+column]; s.Class == sqltype.StoreInt {
				index[s.I] = append(index[s.I], int32(i))
			}
		}
		r.byInt[column] = index
	}
	return index[n]
}

func (c *viewCursor) Next() error { c.pos++; return nil }

func (c *viewCursor) EOF() bool {
	if c.picked {
		return c.pos >= len(c.pick)
	}
	return c.pos >= c.rows.count
}

func (c *viewCursor) row() int {
	if c.picked {
		return int(c.pick[c.pos])
	}
	return c.pos
}

func (c *viewCursor) Column(ctx sqlite3.Context, n int) error {
	if n >= len(c.rows.types) {
		return nil
	}
	resultStored(ctx, c.rows.cells[c.row()*len(c.rows.types)+n])
	return nil
}

func (c *viewCursor) RowID() (int64, error) { return int64(c.row()), nil }

// viewRows gives the rows of a view in a database, taken when first asked for in the statement.
func (e *Env) viewRows(name, db string) (*viewRows, error) {
	key := viewKey{name, strings.ToLower(db)}
	if r := e.rows[key]; r != nil {
		return r, nil
	}
	schema, short, _ := strings.Cut(name, ".")
	var v *rel.View
	if e.st.Views != nil {
		v = e.st.Views.View(schema, short)
	}
	if v == nil {
		return nil, sqlerr.New(208, name)
	}
	if len(v.Columns) > MaxViewColumns {
		return nil, fmt.Errorf("read view %s: %d columns are more than %d", name, len(v.Columns), MaxViewColumns)
	}
	scope := e.st.Scope
	if db != "" && !strings.EqualFold(db, scope.Database) {
		scope.Database, scope.DatabaseID = db, 0
	}
	r := &viewRows{byInt: make(map[int]map[int64][]int32)}
	for _, c := range v.Columns {
		r.types = append(r.types, c.Type)
	}
	for row, err := range v.Rows(e.st.Ctx, scope) {
		if err != nil {
			return nil, err
		}
		if len(row) != len(r.types) {
			return nil, fmt.Errorf("read view %s: a row of %d values for %d columns", name, len(row), len(r.types))
		}
		for i, x := range row {
			r.cells = append(r.cells, sqltype.Store(x, r.types[i]))
		}
		r.count++
	}
	e.rows[key] = r
	return r, nil
}

// resultStored gives a value that is already in row-store encoding.
func resultStored(ctx sqlite3.Context, st sqltype.Stored) {
	switch st.Class {
	case sqltype.StoreInt:
		ctx.ResultInt64(st.I)
	case sqltype.StoreReal:
		ctx.ResultFloat(st.F)
	case sqltype.StoreText:
		ctx.ResultText(st.S)
	case sqltype.StoreBlob:
		ctx.ResultBlob([]byte(st.S))
	default:
		ctx.ResultNull()
	}
}
