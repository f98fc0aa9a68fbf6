package metrics

import (
	"time"

	"linkspan/sqltype"
)

// Family is one metric as docs/metrics.md lists it.
type Family struct {
	Name, Help string
	Labels     []string
	Counter    bool
}

// family says which column of a view a metric is.
type family struct {
	name, help string
	// labels are those of the view's rows; extra is a label with the value of a column of its own, and the metric's value
	// is 1.
	extra   string
	column  string
	counter bool
	value   func(v sqltype.Value, now time.Time) (float64, bool)
}

// source is a view with the metrics made of it.
type source struct {
	view string
	// labels are the columns that tell rows apart, by label's name; of names that are looked up elsewhere, see lookup.
	labels []label
	// keep says which rows count; nil: all.
	keep     func(row) bool
	families []family
}

// label is a label and where it comes from.
type label struct{ name, column string }

// The transformations of a column into a number.
func plain(v sqltype.Value, _ time.Time) (float64, bool) { return number(v) }

func kibibytes(v sqltype.Value, _ time.Time) (float64, bool) {
	f, ok := number(v)
	return f * 1024, ok
}

func microseconds(v sqltype.Value, _ time.Time) (float64, bool) {
	f, ok := number(v)
	return f / 1e6, ok
}

// given is 1 for a value and 0 for NULL.
func given(v sqltype.Value, _ time.Time) (float64, bool) { return one(v.Valid), true }

// is is 1 for a text and 0 for others.
func is(text string) func(sqltype.Value, time.Time) (float64, bool) {
	return func(v sqltype.Value, _ time.Time) (float64, bool) { return one(v.Valid && v.S == text), true }
}

// age is the seconds since a datetime; nothing for NULL.
func age(v sqltype.Value, now time.Time) (float64, bool) {
	f, ok := number(v)
	return max(0, now.Sub(time.Unix(0, int64(f*1e9))).Seconds()), ok
}

