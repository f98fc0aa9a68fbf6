package sqltype

import "linkspan/sqlerr"

// rank orders the kinds by precedence: "Data type precedence (Transact-SQL)", lowest first here.
var rank = [kinds]uint8{
	Null: 0, Binary: 1, VarBinary: 2, Char: 3, VarChar: 4, NChar: 5, NVarChar: 6, UniqueIdentifier: 7, RowVersion: 8, Image: 9,
	Text: 10, NText: 11, Bit: 12, TinyInt: 13, SmallInt: 14, Int: 15, BigInt: 16, SmallMoney: 17, Money: 18, Decimal: 19,
	Real: 20, Float: 21, Time: 22, Date: 23, SmallDateTime: 24, DateTime: 25, DateTime2: 26, DateTimeOffset: 27, XML: 28,
	Variant: 29,
}

// Precedence is k's place in SQL Server's data type precedence; the operand of the lower one is converted to the kind of
// the higher.
func Precedence(k Kind) int { return int(rank[k]) }

// AsDecimal is the decimal type that an exact number takes part as in decimal arithmetic: int is decimal(10,0).
func AsDecimal(t Type) (Type, bool) {
	switch t.Kind {
	case Decimal:
		return t, true
	case Bit:
		return DecimalType(1, 0), true
	case TinyInt:
		return DecimalType(3, 0), true
	case SmallInt:
		return DecimalType(5, 0), true
	case Int:
		return DecimalType(10, 0), true
	case BigInt:
		return DecimalType(19, 0), true
	case SmallMoney:
		return DecimalType(10, 4), true
	case Money:
		return DecimalType(19, 4), true
	}
	return Type{}, false
}

// DecimalResult is the type of a op b for two decimals, op one of + - * / %: "Precision, scale, and length
// (Transact-SQL)".
func DecimalResult(op byte, a, b Type) Type {
	p1, s1, p2, s2 := int(a.Prec), int(a.Scale), int(b.Prec), int(b.Scale)
	whole := max(p1-s1, p2-s2)
	switch op {
	case '+', '-':
		return capSum(whole, max(s1, s2))
	case '*':
		return capProduct(p1+p2+1, s1+s2)
	case '/':
		s := max(6, s1+p2+1)
		return capProduct(p1-s1+s2+s, s)
	}
	s := max(s1, s2)
	return DecimalType(min(max(min(p1-s1, p2-s2)+s, 1), MaxPrec), s)
}

// capSum keeps room for the integral part: the scale of a sum whose precision would pass 38 is cut.
func capSum(whole, scale int) Type {
	p := whole + scale + 1
	if p > MaxPrec {
		p = MaxPrec
		scale = min(scale, MaxPrec-whole)
	}
	return DecimalType(p, scale)
}

// capProduct: the integral part wins as long as it has at most 32 digits, but six digits of scale stay.
func capProduct(p, scale int) Type {
	if p > MaxPrec {
		whole := p - scale
		if whole <= 32 {
			scale = min(scale, MaxPrec-whole)
		} else {
			scale = min(scale, 6)
		}
		p = MaxPrec
	}
	return DecimalType(p, scale)
}

// unionDecimal is the type that holds every value of a and of b.
func unionDecimal(a, b Type) Type {
	s := max(a.Scale, b.Scale)
	whole := max(a.Prec-a.Scale, b.Prec-b.Scale)
	if int(whole)+int(s) > MaxPrec {
		s = uint8(max(MaxPrec-int(whole), 0))
		return DecimalType(MaxPrec, int(s))
	}
	return DecimalType(int(whole+s), int(s))
}

// Common is the type in which values of a and b meet: in comparisons, CASE, COALESCE, UNION and VALUES. 206 when there
// is none.
func Common(a, b Type) (Type, *sqlerr.Error) {
	if a.Kind == Null {
		return b, nil
	}
	if b.Kind == Null {
		return a, nil
	}
	hi, lo := a, b
	if rank[b.Kind] > rank[a.Kind] {
		hi, lo = b, a
	}
	if e := Allowed(lo.Kind, hi.Kind, false); e != nil {
		return Type{}, e
	}
	switch {
	case hi.Kind == Decimal:
		if d, ok := AsDecimal(lo); ok {
			return unionDecimal(hi, d), nil
		}
		return hi, nil
	case hi.Kind.IsString() || hi.Kind.IsBinary():
		return commonLength(hi, lo), nil
	case hi.Kind == Time || hi.Kind == DateTime2 || hi.Kind == DateTimeOffset:
		hi.Scale = max(hi.Scale, fraction(lo))
		return hi, nil
	}
	return hi, nil
}

// fraction is how many fractional digits of seconds values of t have.
func fraction(t Type) uint8 {
	switch t.Kind {
	case Time, DateTime2, DateTimeOffset:
		return t.Scale
	case DateTime:
		return 3
	}
	return 0
}

