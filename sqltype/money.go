package sqltype

import (
	"math"
	"strconv"
	"strings"

	"linkspan/sqlerr"
)

// smallMoneyMax is the greatest magnitude of smallmoney, 214748.3648, scaled.
const smallMoneyMax = 1 << 31

// currencies are the signs that may stand before money: "Using Monetary Data".
const currencies = "$¢£¤¥৲৳฿៛₠₡₢₣₤₥₦₧₨₩₪₫€₭₮₯₰₱﷼﹩＄￠￡￥￦"

// parseMoney reads digits with commas, a sign and a currency sign, in either order; digits past the fourth round.
func parseMoney(s string) (int64, *sqlerr.Error) {
	bad := sqlerr.New(235)
	s = strings.TrimSpace(s)
	if s == "" {
		return 0, nil
	}
	neg, signed, sign := false, false, false
	for s != "" {
		if (s[0] == '-' || s[0] == '+') && !signed {
			neg, signed, s = s[0] == '-', true, s[1:]
		} else if r := firstRune(s); !sign && strings.Contains(currencies, r) {
			sign, s = true, s[len(r):]
		} else if s[0] == ' ' {
			s = s[1:]
		} else {
			break
		}
	}
	text := strings.ReplaceAll(s, ",", "")
	if text == "" {
		return 0, nil
	}
	v, err := parseDecimal(text, false)
	if err != nil || text[0] == '+' || text[0] == '-' {
		return 0, bad
	}
	n, ok := moneyOf(v, neg)
	if !ok {
		return 0, sqlerr.New(8115, "expression", "money")
	}
	return n, nil
}

func firstRune(s string) string {
	for i := range s {
		if i > 0 {
			return s[:i]
		}
	}
	return s
}

// moneyOf gives decimal v, negated if neg, as money.
func moneyOf(v Value, neg bool) (int64, bool) {
	vn, m := v.mag()
	m, ok := toScale(m, int(v.Scale), 4, true)
	if !ok || m.hi != 0 {
		return 0, false
	}
	if neg != vn {
		if m.lo > 1<<63 {
			return 0, false
		}
		return -int64(m.lo), true
	}
	return int64(m.lo), m.lo <= math.MaxInt64
}

// formatMoney prints money in a CONVERT style: 0 two decimals, 1 also commas, 2 four decimals.
func formatMoney(n int64, style int) string {
	neg := n < 0
	u := uint64(n)
	if neg {
		u = -u
	}
	digits := 4
	if style != 2 && style != 126 {
		digits = 2
		u = (u + 50) / 100
	}
	unit := uint64(math.Pow10(digits))
	whole := strconv.FormatUint(u/unit, 10)
	if style == 1 {
		whole = withCommas(whole)
	}
	frac := strconv.FormatUint(u%unit+unit, 10)[1:]
	if neg {
		whole = "-" + whole
	}
	return whole + "." + frac
}

func withCommas(s string) string {
	var b []byte
	for i := 0; i < len(s); i++ {
		if i > 0 && (len(s)-i)%3 == 0 {
			b = append(b, ',')
		}
		b = append(b, s[i])
	}
	return string(b)
}
