package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"linkspan/hadr/agsim"
)

// simulateChunk is how many worlds one worker takes at a time.
const simulateChunk = 20

func newSimulateCommand() *cobra.Command {
	var seed uint64
	var minutes int
	var asJSON bool
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Drive the failover logic through simulated faults, from a seed, and check what must always hold",
		Long: `Drive the state machines of a link's two sides through simulated networks, disks, clocks, crashes, administrators and
failovers, and check: nothing acknowledged is lost by a planned failover or a crash; a forced one loses what it states and
no more; never are two sides writable in one epoch; digests are equal at equal LSNs; the link is healthy again once faults
stop. A seed always gives the same run. The exit code is 1 when something did not hold; the command that repeats it is
printed. It touches no file and no network.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if minutes < 1 {
				return usageError(fmt.Errorf("--minutes is %d: one or more are wanted", minutes))
			}
			if !c.Flags().Changed("seed") {
				seed = rand.Uint64N(1 << 48)
			}
			r := simulate(seed, minutes, func() bool { return c.Context().Err() != nil })
			if err := c.Context().Err(); err != nil {
				return err
			}
			return printSimulation(c.OutOrStdout(), r, asJSON)
		},
	}
	c.Flags().Uint64Var(&seed, "seed", 0, "first `seed`; without it one is drawn, and printed")
	c.Flags().IntVar(&minutes, "minutes", 1000, "simulated `minutes`, in worlds of ten")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return c
}

// simulate shares the worlds out to as many workers as there are processors; the result does not depend on how many.
func simulate(seed uint64, minutes int, stop func() bool) *agsim.Report {
	worlds := (minutes + agsim.WorldMinutes - 1) / agsim.WorldMinutes
	parts := make([]*agsim.Report, (worlds+simulateChunk-1)/simulateChunk)
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(len(parts), runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := range next {
				n := min(simulateChunk, worlds-i*simulateChunk)
				parts[i] = agsim.Run(agsim.Options{Seed: seed + uint64(i*simulateChunk), Minutes: n * agsim.WorldMinutes, Stop: stop})
			}
		})
	}
	for i := range parts {
		next <- i
	}
	close(next)
	workers.Wait()
	r := parts[0]
	for _, p := range parts[1:] {
		r.Merge(p)
	}
	return r
}

func printSimulation(w io.Writer, r *agsim.Report, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		if err := e.Encode(r); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	} else if err := printSimulationText(w, r); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if r.Violations == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d worlds broke what must hold; repeat the first with: %s", len(r.Failures), r.Worlds, r.Failures[0].Repeat())
}

func printSimulationText(w io.Writer, r *agsim.Report) error {
	for _, f := range r.Failures {
		for _, l := range f.Trace {
			fmt.Fprintln(w, l)
		}
		for _, t := range f.Texts {
			fmt.Fprintf(w, "seed %d: %s\n", f.Seed, t)
		}
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintf(t, "seed\t%d\nminutes\t%d\nevents\t%d\nviolations\t%d\n", r.Seed, r.Minutes, r.Events, r.Violations)
	for _, part := range []struct {
		title  string
		counts map[string]int64
	}{{"faults", r.Faults}, {"crashes at steps", r.Steps}, {"did", r.Did}} {
		fmt.Fprintf(t, "\n%s\n", part.title)
		for _, k := range slices.SortedFunc(maps.Keys(part.counts), cmp.Compare[string]) {
			fmt.Fprintf(t, "  %s\t%d\n", k, part.counts[k])
		}
	}
	return t.Flush()
}
