package rescue

import (
	"encoding/json"
	"fmt"
	"time"

	"linkspan/lsn"
	"linkspan/sqltype"
)

// Header says what a rescue file compares, and why it was written.
type Header struct {
	// Server is the instance that wrote the file, Database whose rows it has, Link the distributed availability group.
	Server, Database, Link string
	// Fork is the last position that both sides have, Tail the end of what only this side has.
	Fork, Tail lsn.LSN
	// ForkEpoch is the epoch at the fork, TailEpoch that of the tail, OpenedEpoch that in which the other side opened.
	ForkEpoch, TailEpoch, OpenedEpoch uint32
	// Written is when the file was made, by this side's clock; ForkTime and TailTime are when the records at both
	// positions were committed, zero when not known.
	Written, ForkTime, TailTime time.Time
	// Against is "" when the tail is compared with the fork. Otherwise it says with what instead, because the log did not
	// reach back: then rows that the other side changed after the fork are among the differences.
	Against string
	// Loss is what the forced failover wrote down as missing, in words.
	Loss string
}

// headerJSON is a Header in a file.
type headerJSON struct {
	Server      string    `json:"server"`
	Database    string    `json:"database"`
	Link        string    `json:"link,omitempty"`
	Fork        string    `json:"fork"`
	Tail        string    `json:"tail"`
	ForkEpoch   uint32    `json:"forkEpoch,omitempty"`
	TailEpoch   uint32    `json:"tailEpoch,omitempty"`
	OpenedEpoch uint32    `json:"openedEpoch,omitempty"`
	Written     time.Time `json:"written"`
	ForkTime    time.Time `json:"forkTime,omitzero"`
	TailTime    time.Time `json:"tailTime,omitzero"`
	Against     string    `json:"against,omitempty"`
	// Partial says the same as Against, for programs.
	Partial bool   `json:"partial,omitempty"`
	Loss    string `json:"loss,omitempty"`
}

// MarshalJSON implements json.Marshaler; positions are spelled as lsn.LSN prints them.
func (h Header) MarshalJSON() ([]byte, error) {
	return json.Marshal(headerJSON{h.Server, h.Database, h.Link, h.Fork.String(), h.Tail.String(), h.ForkEpoch, h.TailEpoch, h.OpenedEpoch,
		h.Written, h.ForkTime, h.TailTime, h.Against, h.Against != "", h.Loss})
}

// UnmarshalJSON implements json.Unmarshaler.
func (h *Header) UnmarshalJSON(b []byte) error {
	var j headerJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	fork, err := lsn.Parse(j.Fork)
	if err != nil {
		return fmt.Errorf("fork: %w", err)
	}
	tail, err := lsn.Parse(j.Tail)
	if err != nil {
		return fmt.Errorf("tail: %w", err)
	}
	*h = Header{j.Server, j.Database, j.Link, fork, tail, j.ForkEpoch, j.TailEpoch, j.OpenedEpoch, j.Written, j.ForkTime, j.TailTime, j.Against, j.Loss}
	return nil
}

// Item is what a file holds after its header: a *Change, a *Table, a *Row of the last table, or the *Summary that ends it.
type Item interface{ item() }

func (*Change) item()  {}
func (*Table) item()   {}
func (*Row) item()     {}
func (*Summary) item() {}

// Change is a definition that the tail has and the fork has not, has otherwise, or has too much.
type Change struct {
	// What is created, dropped, altered, or "kept" for statements that only make room for the rows.
	What string `json:"what"`
	// Kind says of what: table, schema, view, procedure, foreign key, identity, …
	Kind string `json:"kind"`
	// Schema and Name name it; for a constraint or identity, the table.
	Schema string `json:"schema"`
	Name   string `json:"name"`
	// Before are T-SQL statements that come before the rows, After those that come after them. Each is a batch.
	Before []string `json:"before,omitempty"`
	After  []string `json:"after,omitempty"`
	// Note is what statements cannot do, in words.
	Note string `json:"note,omitempty"`
}

