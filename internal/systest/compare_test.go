package systest_test

import (
	"database/sql"
	"fmt"
	"time"
)

// compare waits until both sides are healthy and equal, and checks them against the acknowledged rows. The writers have
// been stopped.
func (p *pair) compare(l *load) {
	p.t.Helper()
	if len(l.acked) < 500 {
		p.t.Errorf("only %d rows were acknowledged in the whole test", len(l.acked))
	}
	p.waitHealthy()
	digest := p.waitSameDigest()
	source, target := p.ids(p.source.open(pairDatabase)), p.ids(p.target.open(pairDatabase))
	for name, have := range map[string]map[int64]bool{"source": source, "target": target} {
		missing := 0
		for id := range l.acked {
			if !have[id] {
				if missing++; missing <= 5 {
					p.t.Errorf("row %d of writer %d was acknowledged and is not on the %s", id&(1<<40-1), id>>40, name)
				}
			}
		}
		if missing > 0 {
			p.t.Errorf("%d of %d acknowledged rows are not on the %s", missing, len(l.acked), name)
		}
	}
	if len(source) != len(target) {
		p.t.Errorf("%d rows on the source, %d on the target", len(source), len(target))
	}
	p.t.Logf("%d rows acknowledged, %d on both sides, %s", len(l.acked), len(source), digest)
}

// waitHealthy waits until both sides show the link as healthy.
func (p *pair) waitHealthy() {
	p.t.Helper()
	for _, s := range []*side{p.source, p.target} {
		db := s.open("master")
		var rows, bad int
		for deadline := time.Now().Add(60 * time.Second); ; waitTick(p.t) {
			err := db.QueryRowContext(p.t.Context(), `SELECT COUNT(*), COALESCE(SUM(CASE WHEN synchronization_health_desc = 'HEALTHY' AND is_suspended = 0 THEN 0 ELSE 1 END), 0)
				FROM sys.dm_hadr_database_replica_states`).Scan(&rows, &bad)
			if err == nil && rows > 0 && bad == 0 {
				break
			}
			if time.Now().After(deadline) {
				p.t.Fatalf("%s does not show the link as healthy: %v\n%s", s.name, err, p.states())
			}
		}
	}
}

// waitSameDigest waits until both sides compute one digest of their own pages at one LSN, and returns both as text.
func (p *pair) waitSameDigest() string {
	p.t.Helper()
	source, target := p.source.open("master"), p.target.open("master")
	for deadline := time.Now().Add(60 * time.Second); ; waitTick(p.t) {
		s, errS := p.digest(source)
		c, errC := p.digest(target)
		if errS == nil && errC == nil && s == c {
			return s
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("the source is at %s (%v), the target at %s (%v)\n%s", s, errS, c, errC, p.states())
		}
	}
}

func (p *pair) ids(db *sql.DB) map[int64]bool {
	p.t.Helper()
	rows, err := db.QueryContext(p.t.Context(), "SELECT id FROM dbo.rows")
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	ids := map[int64]bool{}
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			p.t.Fatal(err)
		}
		ids[id] = true
	}
	if err := rows.Err(); err != nil {
		p.t.Fatal(err)
	}
	return ids
}

// digest is the LSN and the digest that a side computes of its own pages.
func (p *pair) digest(db *sql.DB) (string, error) {
	var lsn string
	var digest []byte
	err := db.QueryRowContext(p.t.Context(), "SELECT CONVERT(varchar(30), lsn), digest FROM sys.dm_linkspan_database_digest WHERE database_name = @p1", pairDatabase).Scan(&lsn, &digest)
	return fmt.Sprintf("LSN %s digest %x", lsn, digest), err
}
