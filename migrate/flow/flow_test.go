package flow_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"linkspan/lsn"
	"linkspan/migrate/flow"
)

// block is the size of a copy's step in these tests; files have two and a half of them.
const block, fileSize = 100, 250

// world carries effects out as a perfect engine would: it stores the migration as JSON after every step, forgets the
// value, and does each effect twice.
type world struct {
	t        *testing.T
	m        *flow.Migration
	now      time.Time
	share    []flow.Seen
	restored []string
	unusable string
	open     bool
	gone     bool
	differ   bool
	closed   bool // the source
	did      map[string]int
	visited  map[flow.State]bool
	kill     flow.State // the service dies in this state before each effect
	out      strings.Builder
}

func newWorld(t *testing.T) *world {
	return &world{t: t, m: flow.New(flow.Options{Database: "db1", Block: block, Parallel: 2}), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		did: map[string]int{}, visited: map[flow.State]bool{flow.Initial: true}}
}

// restart is what a killed service does: it loads what was stored.
func (w *world) restart() {
	w.t.Helper()
	data, err := json.Marshal(w.m)
	if err != nil {
		w.t.Fatal(err)
	}
	loaded := new(flow.Migration)
	if err := json.Unmarshal(data, loaded); err != nil {
		w.t.Fatal(err)
	}
	if a, b := w.m.Outstanding(), loaded.Outstanding(); !reflect.DeepEqual(a, b) {
		w.t.Fatalf("after a restart %v is outstanding, before it was %v", b, a)
	}
	w.m = loaded
}

// step takes an event; what the table says of its effects has to be true.
func (w *world) step(e flow.Event) error {
	w.t.Helper()
	e.At = w.now
	state, before := w.m.State, string(w.m.State)
	began, err := w.m.Step(e)
	if err != nil {
		var r *flow.Refusal
		if !errors.As(err, &r) {
			w.t.Fatalf("%T: %v", err, err)
		}
		return err
	}
	w.visited[w.m.State] = true
	if string(w.m.State) != before {
		fmt.Fprintf(&w.out, "%s → %s (%s)\n", before, w.m.State, e.Kind)
	}
	for _, x := range began {
		if !owed(w.m.State, x.Kind) {
			w.t.Fatalf("%s in %s began %v, which the table does not list", e.Kind, state, x)
		}
	}
	w.restart()
	return nil
}

func owed(s flow.State, k flow.EffectKind) bool {
	return slices.ContainsFunc(flow.Duties(), func(d flow.Duty) bool { return slices.Contains(d.In, s) && slices.Contains(d.Effects, k) })
}

// run carries effects out until nothing changes.
func (w *world) run() {
	for range 1000 {
		before, _ := json.Marshal(w.m)
		for _, x := range w.m.Outstanding() {
			if !slices.ContainsFunc(w.m.Outstanding(), func(y flow.Effect) bool { return x.Key == y.Key }) {
				continue // an earlier one made it needless
			}
			w.did[x.Key]++
			if w.m.State == w.kill {
				w.effect(x) // done, and killed before it was noted
				w.restart()
			}
			e := w.effect(x)
			_ = w.step(e)
			_ = w.step(e) // the report comes twice
		}
		if after, _ := json.Marshal(w.m); string(after) == string(before) {
			return
		}
	}
	w.t.Fatal("it does not come to rest")
}

// effect does one thing to the world and reports it.
func (w *world) effect(x flow.Effect) flow.Event {
	switch x.Kind {
	case flow.CheckTarget:
		return flow.Event{Kind: flow.TargetChecked, Taken: w.open || w.gone}
	case flow.Scan:
		return flow.Event{Kind: flow.Scanned, Files: w.share}
	case flow.CopyBlock:
		return flow.Event{Kind: flow.BlockStored, File: x.File, Version: x.Version, Done: x.Offset + x.Length}
	case flow.SealFile:
		return flow.Event{Kind: flow.FileSealed, File: x.File, Version: x.Version}
	case flow.StartRestore, flow.FollowRestore:
		return w.follow(x)
	case flow.CompareLogins:
		return flow.Event{Kind: flow.LoginsCompared}
	case flow.TakeTail:
		w.tail()
		return flow.Event{Kind: flow.TailTaken, Set: "tail"}
	case flow.ReopenSource:
		w.closed = false
		return flow.Event{Kind: flow.SourceBack}
	case flow.CompleteRestore:
		w.open = true
		return w.follow(x)
	case flow.MapUsers:
		return flow.Event{Kind: flow.UsersMapped}
	case flow.Compare:
		return flow.Event{Kind: flow.Compared, Equal: !w.differ, Text: "table dbo.t differs"}
	case flow.WriteReport:
		return flow.Event{Kind: flow.ReportWritten}
	case flow.DropTarget:
		w.restored = nil
		return flow.Event{Kind: flow.TargetGone}
	}
	w.t.Fatalf("nobody knows how to do %v", x)
	return flow.Event{}
}

