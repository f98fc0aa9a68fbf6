package rescue

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"linkspan/sqltype"
)

// WriteText writes the file for people: what changed, table by table, + for a row that the tail has, - for one that it has
// not, ~ for one that it has otherwise.
func WriteText(w io.Writer, file io.Reader, f Filter) error {
	r, err := Open(file)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	h := r.Header()
	fmt.Fprintf(out, "What only %s had of database %s\n  after LSN %s up to %s", h.Server, h.Database, h.Fork, h.Tail)
	if !h.ForkTime.IsZero() && !h.TailTime.IsZero() {
		fmt.Fprintf(out, ", %s to %s", h.ForkTime.UTC().Format(time.RFC3339), h.TailTime.UTC().Format(time.RFC3339))
	}
	fmt.Fprintln(out)
	for _, l := range []struct{ name, text string }{{"link", h.Link}, {"compared with", h.Against}, {"loss", h.Loss}} {
		if l.text != "" {
			fmt.Fprintf(out, "  %s: %s\n", l.name, l.text)
		}
	}
	if h.Against != "" {
		fmt.Fprintln(out, "  partial: + is a row that the new primary has not, - one that only the new primary has, ~ one that it has otherwise;\n"+
			"  what the new primary itself inserted, changed or deleted since the two went apart is among them")
	}
	var table *Table
	for {
		it, err := r.Next()
		if err != nil {
			return err
		}
		switch it := it.(type) {
		case *Change:
			if it.What != "kept" && f.takes(it.Schema, it.Name) {
				fmt.Fprintf(out, "%s %s %s.%s %s\n", it.Kind, it.What, it.Schema, it.Name, it.Note)
			}
		case *Table:
			if table = nil; f.takes(it.Schema, it.Name) {
				table = it
				fmt.Fprintf(out, "table %s.%s\n", it.Schema, it.Name)
			}
		case *Row:
			if table != nil {
				fmt.Fprintln(out, table.line(it))
			}
		case *Summary:
			fmt.Fprintln(out, it)
			return out.Flush()
		}
	}
}

// line is a row for people.
func (t *Table) line(r *Row) string {
	var b strings.Builder
	b.WriteString(map[Op]string{Insert: "  +", Delete: "  -", Update: "  ~"}[r.Op])
	switch r.Op {
	case Insert:
		for i, c := range t.Columns {
			b.WriteString(" " + c.Name + "=" + literal(r.New[i], c.Type))
		}
	case Delete:
		for i, c := range t.forkColumns() {
			b.WriteString(" " + c.Name + "=" + literal(r.Old[i], c.Type))
		}
	case Update:
		for _, k := range t.forkKey() {
			b.WriteString(" " + t.forkColumns()[k].Name + "=" + literal(r.Old[k], t.forkColumns()[k].Type))
		}
		for i, c := range t.Columns {
			at := position(t.forkColumns(), c.ID)
			switch {
			case at < 0:
				b.WriteString(" " + c.Name + ": → " + literal(r.New[i], c.Type))
			case r.Old[at] != r.New[i]:
				b.WriteString(" " + c.Name + ": " + literal(r.Old[at], t.forkColumns()[at].Type) + " → " + literal(r.New[i], c.Type))
			}
		}
	}
	return b.String()
}

// WriteJSON writes the file as JSON lines: {"header":…}, {"change":…}, {"table":"dbo.t","op":"update","old":{…},"new":{…}},
// {"summary":…}. Integers, bits and floats are numbers and booleans, binary values hexadecimal text, the rest text.
func WriteJSON(w io.Writer, file io.Reader, f Filter) error {
	r, err := Open(file)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(struct {
		Header Header `json:"header"`
	}{r.Header()}); err != nil {
		return err
	}
	var table *Table
	for {
		it, err := r.Next()
		if err != nil {
			return err
		}
		switch it := it.(type) {
		case *Change:
			if f.takes(it.Schema, it.Name) {
				err = enc.Encode(struct {
					Change *Change `json:"change"`
				}{it})
			}
		case *Table:
			if table = nil; f.takes(it.Schema, it.Name) {
				table = it
			}
		case *Row:
			if table != nil {
				err = enc.Encode(table.object(it))
			}
		case *Summary:
			if err := enc.Encode(struct {
				Summary *Summary `json:"summary"`
			}{it}); err != nil {
				return err
			}
			return out.Flush()
		}
		if err != nil {
			return err
		}
	}
}

// rowObject is a row as a JSON line.
type rowObject struct {
	Table string         `json:"table"`
	Op    string         `json:"op"`
	Old   map[string]any `json:"old,omitempty"`
	New   map[string]any `json:"new,omitempty"`
}

func (t *Table) object(r *Row) rowObject {
	o := rowObject{Table: t.Schema + "." + t.Name, Op: r.Op.String()}
	if r.Op != Insert {
		o.Old = values(t.forkColumns(), r.Old)
	}
	if r.Op != Delete {
		o.New = values(t.Columns, r.New)
	}
	return o
}

func values(columns []Column, row []sqltype.Value) map[string]any {
	out := make(map[string]any, len(columns))
	for i, c := range columns {
		out[c.Name] = plain(row[i])
	}
	return out
}

// plain is a value as JSON has it.
func plain(v sqltype.Value) any {
	switch {
	case !v.Valid:
		return nil
	case v.K == sqltype.Bit:
		return v.N != 0
	case v.K.IsInteger():
		return v.N
	case v.K == sqltype.Money, v.K == sqltype.SmallMoney:
		return money(v.N)
	case v.K == sqltype.Real, v.K == sqltype.Float:
		if f := v.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
	}
	return v.String()
}
