package daemon

import (
	"context"
	"slices"
	"strings"

	"linkspan/arm"
	"linkspan/backup/device"
	"linkspan/instance"
	"linkspan/logreplay"
	"linkspan/media"
)

// replayTarget shows an instance as log replays ask for it.
type replayTarget struct{ in *instance.Instance }

// Standing implements logreplay.Target.
func (t replayTarget) Standing(database string) (logreplay.Standing, error) {
	r, err := t.in.Restored(database)
	return logreplay.Standing{Exists: r.Exists, Waiting: r.Waiting, End: r.End, Base: r.Base, Fork: r.Fork}, err
}

// Restore implements logreplay.Target.
func (t replayTarget) Restore(ctx context.Context, database string, stripes []device.Opened, position int) error {
	return t.in.RestoreSet(ctx, instance.SetOrder{Database: database, Stripes: stripes, Position: position})
}

// Recover implements logreplay.Target.
func (t replayTarget) Recover(ctx context.Context, database string) error {
	return t.in.RecoverRestored(ctx, database)
}

// Drop implements logreplay.Target.
func (t replayTarget) Drop(ctx context.Context, database string) error {
	return t.in.DropRestoring(ctx, database)
}

// Folder implements logreplay.Target.
func (t replayTarget) Folder(path string) (media.Source, error) { return t.in.BackupFolder(path) }

// Keep implements logreplay.Target.
func (t replayTarget) Keep(ctx context.Context, database string, doc []byte) error {
	return t.in.KeepReplay(ctx, database, doc)
}

// Forget implements logreplay.Target.
func (t replayTarget) Forget(ctx context.Context, database string) error {
	return t.in.ForgetReplay(ctx, database)
}

// Kept implements logreplay.Target.
func (t replayTarget) Kept(ctx context.Context) ([][]byte, error) { return t.in.Replays(ctx) }

// withReplays adds the databases of which log replays have not restored the first backup yet, and the tags of all that log
// replays made.
func withReplays(all []arm.Database, m *logreplay.Manager) []arm.Database {
	if m == nil {
		return all
	}
	for _, name := range m.Restoring() {
		if !slices.ContainsFunc(all, func(d arm.Database) bool { return strings.EqualFold(d.Name, name) }) {
			all = append(all, arm.Database{Name: name, Status: "Restoring"})
		}
	}
	for i := range all {
		all[i].Tags = m.Tags(all[i].Name)
	}
	return all
}
