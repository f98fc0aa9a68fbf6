package history

import "fmt"

// Seen is what a reader of one side saw of a register: its value, and the number of writes that made it.
type Seen struct {
	// Reader numbers the one who reads: the reads of one follow each other.
	Reader, Key  int
	Value, Count int64
	// At is when the read had ended, in nanoseconds of the operations' clock.
	At int64
}

// CheckReads returns what cannot be: a reader for whom a register went back, one count with two values on whatever sides,
// and a value that nobody had begun to write. seen has each reader's in the order of its reads.
func CheckReads(ops []Op, seen []Seen) []error {
	var errs []error
	begun := map[[2]int64]int64{} // key and value: when it was first written
	for _, o := range ops {
		if o.Kind == Read || o.Kind == CompareAndSet && !o.Applied && !o.Lost {
			continue
		}
		k := [2]int64{int64(o.Key), o.Value}
		if at, ok := begun[k]; !ok || o.Call < at {
			begun[k] = o.Call
		}
	}
	last := map[[2]int]Seen{}
	values := map[[2]int64]Seen{}
	for _, s := range seen {
		if old, ok := last[[2]int{s.Reader, s.Key}]; ok && s.Count < old.Count {
			errs = append(errs, fmt.Errorf("reader %d saw register %d go back from write %d (%d) to write %d (%d)", s.Reader, s.Key, old.Count, old.Value, s.Count, s.Value))
		}
		last[[2]int{s.Reader, s.Key}] = s
		k := [2]int64{int64(s.Key), s.Count}
		if old, ok := values[k]; ok && old.Value != s.Value {
			errs = append(errs, fmt.Errorf("write %d of register %d is %d for reader %d and %d for reader %d", s.Count, s.Key, old.Value, old.Reader, s.Value, s.Reader))
		}
		values[k] = s
		if at, ok := begun[[2]int64{int64(s.Key), s.Value}]; s.Value != 0 && (!ok || s.At < at) {
			errs = append(errs, fmt.Errorf("reader %d saw %d in register %d, which nobody had written", s.Reader, s.Value, s.Key))
		}
	}
	return errs
}
