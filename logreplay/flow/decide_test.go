package flow_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"linkspan/bak"
	"linkspan/bak/chain"
	"linkspan/logreplay/flow"
	"linkspan/lsn"
)

// set is a made backup set in a file of its own: "f" full, "d" differential on the full with id 1, "l" log.
type set struct {
	file        string
	kind        byte
	id          byte
	first, last uint32
	family      byte
	fork        byte
	stripe, of  int
	problem     string
	foreign     bool
}

func at(n uint32) lsn.LSN { return lsn.LSN{VLF: 1, Block: n, Slot: 1} }

func (s set) made() flow.File {
	h := bak.Header{SetGUID: bak.GUID{s.id, 1}, Type: bak.Type(map[byte]rune{'f': rune(bak.Full), 'd': rune(bak.Differential), 'l': rune(bak.Log)}[s.kind]), FirstLSN: at(s.first), LastLSN: at(s.last),
		Database: fmt.Sprintf("db%d", s.family), FamilyGUID: bak.GUID{200 + s.family}, RecoveryForkID: bak.GUID{100 + s.fork}, Position: 1}
	h.Started = time.Date(2024, 1, 1, 0, int(s.last), 0, 0, time.UTC)
	h.Finished = h.Started
	if s.kind == 'd' {
		h.DifferentialBaseGUID = bak.GUID{1, 1}
	}
	f := bak.Family{Count: max(s.of, 1), Sequence: max(s.stripe, 1), Software: bak.SoftwareLinkspan}
	if s.foreign {
		f.Software = "Microsoft SQL Server"
	}
	return flow.File{Name: s.file, Items: []chain.Item{{File: s.file, Family: f, Header: &h, Problem: s.problem}}}
}

// shown is a decision in one line.
func shown(d flow.Decision) string {
	var out []string
	if d.Next != nil {
		out = append(out, "restore "+strings.Join(d.Next.Files(), "+"))
	}
	if d.Recover {
		out = append(out, "recover")
	}
	for _, m := range d.Missed {
		out = append(out, "missed "+m.Files()[0])
	}
	if d.Fault != "" {
		out = append(out, "fault: "+d.Fault)
	}
	if d.Block != "" {
		out = append(out, "block: "+d.Block)
	}
	for _, f := range d.Files {
		if f.Fate != flow.Queued {
			out = append(out, f.Name+" "+string(f.Fate))
		}
	}
	return strings.Join(out, "; ")
}

var (
	full  = set{file: "f", kind: 'f', id: 1, first: 10, last: 11}
	log1  = set{file: "l1", kind: 'l', id: 2, first: 10, last: 20}
	log2  = set{file: "l2", kind: 'l', id: 3, first: 20, last: 30}
	log3  = set{file: "l3", kind: 'l', id: 4, first: 30, last: 40}
	diff  = set{file: "d", kind: 'd', id: 5, first: 25, last: 26}
	later = set{file: "f2", kind: 'f', id: 6, first: 32, last: 33}
)