func commonLength(hi, lo Type) Type {
	if !lo.Kind.IsString() && !lo.Kind.IsBinary() {
		return hi
	}
	// A fixed and a varying length of one family meet in the varying one, which ranks higher.
	if hi.Len == MaxLen || lo.Len == MaxLen {
		hi.Len = MaxLen
	} else {
		hi.Len = max(hi.Len, lo.Len)
		if hi.Kind == NChar || hi.Kind == NVarChar {
			hi.Len = min(hi.Len, 4000)
		}
	}
	if hi.Len == MaxLen {
		hi.Kind = maxKind(hi.Kind)
	}
	if hi.Kind.IsString() && hi.Collation == "" {
		hi.Collation = lo.Collation
	}
	return hi
}

func maxKind(k Kind) Kind {
	switch k {
	case Char:
		return VarChar
	case NChar:
		return NVarChar
	case Binary:
		return VarBinary
	}
	return k
}

// Concat is the type of a+b for two strings or two binaries.
func Concat(a, b Type) Type {
	hi, lo := a, b
	if rank[b.Kind] > rank[a.Kind] {
		hi, lo = b, a
	}
	limit := 8000
	if hi.Kind.IsUnicode() {
		limit = 4000
	}
	if hi.Len == MaxLen || lo.Len == MaxLen {
		hi.Len, hi.Kind = MaxLen, maxKind(hi.Kind)
	} else {
		hi.Len = min(hi.Len+lo.Len, limit)
	}
	if hi.Collation == "" {
		hi.Collation = lo.Collation
	}
	return hi
}

// operators name the operators in errors 402, 403 and 8117.
var operators = map[byte]string{'+': "add", '-': "subtract", '*': "multiply", '/': "divide", '%': "modulo", '&': "'&'", '|': "'|'", '^': "'^'"}

// Binary operators: Operate gives the type of a op b and the types that the operands are converted to before. op is one
// of + - * / % & | ^. 402 and 8117 when the types do not go together, 206 when one does not convert to the other.
func Operate(op byte, a, b Type) (result, left, right Type, err *sqlerr.Error) {
	switch {
	case a.Kind == Null && b.Kind == Null:
		return typeInt, typeInt, typeInt, nil
	case a.Kind == Null:
		a = nullOperand(op, b)
	case b.Kind == Null:
		b = nullOperand(op, a)
	}
	if op == '+' && a.Kind.IsString() && b.Kind.IsString() || op == '+' && a.Kind.IsBinary() && b.Kind.IsBinary() {
		return concat(a, b)
	}
	hi, lo := a, b
	if rank[b.Kind] > rank[a.Kind] {
		hi, lo = b, a
	}
	if e := operable(op, hi, lo, a, b); e != nil {
		return result, left, right, e
	}
	if hi.Kind == DateTime || hi.Kind == SmallDateTime {
		return hi, hi, hi, nil
	}
	if hi.Kind == Decimal && lo.Kind.IsNumeric() {
		left, _ = AsDecimal(a)
		right, _ = AsDecimal(b)
		return DecimalResult(op, left, right), left, right, nil
	}
	if hi.Kind == Decimal { // a string beside a decimal takes its type
		return DecimalResult(op, hi, hi), hi, hi, nil
	}
	return hi, hi, hi, nil
}

func nullOperand(op byte, other Type) Type {
	if other.Kind.IsNumeric() || op == '+' && (other.Kind.IsString() || other.Kind.IsBinary()) || other.Kind.IsTemporal() {
		return other
	}
	return typeInt
}

func concat(a, b Type) (result, left, right Type, err *sqlerr.Error) {
	r := Concat(a, b)
	if a.Kind.IsString() && r.Kind.IsUnicode() != a.Kind.IsUnicode() {
		a.Kind = unicodeOf(a.Kind)
	}
	if b.Kind.IsString() && r.Kind.IsUnicode() != b.Kind.IsUnicode() {
		b.Kind = unicodeOf(b.Kind)
	}
	return r, a, b, nil
}

func unicodeOf(k Kind) Kind {
	switch k {
	case Char:
		return NChar
	case VarChar:
		return NVarChar
	case Text:
		return NText
	}
	return k
}

// operable checks that hi's kind has the operator and that lo converts to it.
func operable(op byte, hi, lo, a, b Type) *sqlerr.Error {
	name := operators[op]
	pair := func() *sqlerr.Error {
		if a.Kind == b.Kind {
			return sqlerr.New(8117, messageName(a.Kind), name)
		}
		return sqlerr.New(402, messageName(a.Kind), messageName(b.Kind), name)
	}
	bitwise := op == '&' || op == '|' || op == '^'
	switch {
	case bitwise:
		if !hi.Kind.IsInteger() || !lo.Kind.IsInteger() && !lo.Kind.IsBinary() {
			return pair()
		}
		return nil
	case hi.Kind == DateTime || hi.Kind == SmallDateTime:
		if op != '+' && op != '-' {
			return pair()
		}
	case hi.Kind.IsTemporal():
		if lo.Kind.IsNumeric() {
			return sqlerr.New(206, messageName(b.Kind), messageName(a.Kind))
		}
		return pair()
	case hi.Kind == Bit && lo.Kind == Bit:
		return sqlerr.New(402, "bit", "bit", name)
	case !hi.Kind.IsNumeric():
		return pair()
	case op == '%' && (hi.Kind == Float || hi.Kind == Real):
		return sqlerr.New(402, messageName(a.Kind), messageName(b.Kind), name)
	}
	return Allowed(lo.Kind, hi.Kind, false)
}
