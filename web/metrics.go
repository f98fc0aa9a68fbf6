package web

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"linkspan/internal/clock"
	"linkspan/migrate"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// The bounds of a scrape.
const (
	scrapeTime = 10 * time.Second
	maxScrapes = 4
)

// Family is one metric of the migrations, as docs/metrics.md lists it. All are gauges.
type Family struct {
	Name, Help string
	Labels     []string
}

// sample is one value of a family.
type sample struct {
	labels []string
	value  float64
}

// family says how a metric is read from an activity's status.
type family struct {
	Family
	read func(st *ledger.Status, now time.Time) []sample
}

// perDatabase makes a family with a value for each database; values that are not ok are left out.
func perDatabase(name, help string, value func(*ledger.Database, time.Time) (v float64, ok bool)) family {
	return family{Family{name, help, []string{"activity", "database"}}, func(st *ledger.Status, now time.Time) []sample {
		var out []sample
		for i := range st.Databases {
			if v, ok := value(&st.Databases[i], now); ok {
				out = append(out, sample{[]string{st.Activity, st.Databases[i].Name}, v})
			}
		}
		return out
	}}
}

// counted makes samples of counts, with the activity and the key as labels.
func counted[K ~string](activity string, counts map[K]int) []sample {
	var out []sample
	for k, n := range counts {
		out = append(out, sample{[]string{activity, string(k)}, float64(n)})
	}
	return out
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// allStates are shown even when no database is in them, so that a rule sees the fall to 0.
var allStates = []flow.State{flow.Initial, flow.FullUploading, flow.FullUploaded, flow.LogsUploading, flow.CutoverInProgress, flow.CutoverInitiated,
	flow.CutoverCompleted, flow.Completed, flow.Cancelling, flow.Cancelled, flow.Failed}

// doneStates are those in which no cutover lies ahead.
var doneStates = []flow.State{flow.CutoverCompleted, flow.Completed, flow.Cancelling, flow.Cancelled}

// families are the metrics.
var families = []family{
	{Family{"linkspan_migration_running", "1 when an engine works on the activity.", []string{"activity"}}, func(st *ledger.Status, _ time.Time) []sample {
		return []sample{{[]string{st.Activity}, truth(st.Running)}}
	}},
	{Family{"linkspan_migration_databases", "Databases in a state.", []string{"activity", "state"}}, func(st *ledger.Status, _ time.Time) []sample {
		counts := map[flow.State]int{}
		for _, s := range allStates {
			counts[s] = 0
		}
		for _, d := range st.Databases {
			counts[d.State]++
		}
		return counted(st.Activity, counts)
	}},
	{Family{"linkspan_migration_logins", "Logins in a state.", []string{"activity", "state"}}, func(st *ledger.Status, _ time.Time) []sample {
		counts := map[flow.LoginState]int{flow.LoginFailed: 0}
		for _, l := range st.Logins {
			counts[l.State]++
		}
		return counted(st.Activity, counts)
	}},
	perDatabase("linkspan_migration_pending_changes", "Log and differential backups that are on the share and not restored yet.", func(d *ledger.Database, _ time.Time) (float64, bool) {
		return float64(d.PendingChanges), true
	}),
	perDatabase("linkspan_migration_copied_bytes", "Bytes of the needed backups that are in storage.", func(d *ledger.Database, _ time.Time) (float64, bool) {
		return float64(d.CopiedBytes), true
	}),
	perDatabase("linkspan_migration_needed_bytes", "Bytes of the needed backups.", func(d *ledger.Database, _ time.Time) (float64, bool) {
		return float64(d.TotalBytes), true
	}),
	perDatabase("linkspan_migration_restored_age_seconds", "Time since the last restored backup was finished on the source, while backups are followed; absent before the first one.",
		func(d *ledger.Database, now time.Time) (float64, bool) {
			follows := d.State == flow.FullUploaded || d.State == flow.LogsUploading || d.State == flow.CutoverInProgress
			return max(0, now.Sub(d.LastBackup).Seconds()), follows && !d.LastBackup.IsZero()
		}),
	perDatabase("linkspan_migration_waits", "Things that the database waits for: a gap, a missing stripe, trouble with share, storage or servers.", func(d *ledger.Database, _ time.Time) (float64, bool) {
		return float64(len(d.Waits)), true
	}),
	perDatabase("linkspan_migration_troubles", "Waits that are trouble with the share, storage, source or target.", func(d *ledger.Database, _ time.Time) (float64, bool) {
		n := 0
		for _, w := range d.Waits {
			n += int(truth(w.ID == "trouble"))
		}
		return float64(n), true
	}),
	perDatabase("linkspan_migration_cutover_ready", "1 when a cutover may be started.", func(d *ledger.Database, _ time.Time) (float64, bool) {
		return truth(d.CutoverReady), true
	}),
	perDatabase("linkspan_migration_predicted_pause_seconds", "How long a cutover is expected to close the source; absent while nothing tells.", func(d *ledger.Database, _ time.Time) (float64, bool) {
		return d.PredictedPauseSeconds, d.PredictedPauseSeconds > 0 && !slices.Contains(doneStates, d.State)
	}),
	perDatabase("linkspan_migration_pause_seconds", "How long the source was closed by the cutover that is done; absent before.", func(d *ledger.Database, _ time.Time) (float64, bool) {
		return pause(d), d.Cutover != nil && d.Cutover.PauseSeconds > 0
	}),
}

func pause(d *ledger.Database) float64 {
	if d.Cutover == nil {
		return 0
	}
	return d.Cutover.PauseSeconds
}

// Families lists the metrics of the migrations.
func Families() []Family {
	out := make([]Family, len(families))
	for i, f := range families {
		out[i] = f.Family
	}
	return out
}

// collector reads the status of every activity at each scrape.
type collector struct {
	views migrate.Views
	clk   clock.Clock
	log   *slog.Logger
	descs []*prometheus.Desc
}

// newScrape makes the handler that shows the metrics, and the process's.
func newScrape(o Options) http.Handler {
	c := &collector{views: o.Service, clk: o.Clock, log: o.Log}
	for _, f := range families {
		c.descs = append(c.descs, prometheus.NewDesc(f.Name, f.Help, f.Labels, nil))
	}
	r := prometheus.NewRegistry()
	r.MustRegister(c, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector())
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes, Timeout: scrapeTime + 5*time.Second})
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector. An activity that cannot be read is left out and noted in the log.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	all, err := c.views.List(ctx)
	if err != nil {
		c.log.Warn("metrics: the activities cannot be listed", "error", err)
		return
	}
	now := c.clk.Now()
	for _, a := range all {
		st, err := c.views.Status(ctx, a.Activity, false)
		if err != nil {
			c.log.Warn("metrics: an activity cannot be read", "activity", a.Activity, "error", err)
			continue
		}
		for i, f := range families {
			for _, s := range f.read(&st, now) {
				for j := range s.labels {
					s.labels[j] = strings.ToValidUTF8(s.labels[j], "?")
				}
				ch <- prometheus.MustNewConstMetric(c.descs[i], prometheus.GaugeValue, s.value, s.labels...)
			}
		}
	}
}
