package exec

import (
	"fmt"
	"strconv"
	"strings"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// formatMessage fills in a RAISERROR message, whose formats are those of C's printf with %d %i %u %o %x %X %s (and the
// size prefix I64). An argument of the wrong type is 2786; a missing or NULL one shows as (null).
func formatMessage(format string, args []sqltype.Value) (string, *sqlerr.Error) {
	var b strings.Builder
	used := 0
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		spec, n := scanFormat(format[i+1:])
		if n == 0 {
			return "", sqlerr.New(2787, format[i:])
		}
		i += n
		if spec.verb == '%' {
			b.WriteByte('%')
			continue
		}
		for _, p := range []*int{spec.width, spec.prec} {
			if p != nil && *p < 0 { // a star takes its value from the arguments
				*p = 0
				if used < len(args) {
					*p = int(max(min(args[used].N, maxRaise), 0))
				}
				used++
			}
		}
		var v sqltype.Value
		if used < len(args) {
			v = args[used]
		}
		used++
		text, ok := spec.apply(v)
		if !ok {
			return "", sqlerr.New(2786, used)
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// formatSpec is one %…: flags, width and precision (nil when absent, -1 for a star), and the verb.
type formatSpec struct {
	flags       string
	width, prec *int
	verb        byte
}

// scanFormat reads what follows a percent sign and says how many bytes that were, 0 when it makes no sense.
func scanFormat(s string) (formatSpec, int) {
	var f formatSpec
	i := 0
	for i < len(s) && strings.IndexByte("-+0 #", s[i]) >= 0 {
		i++
	}
	f.flags = s[:i]
	f.width, i = scanCount(s, i)
	if i < len(s) && s[i] == '.' {
		if f.prec, i = scanCount(s, i+1); f.prec == nil {
			f.prec = new(int)
		}
	}
	if strings.HasPrefix(s[i:], "I64") {
		i += 3
	} else if i < len(s) && (s[i] == 'h' || s[i] == 'l') {
		i++
	}
	if i >= len(s) || strings.IndexByte("diuoxXs%", s[i]) < 0 {
		return f, 0
	}
	f.verb = s[i]
	return f, i + 1
}

func scanCount(s string, i int) (*int, int) {
	start := i
	if i < len(s) && s[i] == '*' {
		n := -1
		return &n, i + 1
	}
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	if i == start {
		return nil, i
	}
	n, err := strconv.Atoi(s[start:i])
	if err != nil || n > maxRaise {
		n = maxRaise
	}
	return &n, i
}

func (f formatSpec) apply(v sqltype.Value) (string, bool) {
	verb := "%" + f.flags
	if f.width != nil {
		verb += strconv.Itoa(*f.width)
	}
	if f.prec != nil {
		verb += "." + strconv.Itoa(*f.prec)
	}
	switch {
	case !v.Valid:
		return fmt.Sprintf(strings.ReplaceAll(verb, "0", "")+"s", "(null)"), true
	case f.verb == 's':
		return fmt.Sprintf(strings.NewReplacer("#", "", "+", "").Replace(verb)+"s", v.S), v.K.IsString()
	case !v.K.IsInteger():
		return "", false
	case f.verb == 'd' || f.verb == 'i':
		return fmt.Sprintf(verb+"d", v.N), true
	case f.verb == 'u':
		return fmt.Sprintf(verb+"d", unsigned(v)), true
	}
	return fmt.Sprintf(verb+string(f.verb), unsigned(v)), true
}

// unsigned reads the bits of an integer without sign.
func unsigned(v sqltype.Value) uint64 {
	if v.K == sqltype.BigInt {
		return uint64(v.N)
	}
	return uint64(uint32(v.N))
}
