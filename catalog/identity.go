package catalog

import (
	"fmt"
	"math"
	"sync"

	"github.com/ncruces/go-sqlite3"

	"linkspan/rel"
	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// Identities hands out the identity values of one open database. The current values live in memory while the database
// is open; on disk a table's last value is kept when rows go away (DELETE, TRUNCATE, reseed), otherwise the farthest
// value in the table tells it. So an INSERT writes nothing but its row, and a replica or a restarted instance goes on
// without gap and without reuse. As in SQL Server, a value handed out is not given back by a rollback.
//
// The methods that take a connection need the writer; its holder is the only user, and the lock guards readers of
// Current.
type Identities struct {
	mu   sync.Mutex
	last map[int64]counter // by rel.Table.Token
}

// counter is a current value; used is false before the first, when the next value is last itself, the seed.
type counter struct {
	last int64
	used bool
}

// NewIdentities returns an empty set of counters.
func NewIdentities() *Identities { return &Identities{last: map[int64]counter{}} }

// Next takes the next identity value of t. Past the column type's range it is 8115.
func (i *Identities) Next(conn Conn, sqlSchema string, t *rel.Table) (int64, error) {
	col := t.Columns[t.Identity]
	i.mu.Lock()
	defer i.mu.Unlock()
	c, ok := i.last[t.Token]
	if !ok {
		var err error
		if c, err = current(conn, sqlSchema, t); err != nil {
			return 0, err
		}
	}
	next, over := c.last, false
	if c.used {
		next, over = addOverflow(c.last, col.Increment)
	}
	if lo, hi := identityRange(col.Type); over || next < lo || next > hi {
		return 0, sqlerr.New(8115, "IDENTITY", col.Type.Kind.String())
	}
	i.last[t.Token] = counter{last: next, used: true}
	return next, nil
}

// Seen tells that value was inserted explicitly under IDENTITY_INSERT: the counter never falls behind it.
func (i *Identities) Seen(conn Conn, sqlSchema string, t *rel.Table, value int64) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	c, ok := i.last[t.Token]
	if !ok {
		var err error
		if c, err = current(conn, sqlSchema, t); err != nil {
			return err
		}
	}
	if up := t.Columns[t.Identity].Increment > 0; !c.used || up && value > c.last || !up && value < c.last {
		c = counter{last: value, used: true}
	}
	i.last[t.Token] = c
	return nil
}

// Save puts the current value of t on disk; it comes BEFORE rows are deleted, since the greatest may be among them.
func (i *Identities) Save(conn Conn, sqlSchema string, t *rel.Table) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	c, ok := i.last[t.Token]
	if !ok {
		var err error
		if c, err = current(conn, sqlSchema, t); err != nil {
			return err
		}
	}
	if !c.used {
		return nil
	}
	kept, err := saved(conn, sqlSchema, t)
	if err != nil || kept == c {
		return err
	}
	return store{conn, sqlSchema}.exec("INSERT OR REPLACE INTO @sys_identity VALUES(?1, ?2, 1)", t.ID, c.last)
}

// Current gives IDENT_CURRENT of t as the transaction of conn sees it, the seed when none was used. It takes any
// connection and i may be nil, as on a replica.
func (i *Identities) Current(conn Conn, sqlSchema string, t *rel.Table) (last int64, used bool, err error) {
	if i != nil {
		i.mu.Lock()
		c, ok := i.last[t.Token]
		i.mu.Unlock()
		if ok {
			return c.last, c.used, nil
		}
	}
	c, err := current(conn, sqlSchema, t)
	return c.last, c.used, err
}

func saved(conn Conn, sqlSchema string, t *rel.Table) (counter, error) {
	c := counter{last: t.Columns[t.Identity].Seed}
	err := store{conn, sqlSchema}.query(func(st *sqlite3.Stmt) error {
		c = counter{last: st.ColumnInt64(0), used: st.ColumnBool(1)}
		return nil
	}, "SELECT last, used FROM @sys_identity WHERE object = ?1", t.ID)
	return c, err
}

// current works the counter out of what is on disk.
func current(conn Conn, sqlSchema string, t *rel.Table) (counter, error) {
	c, err := saved(conn, sqlSchema, t)
	if err != nil {
		return c, err
	}
	col := t.Columns[t.Identity]
	up, fn := col.Increment > 0, "max"
	if !up {
		fn = "min"
	}
	err = store{conn, sqlSchema}.query(func(st *sqlite3.Stmt) error {
		if st.ColumnType(0) == sqlite3.NULL {
			return nil
		}
		v := sqltype.LoadInt(st.ColumnInt64(0), col.Type).N
		if st.ColumnType(0) == sqlite3.BLOB {
			v = sqltype.LoadBlob(st.ColumnRawBlob(0), col.Type).N
		}
		if !c.used && (up && v >= c.last || !up && v <= c.last) || c.used && (up && v > c.last || !up && v < c.last) {
			c = counter{last: v, used: true}
		}
		return nil
	}, fmt.Sprintf("SELECT %s(%s) FROM %s", fn, ColumnName(col.ID), TableName(sqlSchema, t.ID)))
	return c, err
}

func addOverflow(a, b int64) (int64, bool) {
	s := a + b
	return s, (s > a) != (b > 0)
}

// identityRange is the range of an identity column's values as plain numbers.
func identityRange(t sqltype.Type) (lo, hi int64) {
	switch t.Kind {
	case sqltype.TinyInt:
		return 0, math.MaxUint8
	case sqltype.SmallInt:
		return math.MinInt16, math.MaxInt16
	case sqltype.Int:
		return math.MinInt32, math.MaxInt32
	case sqltype.Decimal:
		if t.Prec < 19 {
			n := int64(1)
			for range t.Prec {
				n *= 10
			}
			return 1 - n, n - 1
		}
	}
	return math.MinInt64, math.MaxInt64
}

// Reset forgets all counters: what is on disk tells them again. A database that becomes primary needs it, since another
// instance may have gone on.
func (i *Identities) Reset() {
	i.mu.Lock()
	defer i.mu.Unlock()
	clear(i.last)
}