// follow restores what is in storage and applies, as the target's log replay does.
func (w *world) follow(x flow.Effect) flow.Event {
	if w.gone {
		return flow.Event{Kind: flow.TargetGone, Attempt: x.Attempt}
	}
	for _, id := range w.m.Chain {
		stored := true
		for _, f := range w.m.Files {
			if f.Set == id && !f.Bad && f.State != flow.FileCancelled && f.State != flow.FileUploaded && f.State != flow.FileRestoring && f.State != flow.FileRestored {
				stored = false
			}
		}
		if !stored || id == w.unusable {
			break
		}
		if !slices.Contains(w.restored, id) {
			w.restored = append(w.restored, id)
		}
	}
	r := flow.Restore{Restored: slices.Clone(w.restored), Opened: w.open}
	if w.unusable != "" {
		r.Unusable, r.Why = w.unusable, "3183: a page of it is damaged"
	}
	return flow.Event{Kind: flow.RestoreSeen, Restore: r, Attempt: x.Attempt}
}

// tail backs the tail of the log up, once.
func (w *world) tail() {
	w.closed = true
	if slices.ContainsFunc(w.share, func(s flow.Seen) bool { return s.Name == "tail.trn" }) {
		return
	}
	end := int64(0)
	for _, s := range w.share {
		for _, set := range s.Sets {
			end = max(end, int64(set.Last.Block))
		}
	}
	w.share = append(w.share, seen("tail.trn", flow.Set{ID: "tail", Kind: flow.Log, Database: "db1", First: at(end), Last: at(end + 5), Fork: "A", Checksum: true, Tail: true, Finished: w.now}))
}

func at(n int64) lsn.LSN { return lsn.LSN{VLF: 1, Block: uint32(n), Slot: 1} }

func seen(name string, sets ...flow.Set) flow.Seen {
	return flow.Seen{Name: name, Version: "1", Size: fileSize, Sets: sets, Sequence: 1, Stripes: 1}
}

// TestHistories runs histories. Commands:
//
//	share               sets what is on the share, one file a line: name kind first last [set= base= fork= from=fork@lsn
//	                    stripe=1/2 db= version= nochecksum tail growing sets=2 problem=text after]
//	run                 effects are carried out until nothing changes
//	<event> [key=value] the event happens; Start, CutoverStart take apply max=5s, …
//	world [unusable=set] [gone] [differ]
func TestHistories(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := newWorld(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			w.out.Reset()
			w.command(d)
			w.show()
			return w.out.String()
		})
	})
}

func (w *world) command(d *datadriven.TestData) {
	arg := func(key string) string {
		for _, a := range d.CmdArgs {
			if a.Key == key {
				return strings.Join(append(a.Vals, "")[:max(len(a.Vals), 1)], ",")
			}
		}
		return ""
	}
	switch d.Cmd {
	case "share":
		w.share = nil
		for line := range strings.Lines(d.Input) {
			w.share = append(w.share, parse(w.t, strings.Fields(line), w.now))
		}
	case "run":
		w.run()
	case "world":
		w.unusable, w.gone, w.differ = arg("unusable"), d.HasArg("gone"), d.HasArg("differ")
		if w.gone {
			w.restored = nil
		}
	default:
		e := flow.Event{Kind: flow.EventKind(d.Cmd), TakeTail: d.HasArg("tail"), Apply: d.HasArg("apply"), LastFile: arg("last"), Where: arg("where"),
			Text: strings.ReplaceAll(arg("text"), "_", " "), Taken: d.HasArg("taken"), Equal: d.HasArg("equal"), File: arg("file"), Version: "1", Attempt: w.m.Attempt, Set: arg("set")}
		e.MaxPause, _ = time.ParseDuration(arg("max"))
		e.Done, _ = strconv.ParseInt(arg("done"), 10, 64)
		if arg("missing") != "" {
			e.Missing = []string{arg("missing")}
		}
		if e.Kind == flow.Scanned {
			e.Files = w.share
		}
		wait, _ := time.ParseDuration(arg("after"))
		w.now = w.now.Add(wait)
		if err := w.step(e); err != nil {
			fmt.Fprintf(&w.out, "refused: %v\n", err)
		}
	}
}

