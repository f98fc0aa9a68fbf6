package rescue

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"linkspan/sqltype"
)

// Filter says what of a file is shown: with a Table, given as name or schema.name, only what is of that table.
type Filter struct{ Table string }

func (f Filter) takes(schema, name string) bool {
	return f.Table == "" || strings.EqualFold(f.Table, name) || strings.EqualFold(f.Table, schema+"."+name)
}

// The passes over a file that a script is made of. Rows that go make room for rows that come.
const (
	passBefore = iota
	passDeletes
	passUpdates
	passInserts
	passAfter
	passes
)

// batchRows is how many statements a batch of the script has at most, batchBytes how large it grows.
const (
	batchRows  = 100
	batchBytes = 256 << 10
)

// WriteScript writes the file as T-SQL that turns the fork into the tail, in one transaction: for sqlcmd with -b, and for
// any client that knows GO. It reads the file several times. Values that the server makes itself (rowversion) are not set.
func WriteScript(w io.Writer, file io.ReadSeeker, f Filter) error {
	s := &script{w: bufio.NewWriterSize(w, 64<<10), filter: f}
	for s.pass = range passes {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("read rescue file: %w", err)
		}
		r, err := Open(file)
		if err != nil {
			return err
		}
		if s.pass == passBefore {
			s.head(r.Header())
		}
		if err := s.run(r); err != nil {
			return err
		}
	}
	s.line("IF @@TRANCOUNT > 0 COMMIT TRANSACTION")
	s.line("GO")
	s.line("SET NOEXEC OFF")
	s.line("GO")
	return s.w.Flush()
}

// script writes one.
type script struct {
	w      *bufio.Writer
	filter Filter
	pass   int
	table  *Table // nil when it is filtered out
	// rows and bytes are in the present batch; identity is the table whose identity values are given now.
	rows, bytes int
	identity    string
}

func (s *script) line(text string) {
	_, _ = s.w.WriteString(text) // the error is Flush's
	_ = s.w.WriteByte('\n')
	s.bytes += len(text)
}

// comment keeps a text on its line.
func comment(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ReplaceAll(s, "$(", "$ ("))
}

func (s *script) head(h Header) {
	s.line("-- " + comment(fmt.Sprintf("What only %s had of database %q after LSN %s up to %s.", h.Server, h.Database, h.Fork, h.Tail)))
	s.line("-- Run on a database as it was at the fork, it gives the tail: sqlcmd -b -f 65001 -I -d DATABASE -i THIS.sql")
	if h.Against != "" {
		s.line("-- " + comment("Compared with "+h.Against+": this takes back what the other side changed since the fork. Choose statements, do not run it whole."))
	}
	s.line("SET XACT_ABORT ON; SET NOCOUNT ON; SET QUOTED_IDENTIFIER ON; SET ANSI_NULLS ON")
	s.line("BEGIN TRANSACTION")
	s.line("GO")
}

func (s *script) run(r *Reader) error {
	for {
		it, err := r.Next()
		if err != nil {
			return err
		}
		switch it := it.(type) {
		case *Change:
			if s.filter.takes(it.Schema, it.Name) {
				if err := s.change(it); err != nil {
					return err
				}
			}
		case *Table:
			s.endTable()
			s.table = nil
			if s.filter.takes(it.Schema, it.Name) {
				if err := namesFit(it); err != nil {
					return err
				}
				s.table = it
			}
		case *Row:
			if s.table != nil {
				s.row(it)
			}
		case *Summary:
			s.endTable()
			return nil
		}
	}
}

// namesFit refuses names that cannot stand in a script for sqlcmd.
func namesFit(t *Table) error {
	all := []string{t.Schema, t.Name}
	for _, c := range append(t.Columns, t.ForkColumns...) {
		all = append(all, c.Name)
	}
	for _, n := range all {
		if comment(n) != n {
			return fmt.Errorf("the name %q has a line break, a control character or $(, which no script for sqlcmd can have: show the file as JSON", n)
		}
	}
	return nil
}

func (s *script) change(c *Change) error {
	statements := c.Before
	if s.pass == passAfter {
		statements = c.After
		if c.Note != "" {
			s.line("-- " + comment(fmt.Sprintf("%s %s %s: %s", c.Kind, c.Name, c.What, c.Note)))
		}
	} else if s.pass != passBefore {
		return nil
	}
	for _, q := range statements {
		if comment(q) != q {
			q = "DECLARE @s nvarchar(max) = " + text(q) + "; EXEC sys.sp_executesql @s"
		}
		s.guard()
		s.line(q)
		s.line("GO")
		s.rows, s.bytes = 0, 0
	}
	return nil
}

