package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"linkspan/migrate/depot"
	"linkspan/migrate/flow"
	"linkspan/migrate/servers"
)

// Plan asks every side what would be done and what stands in the way; nothing is changed. The error is Problems when the
// spec itself is wrong.
func (s *Service) Plan(ctx context.Context, src SpecSource) (Plan, error) {
	spec, err := s.read(src)
	if err != nil {
		return Plan{}, err
	}
	p, err := s.open(spec, nil)
	if err != nil {
		return Plan{}, err
	}
	plan := p.plan(ctx)
	return plan, p.Close()
}

// planner collects what the sides say; they are asked at once.
type planner struct {
	p    *parts
	wg   sync.WaitGroup
	busy chan struct{} // bounds how many folders are read at once

	mu    sync.Mutex // protects what follows
	plan  Plan
	sizes map[string]servers.Database // of the source, by folded name
}

// foldersAtOnce is how many folders of a share are read at once.
const foldersAtOnce = 8

func (p *parts) plan(ctx context.Context) Plan {
	x := &planner{p: p, busy: make(chan struct{}, foldersAtOnce), sizes: map[string]servers.Database{}}
	x.plan = Plan{Activity: p.spec.Name, Source: p.spec.sourceShown(), Share: p.spec.Share.Path, Storage: p.spec.storageShown(), Target: p.spec.targetShown(),
		Settings: p.spec.settings(), Databases: make([]PlannedDatabase, len(p.spec.Databases))}
	for _, w := range p.spec.Warnings() {
		at, text, _ := strings.Cut(w, ": ")
		x.plan.Findings = append(x.plan.Findings, Finding{ID: "warning", At: at, Text: text})
	}
	for i, d := range p.spec.Databases {
		x.plan.Databases[i] = PlannedDatabase{Name: d.Name, TargetName: d.Target, Folder: d.Path}
		x.wg.Go(func() { x.backups(ctx, i, p.lanes[fold(d.Name)]) })
	}
	for _, ask := range []func(context.Context){x.askServers, x.askNames, x.askStorage, x.askLogins, x.askRest} {
		x.wg.Go(func() { ask(ctx) })
	}
	x.wg.Wait()
	for i := range x.plan.Databases {
		d := &x.plan.Databases[i]
		if known, ok := x.sizes[fold(d.Name)]; ok {
			d.SizeBytes, d.Recovery = known.SizeBytes, known.Recovery
		}
	}
	slices.SortStableFunc(x.plan.Findings, func(a, b Finding) int {
		return cmp.Or(boolOrder(b.Blocks)-boolOrder(a.Blocks), cmp.Compare(a.At, b.At), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Text, b.Text))
	})
	x.plan.Findings = slices.Compact(x.plan.Findings)
	return x.plan
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (x *planner) find(f ...Finding) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.plan.Findings = append(x.plan.Findings, f...)
}

// trouble notes an error of a side that was asked: what cannot be asked now cannot be migrated from or to.
func (x *planner) trouble(at string, err error) {
	var h *flow.Hindrance
	var halt *flow.Halt
	switch {
	case err == nil:
	case errors.As(err, &h):
		x.find(Finding{ID: "unreachable", At: string(h.At), Text: said(h.What, h.Err), Fix: h.Fix, Blocks: true})
	case errors.As(err, &halt):
		x.find(Finding{ID: "refused", At: at, Text: said(halt.What, halt.Err), Fix: halt.Fix, Blocks: true})
	default:
		x.find(Finding{ID: "error", At: at, Text: err.Error(), Blocks: true})
	}
}

func said(what string, err error) string {
	if err == nil {
		return what
	}
	return what + ": " + err.Error()
}

