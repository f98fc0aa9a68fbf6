// Command bench measures the product through its ports, as clients see it, and beside each figure a raw limit of the
// same machine in the same run. It writes one JSON line per measurement to standard output.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"linkspan/internal/clock"
	"linkspan/internal/harness"
)

// Result is one line of output. Ratio is Median over BaselineMedian.
type Result struct {
	Name           string  `json:"name"`
	Unit           string  `json:"unit"`
	Median         float64 `json:"median"`
	Min            float64 `json:"min"`
	Max            float64 `json:"max"`
	N              int     `json:"n"`
	Baseline       string  `json:"baseline"`
	BaselineMedian float64 `json:"baseline_median"`
	Ratio          float64 `json:"ratio"`
	Machine        string  `json:"machine"`
}

// bench is one run's settings and what its measurements share.
type bench struct {
	program string // the compiled product
	dir     string // scratch, on the disk that is measured
	samples int
	sample  time.Duration // how long one sample runs
	only    *regexp.Regexp
	short   bool
}

// wants reports whether one of the names is to be measured.
func (b *bench) wants(names ...string) bool { return slices.ContainsFunc(names, b.only.MatchString) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	only := flag.String("only", ".", "a regular expression of the names to measure")
	samples := flag.Int("samples", 5, "samples per measurement")
	sample := flag.Duration("sample", 1500*time.Millisecond, "the length of a sample")
	dir := flag.String("dir", "", "where to keep scratch files; default a temporary folder")
	program := flag.String("program", "", "the compiled product to measure; default is to compile it")
	short := flag.Bool("short", false, "a short outage, fewer failovers and smaller databases, to see that everything runs")
	folder := flag.String("write-log", "", "write log into the folder of a database and wait to be killed, for restart_ms_1gib_log")
	size := flag.Int64("log-bytes", 1<<30, "how many bytes -write-log writes")
	lines := flag.String("table", "", "print the lines of an earlier run, a `file`, as a table and measure nothing")
	flag.Parse()
	if *lines != "" {
		return printTable(os.Stdout, *lines)
	}
	if *folder != "" {
		return writeLog(ctx, *folder, *size)
	}
	re, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	if *dir == "" {
		if *dir, err = os.MkdirTemp("", "linkspan-bench-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(*dir) }()
	}
	b := &bench{program: *program, dir: *dir, samples: *samples, sample: *sample, only: re, short: *short}
	if b.program == "" {
		if b.program, err = harness.Build(ctx, *dir); err != nil {
			return err
		}
	}
	for _, group := range []struct {
		names   []string
		measure func(context.Context) error
	}{
		{[]string{"tds_insert_1_durable", "tds_insert_16_durable", "log_bytes_per_insert"}, b.durableInserts},
		{[]string{"tds_insert_1_nosync", "tds_insert_16_nosync"}, b.unsyncedInserts},
		{[]string{"lag_p50_ms_200tps", "lag_p99_ms_200tps", "lag_p99_ms_full", "seeding_MBps"}, b.link},
		{[]string{"tds_insert_16_slow_disk"}, b.slowDisk},
		{[]string{"tds_insert_16_sync_commit"}, b.syncCommit},
		{[]string{"catchup_rows_per_s"}, b.catchUp},
		{[]string{"outage_60s_catchup_s"}, b.outage},
		{[]string{"failover_pause_p50_ms", "failover_pause_p99_ms"}, b.failover},
		{[]string{"pg_insert_1_durable", "pg_insert_16_durable", "pg_lag_p50_ms_200tps", "pg_lag_p99_ms_200tps", "pg_failover_pause_p50_ms",
			"pg_failover_pause_p99_ms", "pg_basebackup_MBps"}, b.postgres},
		{[]string{"sandbox_ready_ms"}, b.ready},
		{[]string{"restart_ms_1gib_log"}, b.restart},
		{[]string{"rss_mib_4gib_db"}, b.memory},
		{[]string{"backup_MBps", "restore_MBps", "tds_insert_16_during_backup"}, b.takeAndRestore},
		{[]string{"import_rows_per_s"}, b.importRate},
		{[]string{"migrate_pipeline_MBps", "migrate_small_log_s", "cutover_pause_s"}, b.migrations},
		{[]string{"migrate_plan_500_s"}, b.planMany},
		{[]string{"bak_verify_MBps", "bak_export_MBps", "bak_decompress_MBps", "bak_headers_per_s", "chain_plan_ms_100k_sets"}, b.backups},
	} {
		if b.wants(group.names...) {
			start := clock.System.Now()
			if err := group.measure(ctx); err != nil {
				return fmt.Errorf("%s: %w", group.names[0], err)
			}
			fmt.Fprintf(os.Stderr, "%s: %.0f s\n", strings.Join(group.names, " "), time.Since(start).Seconds())
		}
	}
	return nil
}

// report prints a measurement and its baseline.
func (b *bench) report(name, unit string, samples []float64, baseline string, base []float64) error {
	return b.reportOne(name, unit, median(samples), samples, baseline, base)
}

// reportOne is report for a figure that is not the samples' median, such as a percentile.
func (b *bench) reportOne(name, unit string, figure float64, samples []float64, baseline string, base []float64) error {
	if !b.only.MatchString(name) {
		return nil
	}
	r := Result{Name: name, Unit: unit, Median: figure, Min: slices.Min(samples), Max: slices.Max(samples), N: len(samples),
		Baseline: baseline, BaselineMedian: median(base), Machine: fmt.Sprintf("%s/%s, %d cores, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())}
	if r.BaselineMedian != 0 {
		r.Ratio = r.Median / r.BaselineMedian
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

func median(samples []float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	s := slices.Clone(samples)
	slices.Sort(s)
	return s[len(s)/2]
}

// repeat takes the samples of a measurement and of its baseline in turn, so that both see the same machine.
func (b *bench) repeat(measure, base func() (float64, error)) (samples, baseline []float64, err error) {
	for range b.samples {
		x, err := base()
		if err != nil {
			return nil, nil, fmt.Errorf("baseline: %w", err)
		}
		y, err := measure()
		if err != nil {
			return nil, nil, err
		}
		baseline, samples = append(baseline, x), append(samples, y)
	}
	return samples, baseline, nil
}
