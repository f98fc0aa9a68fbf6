package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// aim is what a figure, or its ratio to the baseline, is to reach.
type aim struct {
	name  string
	ratio bool
	most  bool // at most the value, and otherwise at least
	value float64
	// peer, when set, is the measurement of PostgreSQL that is to be beaten, in place of value.
	peer string
}

// aims are in the order of the table. A name may have several.
var aims = []aim{
	{name: "tds_insert_16_slow_disk", ratio: true, value: 5},
	{name: "tds_insert_16_sync_commit", ratio: true, value: 0.7},
	{name: "tds_insert_1_durable", peer: "pg_insert_1_durable"},
	{name: "tds_insert_16_durable", peer: "pg_insert_16_durable"},
	{name: "log_bytes_per_insert", most: true, value: 300},
	{name: "lag_p50_ms_200tps", most: true, value: 1},
	{name: "lag_p50_ms_200tps", most: true, peer: "pg_lag_p50_ms_200tps"},
	{name: "lag_p99_ms_200tps", most: true, value: 1.5},
	{name: "lag_p99_ms_200tps", most: true, peer: "pg_lag_p99_ms_200tps"},
	{name: "lag_p99_ms_full", most: true, value: 10},
	{name: "seeding_MBps", ratio: true, value: 0.8},
	{name: "seeding_MBps", peer: "pg_basebackup_MBps"},
	{name: "catchup_rows_per_s", ratio: true, value: 2},
	{name: "outage_60s_catchup_s", most: true, value: 30},
	{name: "failover_pause_p99_ms", most: true, value: 100},
	{name: "failover_pause_p99_ms", most: true, peer: "pg_failover_pause_p99_ms"},
	{name: "restart_ms_1gib_log", most: true, value: 1000},
	{name: "rss_mib_4gib_db", most: true, value: 800},
	{name: "sandbox_ready_ms", most: true, value: 300},
	{name: "backup_MBps", ratio: true, value: 0.7},
	{name: "restore_MBps", ratio: true, value: 0.7},
	{name: "tds_insert_16_during_backup", ratio: true, value: 0.8},
	{name: "import_rows_per_s", value: 200_000},
	{name: "migrate_pipeline_MBps", ratio: true, value: 0.8},
	{name: "migrate_small_log_s", most: true, value: 2},
	{name: "cutover_pause_s", most: true, value: 5},
	{name: "migrate_plan_500_s", most: true, value: 10},
	{name: "bak_verify_MBps", ratio: true, value: 0.8},
	{name: "bak_decompress_MBps", value: 150},
	{name: "bak_export_MBps", value: 100},
	{name: "bak_headers_per_s", value: 2000},
	{name: "chain_plan_ms_100k_sets", most: true, value: 2000},
}

// text is the aim in words, and whether the results reach it.
func (a aim) text(results map[string]Result) string {
	r, want, what := results[a.name], a.value, ""
	if a.peer != "" {
		p, ok := results[a.peer]
		if !ok {
			return ""
		}
		want, what = p.Median, " ("+a.peer+")"
	}
	figure, unit := r.Median, ""
	if a.ratio {
		figure, unit = r.Ratio, " × baseline"
	}
	sign, met := "≥", figure >= want
	if a.most {
		sign, met = "≤", figure <= want
	}
	mark := "met"
	if !met {
		mark = "**missed**"
	}
	return fmt.Sprintf("%s %s%s%s: %s", sign, number(want), unit, what, mark)
}

// printTable prints the lines of a run as BENCHMARKS.md has them.
func printTable(w io.Writer, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	var order []string
	results := map[string]Result{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var r Result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if _, known := results[r.Name]; !known {
			order = append(order, r.Name)
		}
		results[r.Name] = r
	}
	if _, err := fmt.Fprint(w, "| name | unit | figure | min | max | baseline | its median | ratio | aim |\n|---|---|---|---|---|---|---|---|---|\n"); err != nil {
		return err
	}
	for _, name := range order {
		var texts []string
		for _, a := range aims {
			if t := a.text(results); a.name == name && t != "" {
				texts = append(texts, t)
			}
		}
		r := results[name]
		if _, err := fmt.Fprintf(w, "| `%s` | %s | %s | %s | %s | `%s` | %s | %.2f | %s |\n", name, r.Unit, number(r.Median), number(r.Min), number(r.Max),
			r.Baseline, number(r.BaselineMedian), r.Ratio, strings.Join(texts, "; ")); err != nil {
			return err
		}
	}
	return nil
}

// number writes a figure as people read it.
func number(x float64) string {
	if x < 100 {
		return strings.TrimSuffix(fmt.Sprintf("%.2f", x), ".00")
	}
	s := fmt.Sprintf("%.0f", x)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