// always is 1: the label has what there is to say.
func always(v sqltype.Value, _ time.Time) (float64, bool) { return 1, v.Valid }

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// sources are all metrics.
var sources = []source{
	{view: "dm_linkspan_databases", labels: []label{{"database", "database_name"}}, families: []family{
		{name: "linkspan_database_online", help: "1 when the database is ONLINE.", column: "state_desc", value: is("ONLINE")},
		{name: "linkspan_database_epoch", help: "Epoch of the database: it grows with each change of roles.", column: "epoch", value: plain},
		{name: "linkspan_database_commits_total", help: "Commits since the start.", column: "commits", counter: true, value: plain},
		{name: "linkspan_database_log_syncs_total", help: "Times the log was forced to the disk since the start.", column: "syncs", counter: true, value: plain},
		{name: "linkspan_database_checkpoints_total", help: "Checkpoints since the start.", column: "checkpoints", counter: true, value: plain},
		{name: "linkspan_database_hardened_lsn", help: "Last durable LSN as a number; rounded, as floating point is.", column: "hardened_lsn", value: plain},
		{name: "linkspan_database_published_lsn", help: "LSN that readers see, as a number; rounded.", column: "published_lsn", value: plain},
		{name: "linkspan_database_log_used_bytes", help: "Log that is held.", column: "log_bytes", value: plain},
		{name: "linkspan_database_log_size_bytes", help: "Size of the log's files.", column: "log_size_bytes", value: plain},
		{name: "linkspan_database_pages", help: "Pages of the database, of 8 KiB.", column: "pages", value: plain},
		{name: "linkspan_database_dirty_pages", help: "Pages changed since the checkpoint.", column: "dirty_pages", value: plain},
		{name: "linkspan_database_writers_waiting", help: "Transactions that wait for their turn to write.", column: "writers_waiting", value: plain},
		{name: "linkspan_database_bad_pages", help: "Pages that the last full read found bad.", column: "bad_pages", value: plain},
		{name: "linkspan_database_scrub_age_seconds", help: "Time since every page was last read back and compared with its hash; absent before the first time.", column: "last_verified_time", value: age},
	}},
	{view: "databases", labels: []label{{"database", "name"}}, families: []family{
		{name: "linkspan_database_log_reuse_wait", help: "1 for what keeps log from being reused.", extra: "reason", column: "log_reuse_wait_desc", value: always},
	}},
	{view: "dm_linkspan_links", labels: linkLabels, families: []family{
		{name: "linkspan_link_connected", help: "1 when the two sides are connected.", column: "is_connected", value: plain},
		{name: "linkspan_link_primary", help: "1 when this side is the primary.", column: "role_desc", value: is("PRIMARY")},
		{name: "linkspan_link_fenced", help: "1 when this side gave its role away and does not know who has it.", column: "is_fenced", value: plain},
		{name: "linkspan_link_outdated", help: "1 when another primary outlived this one: SET (ROLE = SECONDARY) is due.", column: "outdated_by_epoch", value: given},
		{name: "linkspan_link_diverged", help: "1 when the copy's pages differ from the primary's.", column: "divergence", value: given},
		{name: "linkspan_link_failovers_total", help: "Changes of roles since the start.", column: "failovers", counter: true, value: plain},
		{name: "linkspan_link_digests_compared_total", help: "Digests of the primary's that this copy compared with its own, equal, since the start.", column: "digests_compared", counter: true, value: plain},
		{name: "linkspan_link_failover_pause_seconds", help: "How long no writer was let in at the last failover; absent before one.", column: "last_pause_us", value: microseconds},
		{name: "linkspan_link_last_error", help: "Number of the last error of the connection, 0 for none.", column: "last_error_number", value: plain},
	}},
	{view: "dm_hadr_database_replica_states", labels: linkLabels, keep: copyOfLink, families: []family{
		{name: "linkspan_link_synchronization_state", help: "The copy's state: 0 not synchronizing, 1 synchronizing, 2 synchronized, 3 reverting, 4 initializing.", column: "synchronization_state", value: plain},
		{name: "linkspan_link_suspended", help: "1 when data movement is stopped.", column: "is_suspended", value: plain},
		{name: "linkspan_link_send_queue_bytes", help: "Log that the copy has not hardened, as the primary sees it.", column: "log_send_queue_size", value: kibibytes},
		{name: "linkspan_link_send_rate_bytes", help: "Log sent per second.", column: "log_send_rate", value: kibibytes},
		{name: "linkspan_link_redo_queue_bytes", help: "Log received and not yet shown to readers.", column: "redo_queue_size", value: kibibytes},
		{name: "linkspan_link_redo_rate_bytes", help: "Log shown to readers per second.", column: "redo_rate", value: kibibytes},
		{name: "linkspan_link_lag_seconds", help: "How far the copy is behind, 0 when it is not.", column: "secondary_lag_seconds", value: plain},
	}},
	{view: "dm_hadr_physical_seeding_stats", labels: []label{{"database", "local_database_name"}, {"role", "role_desc"}}, families: []family{
		{name: "linkspan_seeding_transferred_bytes", help: "Bytes of the copy that have been moved.", column: "transferred_size_bytes", value: plain},
		{name: "linkspan_seeding_size_bytes", help: "Bytes of the copy when it is whole.", column: "database_size_bytes", value: plain},
		{name: "linkspan_seeding_rate_bytes", help: "Bytes moved per second.", column: "transfer_rate_bytes_per_second", value: plain},
	}},
	{view: "dm_linkspan_certificates", labels: []label{{"certificate", "name"}, {"usage", "usage_desc"}}, families: []family{
		{name: "linkspan_certificate_days_left", help: "Whole days until the certificate expires, negative after.", column: "days_left", value: plain},
		{name: "linkspan_certificate_connections", help: "Live connections that rest on the certificate.", column: "live_connections", value: plain},
	}},
}

// linkLabels are the labels of what is about a link.
var linkLabels = []label{{"link", "link_name"}, {"database", "database_name"}}

// Families lists the metrics in order; the label instance is every metric's.
func Families() []Family {
	var out []Family
	for _, s := range sources {
		for _, f := range s.families {
			labels := []string{}
			for _, l := range s.labels {
				labels = append(labels, l.name)
			}
			if f.extra != "" {
				labels = append(labels, f.extra)
			}
			out = append(out, Family{f.name, f.help, labels, f.counter})
		}
	}
	return out
}
