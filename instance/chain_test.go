package instance_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"linkspan/instance"
	"linkspan/sqlapi"
)

// chains is how many random chains are made; `make soak` makes more.
func chains() int {
	if n, err := strconv.Atoi(os.Getenv("LINKSPAN_SOAK")); err == nil && n > 1 {
		return 50 * n
	}
	return 50
}

// taken is one backup set of a chain, with what the database held at its end.
type takenSet struct {
	kind     string // full, diff, log
	devices  string // as FROM names them
	position int
	rows     map[int]int
	// base is the place of the full that a differential builds on, or that begins a log's chain.
	base int
	copy bool
	// at is when it was taken.
	at time.Time
}

// moment is what the database held from a time on.
type moment struct {
	at   time.Time
	rows map[int]int
}

// chainWorld makes random work and random backups of one database, and remembers what it held when.
type chainWorld struct {
	t       *testing.T
	r       *rand.Rand
	c       *settable
	s       sqlapi.Session
	db      string
	rows    map[int]int
	sets    []takenSet
	history []moment
	full    int // the place of the last full that was not copy-only, -1 before
	medium  string
	length  int // sets on the present medium
}

func (w *chainWorld) sql(text string) { must(w.t, w.s, text) }

// work changes some rows, a second later.
func (w *chainWorld) work() {
	w.c.set(w.c.Now().Add(time.Second))
	for range 1 + w.r.IntN(4) {
		k, v := w.r.IntN(40), w.r.IntN(1000)
		_, there := w.rows[k]
		switch {
		case there && w.r.IntN(3) == 0:
			w.sql(fmt.Sprintf("DELETE %s.dbo.t WHERE k = %d", w.db, k))
			delete(w.rows, k)
		case there:
			w.sql(fmt.Sprintf("UPDATE %s.dbo.t SET v = %d, pad = REPLICATE('x', %d) WHERE k = %d", w.db, v, v, k))
			w.rows[k] = v
		default:
			w.sql(fmt.Sprintf("INSERT %s.dbo.t VALUES (%d, %d, REPLICATE('y', %d))", w.db, k, v, v*3))
			w.rows[k] = v
		}
	}
	w.history = append(w.history, moment{w.c.Now(), maps.Clone(w.rows)})
}

// take makes a random backup.
func (w *chainWorld) take() {
	kind := []string{"full", "diff", "log", "log", "log"}[w.r.IntN(5)]
	if w.full < 0 {
		kind = "full"
	}
	set := takenSet{kind: kind, rows: maps.Clone(w.rows), base: w.full, at: w.c.Now(), copy: kind != "diff" && w.full >= 0 && w.r.IntN(5) == 0}
	var options []string
	if set.copy {
		options = append(options, "COPY_ONLY")
	}
	if kind == "diff" {
		options = append(options, "DIFFERENTIAL")
	}
	if w.r.IntN(2) == 0 {
		options = append(options, "CHECKSUM")
	}
	if w.medium == "" || w.length > 3 || w.r.IntN(3) == 0 {
		stripes := 1 + w.r.IntN(3)
		var names []string
		for i := range stripes {
			names = append(names, fmt.Sprintf("DISK = '%s-%d-%d.bak'", w.db, len(w.sets), i))
		}
		w.medium, w.length = strings.Join(names, ", "), 0
		if w.r.IntN(4) == 0 {
			options = append(options, "COMPRESSION")
			w.length = 100 // a compressed medium takes one set
		}
	}
	w.length++
	set.devices, set.position = w.medium, w.length
	if w.length > 100 {
		set.position = 1
	}
	verb := "DATABASE"
	if kind == "log" {
		verb = "LOG"
	}
	text := fmt.Sprintf("BACKUP %s %s TO %s", verb, w.db, set.devices)
	if len(options) > 0 {
		text += " WITH " + strings.Join(options, ", ")
	}
	w.sql(text)
	w.sets = append(w.sets, set)
	if kind == "full" && !set.copy {
		w.full = len(w.sets) - 1
	}
}

// plan lists the sets to restore to reach the end of a set: a full, the newest differential on it, and the logs.
func (w *chainWorld) plan(to int) []int {
	base := w.sets[to].base
	if w.sets[to].kind == "full" {
		return []int{to}
	}
	steps := []int{base}
	from := base
	if w.sets[to].kind == "diff" {
		return append(steps, to)
	}
	for i := base + 1; i < to; i++ {
		if w.sets[i].kind == "diff" && w.sets[i].base == base && w.r.IntN(2) == 0 {
			from = i
		}
	}
	if from != base {
		steps = append(steps, from)
	}
	for i := from + 1; i <= to; i++ {
		if w.sets[i].kind == "log" && (!w.sets[i].copy || i == to) {
			steps = append(steps, i)
		}
	}
	return steps
}

