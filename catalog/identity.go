package catalog

import "sync"

// Identities hands out the identity values of one open database. The current values live in memory while the database
// is open; on disk a table's last value is kept when rows go away (DELETE, TRUNCATE, reseed), otherwise the greatest
// value in the table tells it. So an INSERT writes nothing but its row, and a replica or a restarted instance goes on
// without gap and without reuse. As in SQL Server, a value handed out is not given back by a rollback.
//
// One goroutine uses it at a time: the one that holds the writer connection.
type Identities struct {
	mu   sync.Mutex
	last map[int64]counter // by rel.Table.Token
}

type counter struct {
	last int64
	used bool // false: the next value is last itself (the seed)
}

// NewIdentities returns an empty set of counters.
func NewIdentities() *Identities { return &Identities{last: map[int64]counter{}} }