// Table begins the differences of one table.
type Table struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	// ForkSchema and ForkName are its name at the fork, where that is another one.
	ForkSchema string `json:"forkSchema,omitempty"`
	ForkName   string `json:"forkName,omitempty"`
	// Columns are those of Row.New, and of Row.Old unless ForkColumns are given.
	Columns     []Column `json:"columns"`
	ForkColumns []Column `json:"forkColumns,omitempty"`
	// Key are the positions of the primary key's columns in Columns, ForkKey those in ForkColumns; rows come in its order.
	// Without key they come in the order of their places, and are told by all their values.
	Key     []int `json:"key,omitempty"`
	ForkKey []int `json:"forkKey,omitempty"`
	// Unique tells that there are unique keys beside it.
	Unique bool `json:"unique,omitempty"`
}

// Column is a column as it is stored; computed ones are not in the file.
type Column struct {
	// ID tells whether a column of the fork and one of the tail are the same.
	ID       int32
	Name     string
	Type     sqltype.Type
	Identity bool
}

// columnJSON is a Column in a file.
type columnJSON struct {
	ID        int32  `json:"id"`
	Name      string `json:"name"`
	Kind      string `json:"kind"`
	Len       int    `json:"len,omitempty"`
	Prec      uint8  `json:"precision,omitempty"`
	Scale     uint8  `json:"scale,omitempty"`
	Collation string `json:"collation,omitempty"`
	Identity  bool   `json:"identity,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (c Column) MarshalJSON() ([]byte, error) {
	return json.Marshal(columnJSON{c.ID, c.Name, c.Type.Kind.String(), c.Type.Len, c.Type.Prec, c.Type.Scale, c.Type.Collation, c.Identity})
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *Column) UnmarshalJSON(b []byte) error {
	var j columnJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	for k := sqltype.Bit; k <= sqltype.Variant; k++ {
		if k.String() != j.Kind {
			continue
		}
		if k == sqltype.Decimal && j.Prec > sqltype.MaxPrec || j.Scale > sqltype.MaxPrec || k.IsTemporal() && j.Scale > 7 {
			return fmt.Errorf("column %q: precision %d, scale %d", j.Name, j.Prec, j.Scale)
		}
		*c = Column{j.ID, j.Name, sqltype.Type{Kind: k, Len: j.Len, Prec: j.Prec, Scale: j.Scale, Collation: j.Collation}, j.Identity}
		return nil
	}
	return fmt.Errorf("column %q: unknown type %q", j.Name, j.Kind)
}

// Op is what happened to a row between the fork and the tail.
type Op byte

// The operations.
const (
	Insert Op = 1
	Delete Op = 2
	Update Op = 3
)

var opNames = map[Op]string{Insert: "insert", Delete: "delete", Update: "update"}

// String is "insert", "delete" or "update".
func (o Op) String() string { return opNames[o] }

// Row is one row that differs. What it holds is valid until the reader's next Next.
type Row struct {
	Op Op
	// Old are the values at the fork (for Delete and Update), New those of the tail (for Insert and Update), in the order
	// of the table's columns.
	Old, New []sqltype.Value
}

// Counts are rows of one table, or of all.
type Counts struct {
	Inserted int64 `json:"inserted"`
	Updated  int64 `json:"updated"`
	Deleted  int64 `json:"deleted"`
}

// Rows is their sum.
func (c Counts) Rows() int64 { return c.Inserted + c.Updated + c.Deleted }

func (c *Counts) add(o Op) {
	switch o {
	case Insert:
		c.Inserted++
	case Update:
		c.Updated++
	case Delete:
		c.Deleted++
	}
}

// TableCounts are the rows of one table.
type TableCounts struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	Counts
}

// Summary says how much differs.
type Summary struct {
	// Fork and Tail are the positions compared, as lsn.LSN prints them.
	Fork string `json:"fork"`
	Tail string `json:"tail"`
	// Tables are those with rows that differ; Counts are over all of them.
	Tables []TableCounts `json:"tables"`
	Counts
	// Changes is the number of definitions that differ.
	Changes int `json:"changes"`
}

// Empty reports whether nothing differs.
func (s Summary) Empty() bool { return s.Rows() == 0 && s.Changes == 0 }

// String says it in one line, for the error log and for messages.
func (s Summary) String() string {
	text := fmt.Sprintf("%d rows of %d tables (%d inserted, %d updated, %d deleted) after LSN %s up to %s", s.Rows(), len(s.Tables), s.Inserted, s.Updated, s.Deleted, s.Fork, s.Tail)
	if s.Changes > 0 {
		text += fmt.Sprintf("; definitions changed: %d", s.Changes)
	}
	return text
}
