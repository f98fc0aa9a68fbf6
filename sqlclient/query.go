package sqlclient

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	mssql "github.com/microsoft/go-mssqldb"

	"linkspan/sqlerr"
)

// maxRows bounds what a call keeps of a result: the orchestrators ask for states, not for data.
const maxRows = 100_000

// ErrTooManyRows is wrapped when a result has more rows than a call keeps.
var ErrTooManyRows = errors.New("the result has too many rows")

// Result is what a batch gave. Informational messages (PRINT, warnings) are not in it: the driver hands them out only
// through a queue that loses a broken connection and waits for ever (go-mssqldb v1.11.2, Rowsq), and no caller needs them.
type Result struct {
	// Sets are the result sets in their order. A batch without SELECT has none.
	Sets []Set
}

// Set is one result set. Values are nil, bool, int64, float64, string, []byte or time.Time (UTC); numbers that none of
// these holds exactly (decimal, money) and uniqueidentifier come as strings.
type Set struct {
	Columns []string
	Rows    [][]any
}

// First is the first result set, or an empty one.
func (r *Result) First() Set {
	if len(r.Sets) == 0 {
		return Set{}
	}
	return r.Sets[0]
}

// Query runs a batch. args are bound as @p1, @p2, … or, given as sql.Named, under their names. A SQL error comes back as
// *sqlerr.Error in err's chain: the first one, which has the reason, with the later ones (which say what failed because
// of it) as its cause. What arrived before it is in the result, which is never nil.
func (c *Client) Query(ctx context.Context, text string, args ...any) (*Result, error) {
	res := new(Result)
	rows, err := c.db.QueryContext(ctx, text, args...)
	if err != nil {
		return res, c.failure(ctx, err)
	}
	defer func() { _ = rows.Close() }() // an early end; what matters is in rows.Err
	for {
		set, err := readSet(rows)
		if len(set.Columns) > 0 {
			res.Sets = append(res.Sets, set)
		}
		if err != nil {
			return res, c.failure(ctx, err)
		}
		if !rows.NextResultSet() {
			break
		}
	}
	if err := rows.Err(); err != nil {
		return res, c.failure(ctx, err)
	}
	return res, nil
}

// Each runs a batch with one result set, of any length, and calls row for each row in turn with values as Set has them.
// row must not keep the slice. An error of row ends it and is returned. Only one row is in memory at a time.
func (c *Client) Each(ctx context.Context, text string, row func(values []any) error, args ...any) error {
	rows, err := c.db.QueryContext(ctx, text, args...)
	if err != nil {
		return c.failure(ctx, err)
	}
	defer func() { _ = rows.Close() }() // an early end; what matters is in rows.Err
	types, err := rows.ColumnTypes()
	if err != nil {
		return c.failure(ctx, err)
	}
	names := make([]string, len(types))
	values, at := make([]any, len(types)), make([]any, len(types))
	for i := range types {
		names[i], at[i] = types[i].DatabaseTypeName(), &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(at...); err != nil {
			return c.failure(ctx, err)
		}
		for i := range values {
			values[i] = plain(values[i], names[i])
		}
		if err := row(values); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return c.failure(ctx, err)
	}
	return nil
}

// failure says why a batch failed: that the caller gave up counts before what the driver made of it.
func (c *Client) failure(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%s: %w", c.server, cause)
	}
	return asError(err)
}

func readSet(rows *sql.Rows) (Set, error) {
	types, err := rows.ColumnTypes()
	if err != nil {
		return Set{}, err
	}
	var set Set
	for _, t := range types {
		set.Columns = append(set.Columns, t.Name())
	}
	for rows.Next() {
		if len(set.Rows) >= maxRows {
			return set, fmt.Errorf("%w: more than %d", ErrTooManyRows, maxRows)
		}
		row, at := make([]any, len(types)), make([]any, len(types))
		for i := range row {
			at[i] = &row[i]
		}
		if err := rows.Scan(at...); err != nil {
			return set, err
		}
		for i := range row {
			row[i] = plain(row[i], types[i].DatabaseTypeName())
		}
		set.Rows = append(set.Rows, row)
	}
	return set, nil
}

// plain turns the driver's bytes into text where the type is no binary one.
func plain(v any, typeName string) any {
	b, ok := v.([]byte)
	if !ok {
		return v
	}
	switch typeName {
	case "DECIMAL", "NUMERIC", "MONEY", "SMALLMONEY":
		return string(b)
	case "UNIQUEIDENTIFIER":
		var id mssql.UniqueIdentifier
		if id.Scan(b) == nil {
			return id.String()
		}
	}
	return v
}

// asError turns the driver's SQL errors into ours.
func asError(err error) error {
	var e mssql.Error
	if !errors.As(err, &e) {
		var p *mssql.Error
		if !errors.As(err, &p) {
			return err
		}
		e = *p
	}
	all := e.All
	if len(all) == 0 {
		all = []mssql.Error{e}
	}
	first := one(all[0])
	var rest []error
	for _, o := range all[1:] {
		rest = append(rest, one(o))
	}
	if len(rest) > 0 {
		return first.WithCause(errors.Join(rest...))
	}
	return first
}

func one(e mssql.Error) *sqlerr.Error {
	return &sqlerr.Error{Number: e.Number, Severity: e.Class, State: e.State, Line: e.LineNo, Procedure: e.ProcName, Message: e.Message}
}
