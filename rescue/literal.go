package rescue

import (
	"fmt"
	"strconv"
	"strings"

	"linkspan/sqltype"
)

// text makes a string a T-SQL expression on one line: N'it”s'. Line breaks and other control characters become NCHAR(n),
// and "$(" is taken apart, since sqlcmd would take a line GO for the end of the batch, and $(x) for a variable of its own.
func text(s string) string {
	var b strings.Builder
	open, parts := false, 0
	quote := func() {
		if !open {
			if parts > 0 {
				b.WriteByte('+')
			}
			parts++
			b.WriteString("N'")
			open = true
		}
	}
	closeQuote := func() {
		if open {
			b.WriteByte('\'')
			open = false
		}
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	for i, r := range s {
		switch {
		case r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029:
			closeQuote()
			if parts > 0 {
				b.WriteByte('+')
			}
			parts++
			b.WriteString("NCHAR(" + strconv.Itoa(int(r)) + ")")
		case r == '\'':
			quote()
			b.WriteString("''")
		case r == '(' && i > 0 && s[i-1] == '$':
			closeQuote()
			quote()
			b.WriteByte('(')
		default:
			quote()
			b.WriteRune(r)
		}
	}
	closeQuote()
	switch {
	case parts == 0:
		return "N''"
	case parts > 1:
		// Without it a sum of short texts would be cut at 8000 bytes.
		return "(CONVERT(nvarchar(max), N'')+" + b.String() + ")"
	}
	return b.String()
}

// literal is a value of a column as a T-SQL expression that gives exactly it when it is assigned to the column.
func literal(v sqltype.Value, t sqltype.Type) string {
	if !v.Valid {
		return "NULL"
	}
	switch v.K {
	case sqltype.Money, sqltype.SmallMoney:
		return money(v.N)
	case sqltype.Real, sqltype.Float:
		// With an exponent it is a float from the start; without, it would be a decimal that is rounded once more.
		return strconv.FormatFloat(v.Float(), 'e', -1, 64)
	case sqltype.DateTime, sqltype.SmallDateTime:
		s, _ := sqltype.FormatDate(v, 126)
		return "'" + s + "'"
	case sqltype.Date, sqltype.Time, sqltype.DateTime2, sqltype.DateTimeOffset, sqltype.UniqueIdentifier:
		return "'" + v.String() + "'"
	}
	switch {
	case t.Kind == sqltype.Variant:
		base := baseType(v)
		return "CONVERT(" + base.String() + ", " + literal(v, base) + ")"
	case v.K.IsString():
		return text(v.S)
	}
	return v.String()
}

// baseType is the type of what a sql_variant holds.
func baseType(v sqltype.Value) sqltype.Type {
	t := sqltype.Type{Kind: v.K}
	switch {
	case v.K == sqltype.Decimal:
		t.Prec, t.Scale = sqltype.MaxPrec, v.Scale
	case v.K == sqltype.Time, v.K == sqltype.DateTime2, v.K == sqltype.DateTimeOffset:
		t.Scale = v.Scale
	case v.K.IsUnicode():
		t.Len = max(1, min(4000, len([]rune(v.S))*2))
	case v.K.IsString(), v.K.IsBinary():
		t.Len = max(1, min(8000, len(v.S)))
	}
	return t
}

func money(n int64) string {
	sign, m := "", uint64(n)
	if n < 0 {
		sign, m = "-", -uint64(n)
	}
	return fmt.Sprintf("%s%d.%04d", sign, m/10000, m%10000)
}

// equals is a condition that only exactly this value in the column fulfils, whatever the column's collation takes for
// equal.
func equals(c Column, v sqltype.Value) string {
	name := quoteName(c.Name)
	if !v.Valid {
		return name + " IS NULL"
	}
	switch {
	case c.Type.Kind == sqltype.Variant:
		return fmt.Sprintf("%s = %s", name, literal(v, c.Type))
	case c.Type.Kind.IsString():
		return fmt.Sprintf("CONVERT(varbinary(max), CONVERT(nvarchar(max), %s)) = CONVERT(varbinary(max), CONVERT(nvarchar(max), %s))", name, text(v.S))
	case c.Type.Kind == sqltype.Image:
		return fmt.Sprintf("CONVERT(varbinary(max), %s) = %s", name, literal(v, c.Type))
	case c.Type.Kind == sqltype.DateTimeOffset:
		return fmt.Sprintf("%s = %s AND DATEPART(tzoffset, %s) = %d", name, literal(v, c.Type), name, v.Hi)
	}
	return name + " = " + literal(v, c.Type)
}
