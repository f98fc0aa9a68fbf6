package hadr_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/storage"
)

// TestMeasure prints lag and seeding speed on a real disk when HADR_BENCH names a directory.
func TestMeasure(t *testing.T) {
	dir := os.Getenv("HADR_BENCH")
	if dir == "" {
		t.Skip("HADR_BENCH names no directory")
	}
	s, m := source(t, nil), target(t)
	s.real, m.real = dir+"/s", dir+"/m"
	introduce(t, s, m, targetFQDN)
	s.create("sales", 300_000)
	for range 3 {
		s.exec("sales", "INSERT INTO t_1(v) SELECT v FROM t_1 LIMIT 300000")
	}
	size := float64(s.db("sales").Stats().Pages) * storage.PageSize / 1e6
	group(t, s, "sales")
	start := time.Now()
	if err := m.JoinLink(t.Context(), spec("sales", s.url())); err != nil {
		t.Fatal(err)
	}
	for !inPhase(m, "DAG_sales", agcore.PhaseSynchronizing)() {
		<-time.After(time.Millisecond)
	}
	d := time.Since(start)
	fmt.Printf("seeded %.0f MB in %v: %.0f MB/s\n", size, d.Round(time.Millisecond), size/d.Seconds())
	for _, every := range []time.Duration{5 * time.Millisecond, 0} {
		lags := lag(t, s, m, 2000, every)
		fmt.Printf("every %v: p50 %v p90 %v p99 %v max %v\n", every, lags[len(lags)/2], lags[len(lags)*9/10], lags[len(lags)*99/100], lags[len(lags)-1])
	}
}

func lag(t *testing.T, s, m *node, n int, every time.Duration) []time.Duration {
	t.Helper()
	src, dst := s.db("sales"), m.db("sales")
	lags := make([]time.Duration, 0, n)
	next := time.Now()
	for range n {
		if every > 0 {
			next = next.Add(every)
			<-time.After(time.Until(next))
		}
		at, err := tryExec(t.Context(), src, "INSERT INTO t_1(v) VALUES('0123456789012345678901234567890123456789')")
		if err != nil {
			t.Fatal(err)
		}
		acknowledged := time.Now()
		if err := dst.WaitPublished(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		lags = append(lags, time.Since(acknowledged))
	}
	slices.Sort(lags)
	return lags
}
