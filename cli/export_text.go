package cli

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"linkspan/bak/mdf"
	"linkspan/sqltype"
)

// csvRows writes RFC 4180: NULL is an empty field, an empty string is "".
type csvRows struct {
	dst *destination
	buf []byte
}

func newCSVRows(dst *destination, columns []mdf.Column) (*csvRows, error) {
	w := &csvRows{dst: dst}
	for i, c := range columns {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.buf = appendCSV(w.buf, c.Name)
	}
	w.buf = append(w.buf, '\n')
	_, err := dst.Write(w.buf)
	return w, err
}

func (w *csvRows) Row(row []sqltype.Value) error {
	w.buf = w.buf[:0]
	for i, v := range row {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		switch {
		case v.IsNull():
		case v.K.IsInteger():
			w.buf = strconv.AppendInt(w.buf, v.N, 10)
		case v.K.IsString():
			w.buf = appendCSV(w.buf, v.S)
		default:
			w.buf = append(w.buf, v.String()...)
		}
	}
	w.buf = append(w.buf, '\n')
	_, err := w.dst.Write(w.buf)
	return err
}

func (w *csvRows) Close() error { return w.dst.Close() }

// appendCSV adds a text field, quoted where it must be.
func appendCSV(b []byte, s string) []byte {
	plain := s != "" && s[0] != ' ' && s[len(s)-1] != ' '
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] != ',' && s[i] != '"' && s[i] != '\r' && s[i] != '\n'
	}
	if plain {
		return append(b, s...)
	}
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' {
			b = append(b, '"')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// jsonRows writes one object a line: numbers with all their digits, bits as booleans, dates and bytes as text.
type jsonRows struct {
	dst   *destination
	names [][]byte
	buf   []byte
}

func newJSONRows(dst *destination, columns []mdf.Column) *jsonRows {
	w := &jsonRows{dst: dst}
	for _, c := range columns {
		w.names = append(w.names, append(appendJSON(nil, c.Name), ':'))
	}
	return w
}

func (w *jsonRows) Row(row []sqltype.Value) error {
	b := append(w.buf[:0], '{')
	for i, v := range row {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, w.names[i]...)
		switch {
		case v.IsNull():
			b = append(b, "null"...)
		case v.K == sqltype.Bit:
			b = strconv.AppendBool(b, v.N != 0)
		case v.K.IsInteger():
			b = strconv.AppendInt(b, v.N, 10)
		case v.K.IsNumeric() && !notFinite(v):
			b = append(b, number(v)...)
		default:
			b = appendJSON(b, v.String())
		}
	}
	w.buf = append(b, '}', '\n')
	_, err := w.dst.Write(w.buf)
	return err
}

func notFinite(v sqltype.Value) bool {
	return (v.K == sqltype.Float || v.K == sqltype.Real) && (math.IsInf(v.Float(), 0) || math.IsNaN(v.Float()))
}

// number spells a decimal, money or float as JSON does: with a digit before the point.
func number(v sqltype.Value) string {
	s := v.String()
	if strings.HasPrefix(s, ".") {
		return "0" + s
	}
	if strings.HasPrefix(s, "-.") {
		return "-0" + s[1:]
	}
	return s
}

func (w *jsonRows) Close() error { return w.dst.Close() }

// appendJSON adds a string; most need no escape.
func appendJSON(b []byte, s string) []byte {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] >= ' ' && s[i] != '"' && s[i] != '\\' && s[i] < 0x80
	}
	if plain {
		return append(append(append(b, '"'), s...), '"')
	}
	q, err := json.Marshal(s)
	if err != nil { // no string fails
		return append(b, '"', '"')
	}
	return append(b, q...)
}
