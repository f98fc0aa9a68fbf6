package replay

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"linkspan/armtypes"
	"linkspan/migrate/depot"
	"linkspan/migrate/flow"
)

// Follow tells how far the restore is. gone: the database that was being restored is no more, or another has taken its name.
// The last LSN is not told by the Log Replay Service. When a completed restore's details have expired, what was seen last
// counts as restored; after a restart that may be nothing, and Opened alone says something.
func (t *Target) Follow(ctx context.Context) (r flow.Restore, gone bool, err error) {
	s, err := t.look(ctx)
	switch {
	case err != nil:
		return flow.Restore{}, false, err
	case s.owner == nobodys || s.owner == others:
		return flow.Restore{}, true, nil
	case s.details == nil && s.open:
		r = t.remembered()
		r.Opened = true
		return r, false, nil
	case s.details == nil:
		return flow.Restore{}, false, hinder(ctx, fmt.Sprintf("%s does not tell how the restore of %q stands", t.o.Instance.Name, t.o.Database), "it is asked again", nil)
	}
	r = restoreOf(s.details)
	if strings.EqualFold(s.details.Status, armtypes.ReplayFailed) {
		return r, false, &flow.Halt{What: fmt.Sprintf("the log replay of %q on %s has failed: %s", t.o.Database, t.o.Instance.Name, s.details.BlockReason),
			Fix: "delete the restoring database there (" + t.stopCommand() + ") and retry: what is in storage is restored again"}
	}
	t.remember(r)
	if strings.EqualFold(s.details.Status, armtypes.ReplayBlocked) && says(s.details.BlockReason, unread...) {
		return r, false, t.renew(ctx, s.details.BlockReason)
	}
	if held(s.details) && r.Unusable == "" {
		return r, false, hinder(ctx, fmt.Sprintf("%s cannot restore %q now: %s", t.o.Instance.Name, t.o.Database, s.details.BlockReason),
			"mend there what it names, as room on its disk; it goes on by itself", nil)
	}
	return r, false, nil
}

// held reports whether the target is blocked with files that it could restore: what is missing the chain tells.
func held(d *armtypes.RestoreProperties) bool {
	return strings.EqualFold(d.Status, armtypes.ReplayBlocked) && d.BlockReason != "" && d.NumberOfFilesQueued+d.NumberOfFilesRestoring > 0
}

// unread are words of a target that cannot read the storage.
var unread = append([]string{"signature", "AuthorizationFailure", "AuthenticationFailed", "permission denied", "the storage service answers"}, unreached...)

// renew hands the target the signature that there is now: the one that it has may have expired. What is wrong with ours, or
// why the target does not take it, is told; a target that took it is told of as long as it says that it cannot read.
func (t *Target) renew(ctx context.Context, reason string) error {
	if err := t.checkSource(ctx); err != nil {
		return err
	}
	location, err := t.location(ctx)
	if err != nil {
		return err
	}
	op, err := t.o.Client.BeginReplay(ctx, t.o.Instance, location, t.request())
	if err == nil {
		_, err = t.await(ctx, op, func() bool { return true })
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return hinder(ctx, fmt.Sprintf("%s cannot read the storage: %s", t.o.Instance.Name, reason), "let the instance's network reach the storage account; if the signature expired, "+depot.RightReader, err)
}

// restoreOf reads restore details.
func restoreOf(d *armtypes.RestoreProperties) flow.Restore {
	r := flow.Restore{Opened: strings.EqualFold(d.Status, armtypes.ReplayCompleted)}
	waiting := map[string]bool{}
	add := func(name string) {
		if id := depot.SetOf(name); id != "" && !slices.Contains(r.Restored, id) {
			r.Restored = append(r.Restored, id)
		}
	}
	for _, list := range [][]armtypes.ReplaySet{d.FullBackupSets, d.DifferentialBackupSets, d.LogBackupSets} {
		for _, s := range list {
			switch strings.ToLower(s.Status) {
			case "restored", "completed":
				add(s.FirstStripeName)
			case "restoring":
				r.Restoring = depot.SetOf(s.FirstStripeName)
				waiting[r.Restoring] = true
			default:
				waiting[depot.SetOf(s.FirstStripeName)] = true
			}
		}
	}
	add(d.LastRestoredFileName)
	if r.Restoring == "" {
		r.Restoring = depot.SetOf(d.CurrentRestoringFile)
	}
	if slices.Contains(r.Restored, r.Restoring) {
		r.Restoring = ""
	}
	for _, f := range d.UnrestorableFiles {
		id := depot.SetOf(f.Name)
		if id == "" || waiting[id] || slices.Contains(r.Restored, id) {
			continue // another version of it is good
		}
		r.Unusable, r.Why = id, f.Reason
		if r.Why == "" {
			r.Why = d.BlockReason
		}
		if r.Why == "" {
			r.Why = "the target cannot restore it and gives no reason"
		}
		break
	}
	return r
}

func (t *Target) remember(r flow.Restore) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = r
}

func (t *Target) remembered() flow.Restore {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.last
	r.Restored = slices.Clone(r.Restored)
	return r
}
