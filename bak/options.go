package bak

import "fmt"

// Options bounds what reading one file may cost. The zero value means the defaults.
type Options struct {
	// MaxExpanded is the greatest number of bytes that a compressed file may expand to; 0 means 64 TiB.
	MaxExpanded int64
	// MaxConfig is the greatest length in bytes of the configuration stream (MQCI), which lists the files of the
	// database, and is held in memory; 0 means 64 MiB.
	MaxConfig int64
	// MaxBlocks is the greatest number of descriptor blocks and streams in one file; 0 means 16 million.
	MaxBlocks int
}

// Validate reports values that make no sense.
func (o Options) Validate() error {
	if o.MaxExpanded < 0 || o.MaxConfig < 0 || o.MaxBlocks < 0 {
		return fmt.Errorf("check backup reading options: a limit is negative")
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.MaxExpanded == 0 {
		o.MaxExpanded = 64 << 40
	}
	if o.MaxConfig == 0 {
		o.MaxConfig = 64 << 20
	}
	if o.MaxBlocks == 0 {
		o.MaxBlocks = 16 << 20
	}
	return o
}
