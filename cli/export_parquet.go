package cli

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/parquet-go/parquet-go"

	"linkspan/bak/mdf"
	"linkspan/sqltype"
)

// parquetRows writes Parquet. Every type keeps all its digits: those that Parquet has no type for without loss (times of
// scale 7, datetimeoffset, sql_variant) are written as text.
type parquetRows struct {
	dst  *destination
	w    *parquet.GenericWriter[any]
	cols []parquetColumn
	rows []parquet.Row
}

// parquetColumn is a column's type in the file and how its values become one.
type parquetColumn struct {
	node  parquet.Node
	value func(sqltype.Value) parquet.Value
}

// orderedGroup is a group whose fields keep their order.
type orderedGroup struct {
	parquet.Group
	order map[string]int
}

// Fields implements parquet.Node.
func (g orderedGroup) Fields() []parquet.Field {
	fs := slices.Clone(g.Group.Fields())
	slices.SortFunc(fs, func(a, b parquet.Field) int { return cmp.Compare(g.order[a.Name()], g.order[b.Name()]) })
	return fs
}

// parquetBatch is the number of rows handed over at once.
const parquetBatch = 512

func newParquetRows(dst *destination, columns []mdf.Column) (*parquetRows, error) {
	w := &parquetRows{dst: dst}
	g := orderedGroup{parquet.Group{}, map[string]int{}}
	for i, c := range columns {
		col := parquetType(c.Type)
		w.cols = append(w.cols, col)
		g.Group[c.Name], g.order[c.Name] = parquet.Optional(col.node), i
	}
	w.w = parquet.NewGenericWriter[any](dst, parquet.NewSchema("row", g), parquet.Compression(&parquet.Snappy))
	return w, nil
}

func (w *parquetRows) Row(row []sqltype.Value) error {
	r := make(parquet.Row, len(row))
	for i, v := range row {
		if v.IsNull() {
			r[i] = parquet.NullValue().Level(0, 0, i)
		} else {
			r[i] = w.cols[i].value(v).Level(0, 1, i)
		}
	}
	w.rows = append(w.rows, r)
	if len(w.rows) < parquetBatch {
		return nil
	}
	return w.flush()
}

func (w *parquetRows) flush() error {
	_, err := w.w.WriteRows(w.rows)
	w.rows = w.rows[:0]
	return err
}

func (w *parquetRows) Close() error {
	err := w.flush()
	if cerr := w.w.Close(); err == nil {
		err = cerr
	}
	if cerr := w.dst.Close(); err == nil {
		err = cerr
	}
	return err
}

// parquetType chooses the Parquet type of a SQL Server type.
func parquetType(t sqltype.Type) parquetColumn {
	text := parquetColumn{parquet.String(), func(v sqltype.Value) parquet.Value { return parquet.ByteArrayValue([]byte(v.String())) }}
	integer := func(n parquet.Node) parquetColumn {
		return parquetColumn{n, func(v sqltype.Value) parquet.Value { return parquet.Int32Value(int32(v.N)) }}
	}
	wide := func(n parquet.Node) parquetColumn {
		return parquetColumn{n, func(v sqltype.Value) parquet.Value { return parquet.Int64Value(v.N) }}
	}
	switch t.Kind {
	case sqltype.Bit:
		return parquetColumn{parquet.Leaf(parquet.BooleanType), func(v sqltype.Value) parquet.Value { return parquet.BooleanValue(v.N != 0) }}
	case sqltype.TinyInt:
		return integer(parquet.Uint(8))
	case sqltype.SmallInt:
		return integer(parquet.Int(16))
	case sqltype.Int:
		return integer(parquet.Int(32))
	case sqltype.BigInt:
		return wide(parquet.Int(64))
	case sqltype.SmallMoney:
		return wide(parquet.Decimal(4, 10, parquet.Int64Type))
	case sqltype.Money:
		return parquetDecimal(4, 19)
	case sqltype.Decimal:
		return parquetDecimal(int(t.Scale), int(t.Prec))
	case sqltype.Real:
		return parquetColumn{parquet.Leaf(parquet.FloatType), func(v sqltype.Value) parquet.Value { return parquet.FloatValue(float32(v.Float())) }}
	case sqltype.Float:
		return parquetColumn{parquet.Leaf(parquet.DoubleType), func(v sqltype.Value) parquet.Value { return parquet.DoubleValue(v.Float()) }}
	case sqltype.UniqueIdentifier:
		return parquetColumn{parquet.UUID(), parquetUUID}
	case sqltype.Binary, sqltype.VarBinary, sqltype.Image, sqltype.RowVersion, sqltype.XML:
		return parquetColumn{parquet.Leaf(parquet.ByteArrayType), func(v sqltype.Value) parquet.Value { return parquet.ByteArrayValue(v.Bytes()) }}
	case sqltype.Date, sqltype.SmallDateTime, sqltype.DateTime, sqltype.DateTime2:
		if t.Scale < 7 {
			return parquetDate(t.Kind)
		}
	}
	return text
}

// parquetDecimal is a decimal as a big-endian two's complement number of 16 bytes.
func parquetDecimal(scale, prec int) parquetColumn {
	return parquetColumn{parquet.Decimal(scale, prec, parquet.FixedLenByteArrayType(16)), func(v sqltype.Value) parquet.Value {
		hi := v.Hi
		if v.K == sqltype.Money {
			hi = v.N >> 63
		}
		b := binary.BigEndian.AppendUint64(nil, uint64(hi))
		return parquet.FixedLenByteArrayValue(binary.BigEndian.AppendUint64(b, uint64(v.N)))
	}}
}

// Days from 0001-01-01 and from 1900-01-01 to 1970-01-01.
const (
	daysToUnix     = 719162
	daysFrom1900   = 25567
	millisADay     = 86400 * 1000
	microsADay     = millisADay * 1000
	microsAMinute  = 60 * 1e6
	ticksPerMicro  = 10
	threeHundredth = 300
)

// parquetDate is a date, or a moment in microseconds on a clock whose zone is not known.
func parquetDate(k sqltype.Kind) parquetColumn {
	if k == sqltype.Date {
		return parquetColumn{parquet.Date(), func(v sqltype.Value) parquet.Value { return parquet.Int32Value(int32(v.N - daysToUnix)) }}
	}
	return parquetColumn{parquet.TimestampAdjusted(parquet.Microsecond, false), func(v sqltype.Value) parquet.Value {
		switch k {
		case sqltype.SmallDateTime:
			return parquet.Int64Value(v.N*microsAMinute - daysFrom1900*microsADay)
		case sqltype.DateTime: // shown to the millisecond, rounded
			days, ticks := v.N/(86400*threeHundredth), v.N%(86400*threeHundredth)
			if ticks < 0 {
				days, ticks = days-1, ticks+86400*threeHundredth
			}
			return parquet.Int64Value((days-daysFrom1900)*microsADay + (ticks*10+1)/3*1000)
		default:
			return parquet.Int64Value(v.N/ticksPerMicro - daysToUnix*microsADay)
		}
	}}
}

// parquetUUID puts the groups of a uniqueidentifier in the order of its text.
func parquetUUID(v sqltype.Value) parquet.Value {
	b := v.Bytes()
	if len(b) == 16 {
		slices.Reverse(b[0:4])
		slices.Reverse(b[4:6])
		slices.Reverse(b[6:8])
	}
	return parquet.FixedLenByteArrayValue(b)
}
