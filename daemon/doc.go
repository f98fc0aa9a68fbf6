// Package daemon owns the wiring: it turns a configuration into running parts, joins them with adapters, and starts
// and stops them in order. It is the one place that knows all of them.
package daemon
