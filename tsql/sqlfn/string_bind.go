package sqlfn

import (
	"strings"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

var stringFunctions = map[string]function{
	"ASCII":     fn(1, textTo("ls_ascii", typeInt)),
	"UNICODE":   fn(1, textTo("ls_unicode", typeInt)),
	"CHAR":      fn(1, fixed("ls_char", sqltype.Type{Kind: sqltype.Char, Len: 1}, typeInt)),
	"NCHAR":     fn(1, fixed("ls_nchar", sqltype.Type{Kind: sqltype.NChar, Len: 1}, typeInt)),
	"CHARINDEX": span(2, 3, bindCharIndex), "PATINDEX": fn(2, bindPatIndex),
	"CONCAT": span(2, 254, bindConcat), "CONCAT_WS": span(3, 254, bindConcatWS),
	"LEN": fn(1, textTo("ls_len", typeInt)), "DATALENGTH": fn(1, bindDataLength),
	"LEFT": fn(2, bindSide), "RIGHT": fn(2, bindSide), "SUBSTRING": span(2, 3, bindSubstring),
	"LOWER": fn(1, sameText("ls_lower")), "UPPER": fn(1, sameText("ls_upper")), "REVERSE": fn(1, sameText("ls_reverse")),
	"LTRIM": span(1, 2, sameText("ls_ltrim")), "RTRIM": span(1, 2, sameText("ls_rtrim")), "TRIM": span(1, 2, sameText("ls_trim")),
	"REPLACE": fn(3, bindReplace), "TRANSLATE": fn(3, bindTranslate), "STUFF": fn(4, bindStuff),
	"REPLICATE": fn(2, bindReplicate), "SPACE": fn(1, fixed("ls_space", sqltype.Type{Kind: sqltype.VarChar, Len: 8000}, typeInt)),
	"QUOTENAME":  span(1, 2, fixed("ls_quotename", sqltype.Type{Kind: sqltype.NVarChar, Len: 258}, typeMaxText, sqltype.Type{Kind: sqltype.NVarChar, Len: 1})),
	"STR":        span(1, 3, fixed("ls_str", sqltype.Type{Kind: sqltype.VarChar, Len: 8000}, typeFloat, typeInt, typeInt)),
	"SOUNDEX":    fn(1, fixed("ls_soundex", sqltype.Type{Kind: sqltype.VarChar, Len: 5}, typeVarChar)),
	"DIFFERENCE": fn(2, fixed("ls_difference", typeInt, typeVarChar, typeVarChar)),
	"PARSENAME":  fn(2, fixed("ls_parsename", typeSysname, typeSysname, typeInt)),
	"FORMAT":     span(2, 3, bindFormat), "STRING_ESCAPE": fn(2, fixed("ls_string_escape", typeMaxText, typeMaxText, typeSysname)),
}

// textTo makes a function of one text and its type.
func textTo(run string, result sqltype.Type) func(string, []Expr) (Expr, error) {
	return func(name string, a []Expr) (Expr, error) {
		x, err := text(name, 0, a[0])
		if err != nil {
			return Expr{}, err
		}
		t := result
		if x.Type.Len == sqltype.MaxLen && run == "ls_len" {
			t = typeBigInt
		}
		return Expr{SQL: call(run, x.SQL, code(x.Type)), Type: t, Nullable: x.Nullable || run != "ls_len"}, nil
	}
}

// sameText makes a function whose result has the varying type of its first argument.
func sameText(run string) func(string, []Expr) (Expr, error) {
	return func(name string, a []Expr) (Expr, error) {
		x, err := text(name, 0, a[0])
		if err != nil {
			return Expr{}, err
		}
		t := x.Type
		if run != "ls_lower" && run != "ls_upper" && run != "ls_reverse" {
			t = varying(x.Type, x.Type.Len)
		}
		args := []string{x.SQL}
		if len(a) == 2 {
			c, err := text(name, 1, a[1])
			if err != nil {
				return Expr{}, err
			}
			args = append(args, c.SQL)
		}
		return Expr{SQL: call(run, args...), Type: t, Nullable: nullable(a...), Rule: x.Rule}, nil
	}
}

// bindDataLength counts bytes: a constant for the types of fixed size.
func bindDataLength(_ string, a []Expr) (Expr, error) {
	t := typeInt
	if a[0].Type.Len == sqltype.MaxLen {
		t = typeBigInt
	}
	return Expr{SQL: call("ls_datalength", a[0].SQL, code(a[0].Type)), Type: t, Nullable: a[0].Nullable}, nil
}

// two converts the first two arguments to texts under the collation that rules them.
func two(name string, a []Expr) (x, y Expr, t sqltype.Type, err error) {
	if x, err = text(name, 0, a[0]); err != nil {
		return
	}
	if y, err = text(name, 1, a[1]); err != nil {
		return
	}
	t = sqltype.Type{Kind: sqltype.NVarChar, Len: sqltype.MaxLen}
	t.Collation, _, err = ruling(x, y, strings.ToLower(name))
	return
}

func bindCharIndex(name string, a []Expr) (Expr, error) {
	x, y, t, err := two(name, a)
	if err != nil {
		return Expr{}, err
	}
	start := "1"
	if len(a) == 3 {
		s, err := implicit(a[2], typeBigInt)
		if err != nil {
			return Expr{}, err
		}
		start = s.SQL
	}
	r := Expr{SQL: call("ls_charindex", x.SQL, y.SQL, start, code(t)), Type: typeInt, Nullable: nullable(a...)}
	if y.Type.Len == sqltype.MaxLen {
		r.Type = typeBigInt
	}
	return r, nil
}

func bindPatIndex(name string, a []Expr) (Expr, error) {
	x, y, t, err := two(name, a)
	if err != nil {
		return Expr{}, err
	}
	r := Expr{SQL: call("ls_patindex", x.SQL, y.SQL, code(t)), Type: typeInt, Nullable: nullable(a...)}
	if y.Type.Len == sqltype.MaxLen {
		r.Type = typeBigInt
	}
	return r, nil
}

// texts converts list to texts, all Unicode if one is, and gives the type of the whole joined.
func texts(list []Expr) ([]Expr, sqltype.Type, error) {
	t := sqltype.Type{Kind: sqltype.VarChar}
	for _, x := range list {
		if x.Type.Kind.IsUnicode() {
			t.Kind = sqltype.NVarChar
		}
	}
	out := make([]Expr, len(list))
	for i, x := range list {
		y := x
		if x.Type.Kind == sqltype.Null {
			y = Expr{SQL: "NULL", Type: sqltype.Type{Kind: t.Kind}, Nullable: true}
		} else if !x.Type.Kind.IsString() {
			var err error
			if y, err = Convert(x, sqltype.Type{Kind: t.Kind, Len: textWidth(x.Type)}, Options{}); err != nil {
				return nil, t, err
			}
		} else if t.Collation == "" {
			t.Collation = x.Type.Collation
		}
		switch {
		case y.Type.Len == sqltype.MaxLen:
			t.Len = sqltype.MaxLen
		case t.Len != sqltype.MaxLen:
			t.Len += y.Type.Len
		}
		out[i] = y
	}
	return out, varying(t, t.Len), nil
}

// textWidth is the room that CONCAT gives a value that is no text.
func textWidth(t sqltype.Type) int {
	switch {
	case t.Kind.IsBinary():
		return max(t.Len, 1)
	case t.Kind.IsInteger() && t.Kind != sqltype.BigInt:
		return 12
	}
	return 41
}

// bindConcat joins its arguments, NULL as an empty text.
func bindConcat(_ string, a []Expr) (Expr, error) {
	list, t, err := texts(a)
	if err != nil {
		return Expr{}, err
	}
	parts := make([]string, len(list))
	for i, x := range list {
		parts[i] = x.SQL
		if x.Nullable {
			parts[i] = "ifnull(" + x.SQL + ", '')"
		}
	}
	return Expr{SQL: "(" + strings.Join(parts, " || ") + ")", Type: t}, nil
}

func bindConcatWS(_ string, a []Expr) (Expr, error) {
	list, t, err := texts(a)
	if err != nil {
		return Expr{}, err
	}
	parts := make([]string, len(list))
	for i, x := range list {
		parts[i] = x.SQL
	}
	return Expr{SQL: call("ls_concat_ws", parts...), Type: varying(t, 8000)}, nil
}

func bindSide(name string, a []Expr) (Expr, error) {
	x, err := text(name, 0, a[0])
	if err != nil {
		return Expr{}, err
	}
	n, err := implicit(a[1], typeBigInt)
	if err != nil {
		return Expr{}, err
	}
	length := x.Type.Len
	if c, ok := constInt(a[1]); ok {
		if c < 0 {
			return Expr{}, sqlerr.New(536, strings.ToLower(name))
		}
		if length != sqltype.MaxLen {
			length = min(length, c)
		}
	}
	return Expr{SQL: call("ls_"+strings.ToLower(name), x.SQL, n.SQL), Type: varying(x.Type, length), Nullable: nullable(a...), Rule: x.Rule}, nil
}

func bindSubstring(name string, a []Expr) (Expr, error) {
	x := a[0]
	if !x.Type.Kind.IsBinary() {
		var err error
		if x, err = text(name, 0, x); err != nil {
			return Expr{}, err
		}
	}
	length := x.Type.Len
	args := []string{x.SQL}
	for i, y := range a[1:] {
		n, err := implicit(y, typeBigInt)
		if err != nil {
			return Expr{}, err
		}
		args = append(args, n.SQL)
		if c, ok := constInt(y); ok && i == 1 && length != sqltype.MaxLen {
			length = min(length, max(c, 0))
		}
	}
	if len(args) == 2 {
		args = append(args, "2147483647")
	}
	run := "ls_substring"
	if x.Type.Kind.IsBinary() {
		run = "ls_subbytes"
	}
	return Expr{SQL: call(run, args...), Type: varying(x.Type, length), Nullable: nullable(a...), Rule: x.Rule}, nil
}

func bindReplace(name string, a []Expr) (Expr, error) {
	list := make([]Expr, len(a))
	for i, x := range a {
		var err error
		if list[i], err = text(name, i, x); err != nil {
			return Expr{}, err
		}
	}
	_, _, t, err := two(name, list)
	if err != nil {
		return Expr{}, err
	}
	r := varying(list[0].Type, 8000)
	if list[2].Type.Kind.IsUnicode() || list[1].Type.Kind.IsUnicode() {
		r = varying(sqltype.Type{Kind: sqltype.NVarChar, Len: r.Len, Collation: r.Collation}, 4000)
	}
	r.Collation = t.Collation
	return Expr{SQL: call("ls_replace", list[0].SQL, list[1].SQL, list[2].SQL, code(r)), Type: r, Nullable: nullable(a...), Rule: list[0].Rule}, nil
}

func bindTranslate(name string, a []Expr) (Expr, error) {
	r, err := bindReplace(name, a)
	if err != nil {
		return Expr{}, err
	}
	r.SQL = "ls_translate" + strings.TrimPrefix(r.SQL, "ls_replace")
	return r, nil
}

func bindStuff(name string, a []Expr) (Expr, error) {
	x, err := text(name, 0, a[0])
	if err != nil {
		return Expr{}, err
	}
	start, err := implicit(a[1], typeBigInt)
	if err != nil {
		return Expr{}, err
	}
	length, err := implicit(a[2], typeBigInt)
	if err != nil {
		return Expr{}, err
	}
	with, err := text(name, 3, a[3])
	if err != nil {
		return Expr{}, err
	}
	t := sqltype.Concat(varying(x.Type, x.Type.Len), varying(with.Type, with.Type.Len))
	if with.Nullable {
		with.SQL = "ifnull(" + with.SQL + ", '')" // NULL inserts nothing
	}
	return Expr{SQL: call("ls_stuff", x.SQL, start.SQL, length.SQL, with.SQL), Type: t, Nullable: true, Rule: x.Rule}, nil
}

func bindReplicate(name string, a []Expr) (Expr, error) {
	x, err := text(name, 0, a[0])
	if err != nil {
		return Expr{}, err
	}
	n, err := implicit(a[1], typeBigInt)
	if err != nil {
		return Expr{}, err
	}
	t := varying(x.Type, 8000)
	if c, ok := constInt(a[1]); ok && t.Len != sqltype.MaxLen {
		t = varying(x.Type, min(x.Type.Len*min(max(c, 0), 8000), 8000))
	}
	return Expr{SQL: call("ls_replicate", x.SQL, n.SQL, code(t)), Type: t, Nullable: true, Rule: x.Rule}, nil
}

func bindFormat(name string, a []Expr) (Expr, error) {
	k := a[0].Type.Kind
	if !k.IsNumeric() && !k.IsTemporal() && k != sqltype.Null {
		return Expr{}, badArgument(name, 0, a[0])
	}
	f, err := implicit(a[1], typeNVarChar)
	if err != nil {
		return Expr{}, err
	}
	return Expr{SQL: call("ls_format", a[0].SQL, code(a[0].Type), f.SQL), Type: typeNVarChar, Nullable: true}, nil
}
