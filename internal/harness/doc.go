// Package harness owns what system tests stand on: documents whose scripts are run as they are printed, instances as
// processes of their own, and real clients.
package harness
