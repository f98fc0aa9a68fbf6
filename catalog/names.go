package catalog

import (
	"fmt"
	"hash/fnv"
)

// The names that the server gives to constraints follow SQL Server's patterns, so that scripts that look for
// "PK__orders__%" find them: a prefix, the table's first letters, for DEFAULT, CHECK and FOREIGN KEY those of the
// column, and hexadecimal digits: the object's number, for keys after eight more that depend on the table.

func keyName(prefix, table string, tableID, id int32) string {
	h := fnv.New32a()
	fmt.Fprintf(h, "%s/%d", table, tableID)
	return fmt.Sprintf("%s__%s__%08X%08X", prefix, head(table, 8), h.Sum32(), uint32(id)*0x9E3779B1)
}

func columnConstraintName(prefix, table, column string, id int32) string {
	n := uint32(id) * 0x9E3779B1
	if column == "" {
		return fmt.Sprintf("%s__%s__%08X", prefix, head(table, 9), n)
	}
	return fmt.Sprintf("%s__%s__%s__%08X", prefix, head(table, 9), head(column, 5), n)
}

// head gives the first n characters of s.
func head(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
