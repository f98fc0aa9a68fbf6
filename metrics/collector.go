package metrics

import (
	"context"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"linkspan/internal/clock"
	"linkspan/rel"
	"linkspan/sqltype"
)

// Options configures a Collector.
type Options struct {
	// Instance is the server's name, the label instance.
	Instance string
	// Views are the server's.
	Views rel.Views
	// Clock and Log: nil means the system's and discard.
	Clock clock.Clock
	Log   *slog.Logger
}

// Collector reads the views at each scrape. It implements prometheus.Collector and is safe for concurrent use.
type Collector struct {
	o     Options
	descs map[string]*prometheus.Desc
}

// collectTimeout bounds a scrape's reading of views.
const collectTimeout = 10 * time.Second

// New makes a collector.
func New(o Options) *Collector {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Collector{o: o, descs: make(map[string]*prometheus.Desc)}
	for _, f := range Families() {
		c.descs[f.Name] = prometheus.NewDesc(f.Name, f.Help, f.Labels, prometheus.Labels{"instance": o.Instance})
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector. A view that cannot be read is left out and noted in the log.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	names, err := c.names(ctx)
	if err != nil {
		c.o.Log.Warn("metrics: names cannot be read", "error", err)
	}
	for i := range sources {
		if err := c.collect(ctx, ch, &sources[i], names); err != nil {
			c.o.Log.Warn("metrics: a view cannot be read", "view", sources[i].view, "error", err)
		}
	}
}

// row is a row of a view with its columns by name.
type row struct {
	at     map[string]int
	values []sqltype.Value
	names  *names
}

func (r row) value(column string) (sqltype.Value, bool) {
	i, ok := r.at[column]
	if !ok {
		return sqltype.Value{}, false
	}
	return r.values[i], true
}

// text is a column's text, or the name that an id stands for.
func (r row) text(column string) string {
	if v, ok := r.value(column); ok {
		return v.S
	}
	switch column {
	case "link_name":
		v, _ := r.value("group_id")
		return r.names.groups[v.S]
	case "database_name":
		v, _ := r.value("database_id")
		return r.names.databases[v.N]
	}
	return ""
}

// names are the names behind ids: of distributed groups and of databases.
type names struct {
	groups    map[string]string
	databases map[int64]string
}

func (c *Collector) names(ctx context.Context) (*names, error) {
	n := &names{groups: map[string]string{}, databases: map[int64]string{}}
	err := c.each(ctx, "availability_groups", n, func(r row) {
		id, _ := r.value("group_id")
		if d, _ := r.value("is_distributed"); d.N != 0 {
			n.groups[id.S] = r.text("name")
		}
	})
	if err != nil {
		return n, err
	}
	return n, c.each(ctx, "databases", n, func(r row) {
		id, _ := r.value("database_id")
		n.databases[id.N] = r.text("name")
	})
}

// copyOfLink keeps the row of a link's copy: on the primary that of the other side, on the copy its own.
func copyOfLink(r row) bool {
	primary, _ := r.value("is_primary_replica")
	return primary.N == 0 && r.text("link_name") != ""
}

// each calls f for the rows of a view of sys.
func (c *Collector) each(ctx context.Context, view string, n *names, f func(row)) error {
	v := c.o.Views.View("sys", view)
	if v == nil {
		return nil
	}
	r := row{at: make(map[string]int, len(v.Columns)), names: n}
	for i, col := range v.Columns {
		r.at[strings.ToLower(col.Name)] = i
	}
	for values, err := range v.Rows(ctx, rel.Scope{Database: "master", DatabaseID: 1}) {
		if err != nil {
			return err
		}
		r.values = values
		f(r)
	}
	return nil
}

func (c *Collector) collect(ctx context.Context, ch chan<- prometheus.Metric, s *source, n *names) error {
	now, seen := c.o.Clock.Now(), map[string]bool{}
	return c.each(ctx, s.view, n, func(r row) {
		if s.keep != nil && !s.keep(r) {
			return
		}
		labels := make([]string, 0, len(s.labels)+1)
		for _, l := range s.labels {
			labels = append(labels, strings.ToValidUTF8(r.text(l.column), "?"))
		}
		for _, f := range s.families {
			v, ok := r.value(f.column)
			if !ok {
				continue
			}
			x, ok := f.value(v, now)
			if !ok {
				continue
			}
			all := labels
			if f.extra != "" {
				all = append(all, v.S)
			}
			if key := f.name + "\x00" + strings.Join(all, "\x00"); !seen[key] { // two rows of one name would fail the scrape
				seen[key] = true
				kind := prometheus.GaugeValue
				if f.counter {
					kind = prometheus.CounterValue
				}
				ch <- prometheus.MustNewConstMetric(c.descs[f.name], kind, x, all...)
			}
		}
	})
}

var datetimeEpoch = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)

// number is a value as a number; a datetime is its Unix time in seconds. It is false for NULL and for text.
func number(v sqltype.Value) (float64, bool) {
	if !v.Valid {
		return 0, false
	}
	switch v.K {
	case sqltype.Decimal:
		const word = 1 << 32
		return (float64(v.Hi)*word*word + float64(uint64(v.N))) / math.Pow10(int(v.Scale)), true
	case sqltype.DateTime:
		return float64(datetimeEpoch.Unix()) + float64(v.N)/300, true
	case sqltype.Bit, sqltype.TinyInt, sqltype.SmallInt, sqltype.Int, sqltype.BigInt:
		return float64(v.N), true
	default:
		return 0, false
	}
}
