package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"linkspan/migrate/depot"
	"linkspan/migrate/engine"
	"linkspan/migrate/flow"
	"linkspan/migrate/servers"
	"linkspan/migrate/share"
)

// deed carries one kind of effect out.
type deed func(p *parts, ctx context.Context, l *lane, o engine.Order) ([]flow.Event, error)

// deeds has one for each kind of effect; a test takes the kinds from the table.
var deeds = map[flow.EffectKind]deed{
	flow.CheckTarget: (*parts).checkTarget, flow.Scan: (*parts).scan, flow.CopyBlock: (*parts).copyBlock, flow.SealFile: (*parts).sealFile,
	flow.StartRestore: (*parts).startRestore, flow.FollowRestore: (*parts).followRestore, flow.CompareLogins: (*parts).compareLogins,
	flow.TakeTail: (*parts).takeTail, flow.ReopenSource: (*parts).reopenSource, flow.CompleteRestore: (*parts).completeRestore,
	flow.MapUsers: (*parts).mapUsers, flow.Compare: (*parts).compareSides, flow.WriteReport: (*parts).writeReport, flow.DropTarget: (*parts).dropTarget,
}

// Do implements engine.Works.
func (p *parts) Do(ctx context.Context, o engine.Order) ([]flow.Event, error) {
	l, do := p.lanes[fold(o.Database)], deeds[o.Effect.Kind]
	if l == nil || do == nil {
		return nil, &flow.Halt{What: fmt.Sprintf("nobody can do %s for %s", o.Effect, o.Database), Fix: "the ledger is of another version of this program: use that one"}
	}
	return do(p, ctx, l, o)
}

func one(e flow.Event, o engine.Order) []flow.Event {
	e.Attempt = o.Effect.Attempt
	return []flow.Event{e}
}

func (p *parts) checkTarget(ctx context.Context, l *lane, o engine.Order) ([]flow.Event, error) {
	t, err := p.replays(ctx, l)
	if err != nil {
		return nil, err
	}
	taken, text, err := t.Check(ctx)
	if err != nil {
		return nil, err
	}
	return one(flow.Event{Kind: flow.TargetChecked, Taken: taken, Text: text}, o), nil
}

func (p *parts) scan(ctx context.Context, l *lane, o engine.Order) ([]flow.Event, error) {
	files, err := l.share.Scan(ctx, l.folder)
	if err != nil {
		return nil, err
	}
	return one(flow.Event{Kind: flow.Scanned, Files: p.own(l, files)}, o), nil
}

// own leaves out what is of other databases of the activity alone: of hundreds in one folder, each would note the files of
// all.
func (p *parts) own(l *lane, files []flow.Seen) []flow.Seen {
	return slices.DeleteFunc(slices.Clone(files), func(f flow.Seen) bool {
		if len(f.Sets) == 0 {
			return false
		}
		return !slices.ContainsFunc(f.Sets, func(s flow.Set) bool {
			other := p.lanes[fold(s.Database)]
			return other == nil || other == l
		})
	})
}

func (p *parts) copyBlock(ctx context.Context, l *lane, o engine.Order) ([]flow.Event, error) {
	e := o.Effect
	if err := p.bring(ctx, l, o, e.Offset, e.Length); err != nil {
		return nil, err
	}
	return one(flow.Event{Kind: flow.BlockStored, File: e.File, Version: e.Version, Done: e.Offset + e.Length}, o), nil
}