// restore restores to the end of the last of the sets, or with stop into the middle of it, and compares.
func (w *chainWorld) restore(steps []int, stop bool) {
	var script []string
	want := w.sets[steps[len(steps)-1]].rows
	for n, i := range steps {
		set := w.sets[i]
		verb, with := "DATABASE", fmt.Sprintf("FILE = %d", set.position)
		if set.kind == "log" {
			verb = "LOG"
		}
		switch {
		case n < len(steps)-1:
			with += ", NORECOVERY"
		case stop:
			at, rows := w.inside(w.sets[steps[n-1]].at, set.at)
			with, want = with+", STOPAT = '"+at.Format("2006-01-02T15:04:05.000")+"', RECOVERY", rows
		}
		if n == 0 {
			with += ", REPLACE"
		}
		script = append(script, fmt.Sprintf("RESTORE %s %s_r FROM %s WITH %s", verb, w.db, set.devices, with))
	}
	for _, s := range script {
		if got := query(w.t, w.s, s); strings.Contains(got, "Msg ") {
			w.t.Fatalf("%s\n%s\nin\n%s", s, got, strings.Join(script, "\n"))
		}
	}
	if got := table(must(w.t, w.s, "SELECT k, v FROM "+w.db+"_r.dbo.t ORDER BY k")); got != spell(want) {
		w.t.Fatalf("after\n%s\nthe rows are %s\nwant          %s", strings.Join(script, "\n"), got, spell(want))
	}
}

// inside picks a time after which there is more work in the log between two times, and what the database held then.
func (w *chainWorld) inside(from, to time.Time) (time.Time, map[int]int) {
	var fit []moment
	for j := range w.history[:len(w.history)-1] {
		if m, next := w.history[j], w.history[j+1]; !m.at.Before(from) && !next.at.After(to) {
			fit = append(fit, m)
		}
	}
	m := fit[w.r.IntN(len(fit))]
	return m.at.Add(500 * time.Millisecond), m.rows
}

// stoppable lists plans whose last log holds more than one piece of work.
func (w *chainWorld) stoppable() [][]int {
	var out [][]int
	for i, s := range w.sets {
		if s.kind != "log" {
			continue
		}
		steps := w.plan(i)
		n := 0
		for _, m := range w.history {
			if !m.at.Before(w.sets[steps[len(steps)-2]].at) && !m.at.After(s.at) {
				n++
			}
		}
		if n > 1 {
			out = append(out, steps)
		}
	}
	return out
}

func spell(rows map[int]int) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(&b, "%d=%d ", k, rows[k])
	}
	return b.String()
}

func table(answer string) string {
	var b strings.Builder
	for _, l := range strings.Split(answer, "\n")[1:] {
		if k, v, ok := strings.Cut(strings.TrimSpace(l), " | "); ok {
			fmt.Fprintf(&b, "%s=%s ", k, v)
		}
	}
	return b.String()
}

// TestRandomChains writes random work, takes random backups and restores to random points.
func TestRandomChains(t *testing.T) {
	t.Parallel()
	o, _ := withFolder(t)
	o.Clock = newSettable()
	in := open(t, o)
	for n := range chains() {
		seed := rand.Uint64()
		if !runChain(t, in, o, n, seed) {
			t.Fatalf("chain %d of seed %d failed", n, seed)
		}
	}
	if stopped.Load() == 0 {
		t.Error("no restore stopped at a time: the test does not test that")
	}
}

// stopped counts the restores that stopped inside a log.
var stopped atomic.Int64

func runChain(t *testing.T, in *instance.Instance, o instance.Options, n int, seed uint64) bool {
	return t.Run(fmt.Sprint(n), func(t *testing.T) {
		t.Logf("seed %d", seed)
		w := &chainWorld{t: t, r: rand.New(rand.NewPCG(seed, 0)), c: o.Clock.(*settable), s: logIn(t, in), db: fmt.Sprintf("c%d", n), rows: map[int]int{}, full: -1}
		w.sql("CREATE DATABASE " + w.db)
		w.sql("CREATE TABLE " + w.db + ".dbo.t(k int PRIMARY KEY, v int NOT NULL, pad varchar(4000))")
		w.work()
		w.take()
		for range 4 + w.r.IntN(12) {
			w.work()
			if w.r.IntN(3) == 0 {
				w.take()
			}
		}
		for range 3 {
			w.restore(w.plan(w.r.IntN(len(w.sets))), false)
		}
		if plans := w.stoppable(); len(plans) > 0 {
			w.restore(plans[w.r.IntN(len(plans))], true)
			stopped.Add(1)
		}
		w.sql("DROP DATABASE " + w.db + "; IF DB_ID('" + w.db + "_r') IS NOT NULL DROP DATABASE " + w.db + "_r")
	})
}