// show prints how it stands.
func (w *world) show() {
	m := w.m
	fmt.Fprintf(&w.out, "= %s, %d pending", m.State, m.Pending())
	if m.Cutover.Fence != flow.FenceNone {
		fmt.Fprintf(&w.out, ", fence %s", m.Cutover.Fence)
	}
	if m.Reason != "" {
		fmt.Fprintf(&w.out, ", %s", m.Reason)
	}
	w.out.WriteByte('\n')
	for _, f := range m.Files {
		fmt.Fprintf(&w.out, "  %s %s", f.Name, f.State)
		if f.State == flow.FileUploading {
			fmt.Fprintf(&w.out, " %d/%d", f.Done, f.Size)
		}
		if f.Reason != "" {
			fmt.Fprintf(&w.out, ": %s", f.Reason)
		}
		w.out.WriteByte('\n')
	}
	for _, x := range m.Waits() {
		fmt.Fprintf(&w.out, "  waits (%s): %s → %s\n", x.ID, x.Text, x.Fix)
	}
	var due []string
	for _, x := range m.Outstanding() {
		due = append(due, x.String())
	}
	fmt.Fprintf(&w.out, "  due: %s\n", strings.Join(due, ", "))
}

func parse(t *testing.T, w []string, now time.Time) flow.Seen {
	num := func(s string) lsn.LSN { n, err := strconv.ParseInt(s, 10, 32); must(t, err); return at(n) }
	s := flow.Set{ID: strings.SplitN(w[0], ".", 2)[0], Kind: flow.Kind(w[1]), Database: "DB1", First: num(w[2]), Last: num(w[3]), Fork: "A", Checksum: true, Finished: now}
	f := seen(w[0])
	count := 1
	for _, o := range w[4:] {
		k, v, _ := strings.Cut(o, "=")
		switch k {
		case "set":
			s.ID = v
		case "base":
			s.Base = v
		case "fork":
			s.Fork = v
		case "from":
			fork, point, _ := strings.Cut(v, "@")
			s.FirstFork, s.ForkPoint = fork, num(point)
		case "stripe":
			_, err := fmt.Sscanf(v, "%d/%d", &f.Sequence, &f.Stripes)
			must(t, err)
		case "db":
			s.Database = v
		case "version":
			f.Version = v
		case "nochecksum":
			s.Checksum = false
		case "tail":
			s.Tail = true
		case "growing":
			f.Growing = true
		case "after":
			s.Finished = now.Add(time.Hour)
		case "sets":
			count, _ = strconv.Atoi(v)
		case "problem":
			f.Problem = strings.ReplaceAll(v, "_", " ")
		default:
			t.Fatalf("no option %q", o)
		}
	}
	f.Sets = slices.Repeat([]flow.Set{s}, count)
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestDocument: the page shows the table as it is. `go test ./migrate/flow -rewrite` writes it anew.
func TestDocument(t *testing.T) {
	const page, begin, end = "../../docs/migrate.md", "<!-- the table: generated, do not edit -->\n", "<!-- end of the table -->\n"
	data, err := os.ReadFile(page)
	must(t, err)
	head, rest, ok := strings.Cut(string(data), begin)
	old, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", page)
	}
	if old == flow.Document() {
		return
	}
	if slices.Contains(os.Args, "-rewrite") {
		must(t, os.WriteFile(page, []byte(head+begin+flow.Document()+end+tail), 0o644))
		return
	}
	t.Errorf("%s does not show the table as it is: run go test ./migrate/flow -rewrite", page)
}