// bring copies a stretch of a file of the share to storage.
func (p *parts) bring(ctx context.Context, l *lane, o engine.Order, offset, length int64) (err error) {
	f, err := l.share.Open(ctx, o.Effect.File, o.Effect.Version)
	if err != nil {
		return changed(o, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buffer, _ := p.blocks.Get().(*[]byte)
	if buffer == nil || int64(cap(*buffer)) < length {
		b := make([]byte, length)
		buffer = &b
	}
	block := (*buffer)[:length]
	if n, err := f.ReadAt(block, offset); int64(n) < length {
		if errors.Is(err, share.ErrChanged) {
			return changed(o, err)
		}
		return &flow.Hindrance{At: flow.AtShare, What: "reading " + o.Effect.File + " stopped", Err: err, Fix: "check the file server and the network; it goes on by itself"}
	}
	err = p.depot.Put(ctx, l.spec.Name, depot.Name(o.Set, o.File), offset, block)
	if err == nil { // a request that was cut short may still read from it
		p.blocks.Put(buffer)
	}
	return err
}

// changed says of a file that is another one now what becomes of it: the next look at the share tells more.
func changed(o engine.Order, err error) error {
	if !errors.Is(err, share.ErrChanged) {
		return err
	}
	return &flow.Hindrance{At: flow.AtShare, What: "copying " + o.Effect.File + " stopped", Err: err, Fix: "nothing has to be done: the share is looked at again"}
}

// sealFile makes the file whole. What storage has lost meanwhile is brought again.
func (p *parts) sealFile(ctx context.Context, l *lane, o engine.Order) ([]flow.Event, error) {
	e := o.Effect
	for {
		err := p.depot.Seal(ctx, l.spec.Name, depot.Name(o.Set, o.File), o.File.Size)
		var lacks *depot.Incomplete
		if !errors.As(err, &lacks) {
			if err != nil {
				return nil, err
			}
			return one(flow.Event{Kind: flow.FileSealed, File: e.File, Version: e.Version}, o), nil
		}
		if err := p.bring(ctx, l, o, lacks.Offset, min(lacks.Until-lacks.Offset, o.Migration.Options.Block)); err != nil {
			return nil, err
		}
	}
}

func (p *parts) startRestore(ctx context.Context, l *lane, o engine.Order) ([]flow.Event, error) {
	t, err := p.replays(ctx, l)
	if err != nil {
		return nil, err
	}
	return nil, t.Start(ctx)
}

func (p *parts) followRestore(ctx context.Context, l *lane, o engine.Order) ([]flow.Event, error) {
	t, err := p.replays(ctx, l)
	if err != nil {
		return nil, err
	}
	r, gone, err := t.Follow(ctx)
	if err != nil {
		if r.Opened || len(r.Restored) > 0 { // what is done counts, whatever hinders the rest
			return one(flow.Event{Kind: flow.RestoreSeen, Restore: r}, o), err
		}
		return nil, err
	}
	if gone {
		return one(flow.Event{Kind: flow.TargetGone, Text: "the restoring database was deleted on the target"}, o), nil
	}
	return one(flow.Event{Kind: flow.RestoreSeen, Restore: r}, o), nil
}

func (p *parts) compareLogins(ctx context.Context, l *lane, o engine.Order) ([]flow.Event, error) {
	missing, err := p.logins.Missing(ctx, l.spec.Name)
	if err != nil {
		return nil, err
	}
	return one(flow.Event{Kind: flow.LoginsCompared, Missing: missing}, o), nil
}

func (p *parts) takeTail(ctx context.Context, l *lane, o engine.Order) ([]flow.Event, error) {
	number := o.Migration.Cutover.Number
	id, err := p.source.TakeTail(ctx, servers.Tail{Database: l.spec.Name, File: p.tailFile(l, number), Number: number, Activity: p.spec.Name})
	if err != nil {
		return nil, err
	}
	return one(flow.Event{Kind: flow.TailTaken, Set: id}, o), nil
}

func (p *parts) reopenSource(ctx context.Context, l *lane, o engine.Order) ([]flow.Event, error) {
	if err := p.source.Reopen(ctx, l.spec.Name); err != nil {
		return nil, err
	}
	return one(flow.Event{Kind: flow.SourceBack}, o), nil
}

func (p *parts) completeRestore(ctx context.Context, l *lane, o engine.Order) ([]flow.Event, error) {
	t, err := p.replays(ctx, l)
	if err != nil {
		return nil, err
	}
	stored, ok := storedName(o.Migration, o.Effect.File)
	if !ok {
		return nil, &flow.Hindrance{At: flow.AtTarget, What: "the last file " + o.Effect.File + " is not in storage", Fix: "put it back on the share"}
	}
	if err := t.Complete(ctx, stored); err != nil {
		return nil, err
	}
	return p.followRestore(ctx, l, o)
}

// storedName is the name in storage of the restored file of that name.
func storedName(m *flow.Migration, name string) (string, bool) {
	for i := len(m.Files) - 1; i >= 0; i-- {
		f := m.Files[i]
		if f.Name != name || f.Set == "" || f.State != flow.FileRestored && f.State != flow.FileUploaded && f.State != flow.FileRestoring {
			continue
		}
		for _, s := range m.Sets {
			if s.ID == f.Set {
				return depot.Name(s, f), true
			}
		}
	}
	return "", false
}

func (p *parts) mapUsers(ctx context.Context, l *lane, o engine.Order) ([]flow.Event, error) {
	orphans, err := p.logins.MapUsers(ctx, l.spec.Name)
	if err != nil {
		return nil, err
	}
	return one(flow.Event{Kind: flow.UsersMapped, Missing: orphans}, o), nil
}

func (p *parts) dropTarget(ctx context.Context, l *lane, o engine.Order) ([]flow.Event, error) {
	t, err := p.replays(ctx, l)
	if err != nil {
		return nil, err
	}
	if err := t.Drop(ctx); err != nil {
		return nil, err
	}
	return one(flow.Event{Kind: flow.TargetGone}, o), nil
}
