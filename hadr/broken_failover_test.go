package hadr_test

import (
	"fmt"
	"testing"
	"time"
)

// writable are the nodes that take a row now.
func writable(t *testing.T, nodes ...*node) (out []*node) {
	t.Helper()
	for _, n := range nodes {
		db := n.opened("sales")
		if db == nil || db.IsReplica() || db.IsFenced() {
			continue
		}
		out = append(out, n)
	}
	return out
}

// A failover is broken at each change of either side's disk, by a loss of power. Never do both sides take rows; when both
// are back, one does, without a decision; and no acknowledged row is missing.
func TestPowerIsLostAtEachStepOfAFailover(t *testing.T) {
	t.Parallel()
	for _, victim := range []string{"old primary", "new primary", "both"} {
		t.Run(victim, func(t *testing.T) {
			t.Parallel()
			s, m := linkedPair(t, 5)
			acked := map[string]bool{}
			from, to := s, m
			died, whole := 0, 0
			for step := 1; whole < 4 && step < 80; step++ {
				flows(t, s, m)
				key := fmt.Sprintf("row %d", step)
				from.exec("sales", "INSERT INTO t_1(v) VALUES('"+key+"')")
				acked[key] = true
				victims := map[string][]*node{"old primary": {from}, "new primary": {to}, "both": {from, to}}[victim]
				var p *power
				for _, n := range victims {
					p = n.dieAfter(step, uint64(step))
				}
				failed, answered := make(chan error, 1), false
				go func() { failed <- from.Failover(t.Context(), "DAG_sales") }()
				select {
				case err := <-failed:
					answered = true
					if err == nil {
						whole++
					}
				case <-time.After(200 * time.Millisecond):
				}
				if p.isDead() {
					died++
				}
				if got := writable(t, s, m); len(got) > 1 {
					t.Fatalf("step %d: both sides take rows", step)
				}
				for _, n := range victims {
					n.crash()
				}
				for _, n := range victims {
					n.recover()
				}
				eventually(t, fmt.Sprintf("step %d: one side takes rows", step), func() bool { return len(writable(t, s, m)) == 1 })
				if !answered {
					<-failed // it may have gone on when both had come back, and have moved the role since
					eventually(t, fmt.Sprintf("step %d: one side takes rows in the end", step), func() bool { return len(writable(t, s, m)) == 1 })
				}
				flows(t, s, m)
				from = writable(t, s, m)[0]
				if to = s; from == s {
					to = m
				}
			}
			t.Logf("%d times the power was lost during the failover", died)
			keeps(t, acked, from, to)
			if died < 5 {
				t.Errorf("the power was lost %d times only", died)
			}
		})
	}
}
