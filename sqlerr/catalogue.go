package sqlerr

import (
	"fmt"
	"maps"
	"slices"
)

// entry is one row of the catalogue. The format takes fmt verbs.
type entry struct {
	severity uint8
	format   string
}

// catalogue is the union of the areas' tables, each in its own catalogue_*.go file beside the code that raises it in
// the ladder. A number stands in one table only; the test finds doubles.
var catalogue = union(syntaxMessages, dataMessages, schemaMessages, sessionMessages, databaseMessages, backupMessages, trustMessages, hadrMessages, failoverMessages, securityMessages)

func union(tables ...map[int32]entry) map[int32]entry {
	all := make(map[int32]entry)
	for _, t := range tables {
		maps.Copy(all, t)
	}
	return all
}

// Message describes one catalogued number.
type Message struct {
	Number   int32
	Severity uint8
	// Format is the text with fmt verbs in place of SQL Server's own.
	Format string
}

// Messages lists the catalogue by number; sys.messages shows it.
func Messages() []Message {
	out := make([]Message, 0, len(catalogue))
	for _, n := range slices.Sorted(maps.Keys(catalogue)) {
		out = append(out, Message{Number: n, Severity: catalogue[n].severity, Format: catalogue[n].format})
	}
	return out
}

// String spells the message as a catalogue line.
func (m Message) String() string { return fmt.Sprintf("%d (%d) %s", m.Number, m.Severity, m.Format) }
