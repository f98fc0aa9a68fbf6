package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// done is the Text of what was taken; of what was refused it is why.
const done = "done"

// sum is the hash of an entry behind the one whose hash is given.
func (a AuditEntry) sum(before []byte) []byte {
	a.Hash = ""
	b, _ := json.Marshal(a) //nolint:errchkjson // strings and numbers
	h := sha256.New()
	h.Write(before)
	h.Write(b)
	return h.Sum(nil)
}

func (l *Ledger) audit(ctx context.Context, tx *sql.Tx, a AuditEntry) error {
	var before []byte
	err := tx.QueryRowContext(ctx, "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1").Scan(&a.Number, &before)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	a.Number++
	a.At = when(stamp(a.At))
	_, err = tx.ExecContext(ctx, "INSERT INTO audit (number, at, who, activity, database, what, outcome, hash) VALUES (?,?,?,?,?,?,?,?)",
		a.Number, stamp(a.At), a.By, a.Activity, a.Database, a.Action, a.Text, a.sum(before))
	return err
}

// Audit lists what was asked by whom, oldest first: entries with a Number above after, at most limit of them (1 to 10,000;
// others are taken as 1,000).
func (l *Ledger) Audit(ctx context.Context, after int64, limit int) ([]AuditEntry, error) {
	if limit < 1 || limit > 10_000 {
		limit = 1_000
	}
	var out []AuditEntry
	err := l.read(ctx, func(tx *sql.Tx) error {
		return each(ctx, tx, func(rows *sql.Rows) error {
			var a AuditEntry
			var at int64
			var hash []byte
			err := rows.Scan(&a.Number, &at, &a.By, &a.Activity, &a.Database, &a.Action, &a.Text, &hash)
			a.At, a.Hash = when(at), hex.EncodeToString(hash)
			out = append(out, a)
			return err
		}, "SELECT number, at, who, activity, database, what, outcome, hash FROM audit WHERE number > ? ORDER BY number LIMIT ?", after, limit)
	})
	return out, err
}

// VerifyAudit recomputes the chain of hashes. The error names the first entry that was changed, or that follows on one that
// is gone.
func (l *Ledger) VerifyAudit(ctx context.Context) error {
	var before []byte
	for after := int64(0); ; {
		page, err := l.Audit(ctx, after, 0)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, a := range page {
			sum := a.sum(before)
			if a.Number != after+1 || a.Hash != hex.EncodeToString(sum) {
				return fmt.Errorf("the audit was tampered with at entry %d: compare it with a copy of the ledger", a.Number)
			}
			before, after = sum, a.Number
		}
	}
}
