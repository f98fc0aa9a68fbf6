package fsx

import (
	"cmp"
	"maps"
	"slices"
)

// sortedKeys makes what is chosen by a seed independent of the order of maps.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