// guard keeps what follows from running once the transaction is gone.
func (s *script) guard() {
	s.line("IF @@TRANCOUNT = 0 SET NOEXEC ON")
	s.line("GO")
}

func (s *script) endTable() {
	if s.identity != "" {
		s.line("SET IDENTITY_INSERT " + s.identity + " OFF")
		s.identity = ""
		s.rows++
	}
	s.endBatch()
}

func (s *script) endBatch() {
	if s.rows > 0 {
		s.line("GO")
	}
	s.rows, s.bytes = 0, 0
}

// row writes what this pass has to do for a row.
func (s *script) row(r *Row) {
	remake := r.Op == Update && s.table.remake(r)
	q := ""
	switch {
	case s.pass == passDeletes && (r.Op == Delete || remake):
		q = s.table.deletion(r)
	case s.pass == passUpdates && r.Op == Update && !remake:
		q = s.table.update(r)
	case s.pass == passInserts && (r.Op == Insert || remake):
		q = s.insertion(r)
	}
	if q == "" {
		return
	}
	if s.rows == 0 {
		s.guard()
	}
	s.line(q)
	if s.rows++; s.rows >= batchRows || s.bytes >= batchBytes {
		s.endBatch()
	}
}

func (s *script) insertion(r *Row) string {
	t := s.table
	name := t.now()
	var columns, values []string
	for i, c := range t.Columns {
		if c.Type.Kind == sqltype.RowVersion {
			continue
		}
		if c.Identity && s.identity != name {
			s.guard()
			s.line("SET IDENTITY_INSERT " + name + " ON")
			s.identity = name
			s.rows++
		}
		columns, values = append(columns, quoteName(c.Name)), append(values, literal(r.New[i], c.Type))
	}
	if len(columns) == 0 {
		return "INSERT INTO " + name + " DEFAULT VALUES"
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", name, strings.Join(columns, ", "), strings.Join(values, ", "))
}

// now is the table's name once the statements before the rows have run.
func (t *Table) now() string { return quoteName(t.Schema) + "." + quoteName(t.Name) }

// remake reports that a row is taken away and put back instead of updated: where an UPDATE cannot change it, or could
// meet another row's unique key on its way.
func (t *Table) remake(r *Row) bool {
	if t.Unique {
		return true
	}
	for i, c := range t.Columns {
		if c.Identity {
			if at := position(t.forkColumns(), c.ID); at < 0 || r.Old[at] != r.New[i] {
				return true
			}
		}
	}
	return false
}

func (t *Table) deletion(r *Row) string {
	if where := t.where(r.Old); t.Key == nil {
		return "DELETE TOP (1) FROM " + t.now() + where
	} else {
		return "DELETE FROM " + t.now() + where
	}
}

func (t *Table) update(r *Row) string {
	var sets []string
	for i, c := range t.Columns {
		at := position(t.forkColumns(), c.ID)
		if c.Type.Kind == sqltype.RowVersion || c.Identity || at >= 0 && t.forkColumns()[at].Type == c.Type && r.Old[at] == r.New[i] {
			continue
		}
		sets = append(sets, quoteName(c.Name)+" = "+literal(r.New[i], c.Type))
	}
	if len(sets) == 0 {
		return ""
	}
	top := ""
	if t.Key == nil {
		top = "TOP (1) "
	}
	return "UPDATE " + top + t.now() + " SET " + strings.Join(sets, ", ") + t.where(r.Old)
}

// where finds the row as the fork has it: by its key, or by all its values. Columns that the tail has not any more, or
// has with another type, are left out: they changed before the rows do.
func (t *Table) where(old []sqltype.Value) string {
	var conditions []string
	for _, k := range t.forkKey() {
		c := t.forkColumns()[k]
		if at := position(t.Columns, c.ID); at >= 0 {
			c.Name = t.Columns[at].Name
		}
		conditions = append(conditions, quoteName(c.Name)+" = "+literal(old[k], c.Type))
	}
	if t.Key == nil {
		for i, c := range t.forkColumns() {
			at := position(t.Columns, c.ID)
			if at < 0 || t.Columns[at].Type != c.Type || c.Type.Kind == sqltype.RowVersion {
				continue
			}
			conditions = append(conditions, equals(t.Columns[at], old[i]))
		}
	}
	if len(conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(conditions, " AND ")
}
