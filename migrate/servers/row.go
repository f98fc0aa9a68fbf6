package servers

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"linkspan/sqlclient"
)

// row is one row by the columns' names in lower case.
type row map[string]any

func rowsOf(set sqlclient.Set) []row {
	all := make([]row, len(set.Rows))
	for i, values := range set.Rows {
		all[i] = make(row, len(values))
		for j, v := range values {
			all[i][strings.ToLower(set.Columns[j])] = v
		}
	}
	return all
}

// text is a value as text, "" for NULL.
func (r row) text(name string) string {
	switch v := r[name].(type) {
	case nil:
		return ""
	case string:
		return v
	case []byte:
		return string(v)
	default:
		return fmt.Sprint(v)
	}
}

// number is a value as a number, 0 for NULL and for what is none.
func (r row) number(name string) int64 {
	switch v := r[name].(type) {
	case int64:
		return v
	case float64:
		return int64(v)
	case bool:
		if v {
			return 1
		}
	case string:
		n, _ := strconv.ParseInt(v, 10, 64) // what is no number is 0
		return n
	}
	return 0
}

func (r row) yes(name string) bool { return r.number(name) != 0 }

func (r row) bytes(name string) []byte {
	b, _ := r[name].([]byte) // NULL is nil
	return b
}

func (r row) time(name string) time.Time {
	t, _ := r[name].(time.Time) // NULL is zero
	return t
}