// askServers asks both servers, and what only both together can tell.
func (x *planner) askServers(ctx context.Context) {
	target, err := x.p.destination(ctx)
	if err != nil {
		x.trouble(string(flow.AtTarget), err) // the source is asked all the same
	}
	var pairs []servers.Pair
	for _, d := range x.p.spec.Databases {
		pairs = append(pairs, servers.Pair{Source: d.Name, Target: d.Target})
	}
	found, err := servers.Check(ctx, x.p.source, target, pairs)
	x.trouble("servers", err)
	for _, f := range found {
		x.find(Finding{ID: f.ID, At: cmp.Or(f.Database, "server"), Text: f.Text, Fix: f.Fix, Blocks: f.Blocks})
	}
	all, err := x.p.source.Databases(ctx)
	if err != nil {
		return // told of already
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, d := range all {
		x.sizes[fold(d.Name)] = d
	}
}

// askNames asks the management API which names are taken on the managed instance.
func (x *planner) askNames(ctx context.Context) {
	if _, err := x.p.targetInstance(ctx); err != nil {
		x.trouble(string(flow.AtTarget), err)
		return
	}
	there, err := x.p.arm.Databases(ctx, x.p.id)
	if err != nil {
		x.trouble(string(flow.AtTarget), err)
		return
	}
	taken := map[string]bool{}
	for _, d := range there {
		taken[fold(d.Name)] = true
	}
	for _, d := range x.p.spec.Databases {
		if taken[fold(d.Target)] {
			x.find(Finding{ID: "name-taken", At: d.Name, Text: fmt.Sprintf("the target has a database %s already", d.Target),
				Fix: "give the copy another name (databases[].targetName), or drop that one", Blocks: true})
		}
	}
}

func (x *planner) askStorage(ctx context.Context) {
	x.trouble(string(flow.AtStorage), x.p.depot.Probe(ctx))
	if x.p.spec.Storage.Container == "" {
		return
	}
	if wrong := depot.WrongReader(x.p.secrets.TargetSAS, x.p.clock.Now()); wrong != "" {
		x.find(Finding{ID: "target-signature", At: string(flow.AtStorage), Text: wrong, Fix: depot.RightReader, Blocks: true})
	}
}

func (x *planner) askLogins(ctx context.Context) {
	found, err := x.p.Logins(ctx)
	if err != nil {
		return // a side that cannot be asked has been told of
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, l := range found {
		action := "made on the target with its SID and password"
		if l.Skip != "" {
			action = "left: " + l.Skip
		}
		x.plan.Logins = append(x.plan.Logins, PlannedLogin{Name: l.Name, Windows: l.Windows, Action: action})
	}
}

func (x *planner) askRest(ctx context.Context) {
	rest, err := x.p.source.NotMoved(ctx)
	if err != nil {
		return // as above
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.plan.NotMoved = rest
}

// backups reads a database's folder, and lets the flow say what it makes of it: what would be chosen, what is missing.
func (x *planner) backups(ctx context.Context, i int, l *lane) {
	select {
	case x.busy <- struct{}{}:
		defer func() { <-x.busy }()
	case <-ctx.Done():
		return
	}
	if err := l.share.Probe(ctx, l.folder); err != nil {
		x.trouble(l.spec.Name, err)
		return
	}
	files, err := l.share.Scan(ctx, l.folder)
	if err != nil {
		x.trouble(l.spec.Name, err)
		return
	}
	m, err := rehearse(x.p.flowOptions(l.spec), x.p.own(l, files), x.p.clock.Now())
	if err != nil {
		x.trouble(l.spec.Name, err)
		return
	}
	x.judge(i, m)
}

// rehearse is a migration as it would stand once it has seen the files.
func rehearse(o flow.Options, files []flow.Seen, at time.Time) (*flow.Migration, error) {
	m := flow.New(o)
	for _, e := range []flow.Event{{Kind: flow.Start}, {Kind: flow.TargetChecked}, {Kind: flow.Scanned, Files: files}} {
		e.At = at
		if _, err := m.Step(e); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// judge puts what a rehearsal shows into the plan.
func (x *planner) judge(i int, m *flow.Migration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	d := &x.plan.Databases[i]
	needed := map[string]bool{}
	for _, id := range m.Chain {
		needed[id] = true
	}
	for _, f := range m.Files {
		if f.Set == "" || !needed[f.Set] {
			continue
		}
		d.Files++
		if len(m.Chain) > 0 && f.Set == m.Chain[0] && d.Full == "" {
			d.Full = f.Name
		}
	}
	d.Chain = chainText(m)
	for _, w := range m.Waits() {
		f := Finding{ID: w.ID, At: d.Name, Text: w.Text, Fix: w.Fix}
		if f.ID == "file" { // whose it is nobody knows: it is told once
			f.At = string(flow.AtShare)
		}
		x.plan.Findings = append(x.plan.Findings, f)
	}
}

// chainText says how far the backups reach.
func chainText(m *flow.Migration) string {
	if len(m.Chain) == 0 {
		return "no full backup yet: it is waited for"
	}
	for _, s := range m.Sets {
		if s.ID == m.Chain[len(m.Chain)-1] {
			text := fmt.Sprintf("up to LSN %s", s.Last.Decimal())
			if !s.Finished.IsZero() {
				text += ", taken " + s.Finished.Format(time.DateTime)
			}
			return text
		}
	}
	return ""
}

func (s Spec) sourceShown() string {
	shown := s.Source.Server
	if s.Source.Port != 0 {
		shown += "," + strconv.Itoa(s.Source.Port)
	}
	return shown
}

func (s Spec) storageShown() string { return cmp.Or(s.Storage.Container, s.Storage.Folder) }

func (s Spec) targetShown() string {
	_, name, _ := cutLast(s.Target.Instance, "/")
	if s.Target.Endpoint != "" {
		name += " at " + s.Target.Endpoint
	}
	return name
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

// settings are the settings in the spec's own words.
func (s Spec) settings() []Setting {
	c := s.Settings
	tail := "taken by BACKUP LOG … WITH NORECOVERY"
	if c.UserTail {
		tail = "put on the share by you"
	}
	cap := "none"
	if c.BandwidthMiB > 0 {
		cap = fmt.Sprintf("%d MiB/s", c.BandwidthMiB)
	}
	return []Setting{{"logins", c.Logins}, {"tail-log backup", tail}, {"longest pause", c.MaxPause.String()}, {"files at once", strconv.Itoa(c.Parallel)},
		{"block", fmt.Sprintf("%d MiB", c.BlockMiB)}, {"bandwidth cap", cap}, {"share read every", c.ScanEvery.String()},
		{"backups without CHECKSUM", map[bool]string{true: "accepted", false: "refused"}[c.AcceptNoChecksum]}}
}
