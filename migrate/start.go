package migrate

import (
	"context"
	"errors"
	"slices"
	"strings"

	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// Start plans, records the activity and has its databases begin; who works on it is Engage's matter. The same spec again
// is success, and starts what was not. The error is Problems, *BlockedError or *DifferentError.
func (s *Service) Start(ctx context.Context, src SpecSource, who Who) (activity string, err error) {
	spec, err := s.read(src)
	if err != nil {
		return "", err
	}
	known, err := s.ledger.Activity(ctx, spec.Name)
	var unknown *ledger.Unknown
	switch {
	case errors.As(err, &unknown):
		if err := s.record(ctx, spec, src, who); err != nil {
			return "", err
		}
	case err != nil:
		return "", err
	default:
		if lines := differ(string(known.Spec), string(src.Text)); len(lines) > 0 {
			return "", &DifferentError{spec.Name, lines}
		}
	}
	for _, d := range spec.Databases {
		err := s.ledger.Ask(ctx, spec.Name, d.Name, flow.Event{Kind: flow.Start}, who.String())
		var refusal *flow.Refusal
		if err != nil && !errors.As(err, &refusal) { // one that is started already has nothing to start
			return "", err
		}
	}
	return spec.Name, nil
}

// record plans, and writes the activity down when nothing stands in the way.
func (s *Service) record(ctx context.Context, spec Spec, src SpecSource, who Who) error {
	p, err := s.open(spec, nil)
	if err != nil {
		return err
	}
	plan := p.plan(ctx)
	if err := p.Close(); err != nil {
		s.o.Log.Warn("the connections of a plan did not close", "err", err)
	}
	if plan.Blocked() {
		return &BlockedError{plan}
	}
	dbs := make([]ledger.Planned, len(spec.Databases))
	for i, d := range spec.Databases {
		dbs[i] = ledger.Planned{Target: d.Target, Options: p.flowOptions(d)}
	}
	return s.ledger.Create(ctx, ledger.Activity{Name: spec.Name, Spec: src.Text, Base: src.Base,
		Source: plan.Source, Share: plan.Share, Storage: plan.Storage, Target: plan.Target}, dbs, who.String())
}

func (p *parts) flowOptions(d DatabaseSpec) flow.Options {
	c := p.spec.Settings
	return flow.Options{Database: d.Name, Block: int64(c.BlockMiB) << 20, Parallel: c.Parallel, ScanEvery: c.ScanEvery, AcceptNoChecksum: c.AcceptNoChecksum}
}

// String is how the audit names somebody.
func (w Who) String() string {
	if w.From == "" {
		return w.Name
	}
	return w.Name + " from " + w.From
}

// differ lists the lines in which two texts differ, without those that are there in both. None when they are the same but
// for white space at the ends of lines.
func differ(stored, given string) []string {
	a, b := specLines(stored), specLines(given)
	if slices.Equal(a, b) {
		return nil
	}
	var out []string
	for _, x := range []struct {
		mark      string
		of, other []string
	}{{"- ", a, b}, {"+ ", b, a}} {
		for _, line := range x.of {
			if !slices.Contains(x.other, line) {
				out = append(out, x.mark+line)
			}
		}
	}
	if len(out) == 0 {
		out = []string{"the same lines stand in another order"}
	}
	return out
}

func specLines(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, " \t\r\n"); line != "" {
			out = append(out, line)
		}
	}
	return out
}