func TestDecide(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what string
		sets []set
		// end is how far the database is; 0 is none. done are the ids restored.
		end    uint32
		done   []byte
		last   string
		closed bool
		want   string
	}{
		{what: "an empty folder", want: "block: there is no backup in the folder"},
		{what: "an empty folder that is all there is", last: "l1", closed: true, want: "fault: the last backup l1 is not in the folder"},
		{what: "logs before the full", sets: []set{log1}, want: "block: there is no full backup that can be restored"},
		{what: "the first", sets: []set{log2, full, log1}, want: "restore f"},
		{what: "one stripe of two", sets: []set{{file: "f", kind: 'f', id: 1, first: 10, last: 11, stripe: 2, of: 2}}, want: "block: there is no full backup that can be restored"},
		{what: "two databases", sets: []set{full, {file: "g", kind: 'f', id: 9, first: 5, last: 6, family: 1}}, want: "block: the folder holds backups of 2 databases (db0, db1): a log replay takes a folder with one"},
		{what: "a log", sets: []set{full, log1, log2}, end: 11, done: []byte{1}, want: "restore l1; f Restored"},
		{what: "a differential that leads farther", sets: []set{full, log1, diff}, end: 11, done: []byte{1}, want: "restore d; f Restored"},
		{what: "a differential over a gap", sets: []set{full, diff, log3}, end: 20, done: []byte{1, 2}, want: "restore d; f Restored"},
		{what: "a log that holds the differential", sets: []set{full, log2, diff}, end: 20, done: []byte{1, 2}, want: "restore l2; f Restored"},
		{what: "a gap", sets: []set{full, log1, log3}, end: 20, done: []byte{1, 2},
			want: fmt.Sprintf("block: the log from LSN %s to %s is missing: a log backup that begins at %[1]s or before, and comes before l3; f Restored; l1 Restored", at(20).Decimal(), at(30).Decimal())},
		{what: "nothing new", sets: []set{full, log1}, end: 20, done: []byte{1, 2}, want: "f Restored; l1 Restored"},
		{what: "a newer full", sets: []set{full, log1, later}, end: 20, done: []byte{1, 2}, want: "f Restored; l1 Restored; f2 Skipped"},
		{what: "what is covered", sets: []set{full, log1, diff, log2}, end: 26, done: []byte{1, 5}, want: "restore l2; f Restored; l1 Skipped; d Restored"},
		{what: "restored just before a crash", sets: []set{full, log1}, end: 20, done: []byte{1}, want: "missed l1; f Restored; l1 Restored"},
		{what: "the full restored just before a crash", sets: []set{full, log1}, end: 11, want: "restore l1; missed f; f Restored"},
		{what: "the last one", sets: []set{full, log1, log2}, end: 20, done: []byte{1, 2}, last: "l1", want: "recover; f Restored; l1 Restored; l2 Skipped"},
		{what: "up to the last", sets: []set{full, log1, log2, log3}, end: 20, done: []byte{1, 2}, last: "l2", want: "restore l2; f Restored; l1 Restored; l3 Skipped"},
		{what: "past the last", sets: []set{full, log1, log2}, end: 30, done: []byte{1, 2, 3}, last: "l1",
			want: fmt.Sprintf("fault: the last backup l1 ends at LSN %s, the database is at %s already; f Restored; l1 Restored; l2 Restored", at(20).Decimal(), at(30).Decimal())},
		{what: "newer than the last of a whole folder", sets: []set{full, log1, log2}, last: "l1", closed: true,
			want: "fault: l2 is newer than the last backup l1: take it out of the folder, or name it as the last; l2 Skipped"},
		{what: "a whole folder with a gap", sets: []set{full, log1, log3}, last: "l3", closed: true,
			want: fmt.Sprintf("fault: the chain to l3 is broken at LSN %s: a log backup is missing that begins there or before", at(20).Decimal())},
		{what: "a damaged log", sets: []set{full, {file: "l1", kind: 'l', id: 2, first: 10, last: 20, problem: "checksum"}}, end: 11, done: []byte{1}, want: "block: l1 cannot be restored: checksum; f Restored; l1 Unrestorable"},
		{what: "another fork", sets: []set{full, {file: "l1", kind: 'l', id: 2, first: 10, last: 20, fork: 1}}, end: 11, done: []byte{1}, want: "f Restored; l1 Unrestorable"},
		{what: "another database's log", sets: []set{full, {file: "x", kind: 'l', id: 8, first: 11, last: 20, family: 1}}, end: 11, done: []byte{1}, want: "f Restored; x Unrestorable"},
		{what: "SQL Server's log", sets: []set{{file: "f", kind: 'f', id: 1, first: 10, last: 11, foreign: true}, {file: "l1", kind: 'l', id: 2, first: 10, last: 20, foreign: true}}, end: 11, done: []byte{1}, want: "f Restored; l1 Unrestorable"},
		{what: "SQL Server's differential", sets: []set{{file: "f", kind: 'f', id: 1, first: 10, last: 11, foreign: true}, {file: "d", kind: 'd', id: 5, first: 25, last: 26, foreign: true}}, end: 11, done: []byte{1}, last: "d", want: "restore d; f Restored"},
	} {
		s := flow.State{Last: c.last, Closed: c.closed}
		for _, set := range c.sets {
			s.Files = append(s.Files, set.made())
		}
		if c.end != 0 {
			s.Database = &flow.Database{End: at(c.end), Base: bak.GUID{1, 1}, Fork: bak.GUID{100}}
		}
		for _, id := range c.done {
			s.Done = append(s.Done, bak.GUID{id, 1})
		}
		if got := shown(flow.Decide(s)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.what, got, c.want)
		}
	}
}

// A file that may still be written is waited for, and what cannot be read is told with the reason.
func TestUnreadableFiles(t *testing.T) {
	t.Parallel()
	d := flow.Decide(flow.State{Last: "l1", Closed: true, Files: []flow.File{{Name: "a", Problem: "not a backup", Unsettled: true}, {Name: "b", Problem: "not a backup"}, {Name: "c"}}})
	if got := shown(d); got != "block: the last backup l1 is not in the folder; b Unrestorable; c Unrestorable" || d.Files[1].Reason != "not a backup" {
		t.Error(got, d.Files)
	}
}
