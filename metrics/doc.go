// Package metrics owns what an instance shows to Prometheus: a collector that reads the same views that T-SQL reads, at
// the time of a scrape, and a handler that shows it to those who may see it.
//
// Nothing is counted on the way of a statement: a scrape costs a few reads of views, and no scrape costs nothing.
// table.go is the list of metrics; docs/metrics.md has it for readers.
package metrics
