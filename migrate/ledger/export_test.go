package ledger

import (
	"context"
	"testing"
)

// Decode is decode, for the fuzz target.
var Decode = decode

// Versions is how many versions of the schema there are.
var Versions = len(versions)

// LimitPages lets the file grow to n pages and no further, as a full disk would; 0 lifts the limit.
func (l *Ledger) LimitPages(t *testing.T, n int) {
	t.Helper()
	if n == 0 {
		n = 1 << 30
	}
	if _, err := l.db.ExecContext(context.Background(), "PRAGMA max_page_count = "+itoa(n)); err != nil {
		t.Fatal(err)
	}
}

// Pages is how many pages the file has.
func (l *Ledger) Pages(t *testing.T) int {
	t.Helper()
	var n int
	if err := l.db.QueryRowContext(context.Background(), "PRAGMA page_count").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Written is how many bytes were written to the log since it was last emptied, which this does.
func (l *Ledger) Written(t *testing.T) int {
	t.Helper()
	var busy, pages, moved, none int
	if err := l.db.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &pages, &moved); err != nil || busy != 0 {
		t.Fatalf("busy %d, %v", busy, err)
	}
	if err := l.db.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &none, &none); err != nil || busy != 0 {
		t.Fatalf("busy %d, %v", busy, err)
	}
	return pages * 4096
}

// Exec runs a statement past every rule.
func (l *Ledger) Exec(t *testing.T, statement string, args ...any) error {
	t.Helper()
	_, err := l.db.ExecContext(context.Background(), statement, args...)
	return err
}
