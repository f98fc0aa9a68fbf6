package logreplay

import (
	"time"

	"linkspan/armtypes"
	"linkspan/bak"
	"linkspan/bak/chain"
	"linkspan/logreplay/flow"
)

// kinds are the service's words for types of backups.
var kinds = map[bak.Type]string{bak.Full: "Full", bak.Differential: "Differential", bak.Log: "Log"}

const mega = 1 << 20

// details tells how the job stands.
func (j *job) details() armtypes.RestoreProperties {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := armtypes.RestoreProperties{Type: "LRSRestore", FullBackupSets: []armtypes.ReplaySet{}, DifferentialBackupSets: []armtypes.ReplaySet{},
		LogBackupSets: []armtypes.ReplaySet{}, UnrestorableFiles: []armtypes.BadFile{}}
	j.status(&p)
	j.counts(&p)
	for _, r := range j.record.Restored {
		began, ended := r.Started, r.Finished
		set := armtypes.ReplaySet{Status: string(flow.Restored), FirstStripeName: r.Files[0], NumberOfStripes: len(r.Files), BackupSizeMB: float64(r.Bytes) / mega, RestoreFinished: &ended}
		if !began.IsZero() {
			set.RestoreStarted = &began
		}
		add(&p, r.Type, set)
		p.LastRestoredFileName, p.LastRestoredFileTime = r.Files[len(r.Files)-1], &ended
		p.CurrentRestoredSizeMB += float64(r.Bytes) / mega
	}
	p.CurrentRestorePlanMB = p.CurrentRestoredSizeMB
	if j.now != nil {
		p.CurrentBackupType, p.CurrentRestoringFile = kinds[j.now.Header.Type], j.now.Files()[0]
		set := j.waiting(&p, j.now, armtypes.ReplayRestoring)
		began := j.since
		set.RestoreStarted = &began
		add(&p, j.now.Header.Type, set)
	}
	if j.record.Ended.IsZero() {
		for _, s := range j.plan.Queue {
			if j.now == nil || s.Header.SetGUID != j.now.Header.SetGUID {
				add(&p, s.Header.Type, j.waiting(&p, s, string(flow.Queued)))
			}
		}
	}
	if p.PercentCompleted = 100; p.Status != armtypes.ReplayCompleted {
		p.PercentCompleted = percent(p.CurrentRestoredSizeMB, p.CurrentRestorePlanMB)
	}
	return p
}

func percent(done, all float64) int {
	if all <= 0 {
		return 0
	}
	return int(100 * done / all)
}

// waiting describes a set that is not restored yet.
func (j *job) waiting(p *armtypes.RestoreProperties, s *chain.Set, status string) armtypes.ReplaySet {
	size := float64(sizeOf(s, j.files)) / mega
	p.CurrentRestorePlanMB += size
	return armtypes.ReplaySet{Status: status, FirstStripeName: s.Files()[0], NumberOfStripes: s.Stripes, BackupSizeMB: size}
}

func add(p *armtypes.RestoreProperties, t bak.Type, s armtypes.ReplaySet) {
	switch t {
	case bak.Full:
		p.FullBackupSets = append(p.FullBackupSets, s)
	case bak.Differential:
		p.DifferentialBackupSets = append(p.DifferentialBackupSets, s)
	default:
		p.LogBackupSets = append(p.LogBackupSets, s)
	}
}

// status is the word for it, with the reason.
func (j *job) status(p *armtypes.RestoreProperties) {
	switch {
	case !j.record.Ended.IsZero():
		p.Status, p.BlockReason = j.record.Status, j.record.Fault
	case j.trouble != "":
		p.Status, p.BlockReason = armtypes.ReplayBlocked, j.trouble
	case j.now != nil || j.plan.Next != nil || j.plan.Recover:
		p.Status = armtypes.ReplayRestoring
	case j.plan.Block != "":
		p.Status, p.BlockReason = armtypes.ReplayBlocked, j.plan.Block
	default:
		p.Status = armtypes.ReplayWaiting
	}
}

// counts counts the files. Those that were restored and are gone count on.
func (j *job) counts(p *armtypes.RestoreProperties) {
	restoring := map[string]bool{}
	if j.now != nil {
		for _, f := range j.now.Files() {
			restoring[f] = true
		}
	}
	restored := map[string]bool{}
	for _, r := range j.record.Restored {
		for _, f := range r.Files {
			restored[f] = true
		}
	}
	p.NumberOfFilesRestored = len(restored)
	p.NumberOfFilesDetected = len(restored)
	for _, f := range j.plan.Files {
		if restored[f.Name] {
			continue
		}
		p.NumberOfFilesDetected++
		switch {
		case restoring[f.Name]:
			p.NumberOfFilesRestoring++
		case f.Fate == flow.Queued:
			p.NumberOfFilesQueued++
		case f.Fate == flow.Unrestorable:
			p.NumberOfFilesBad++
			p.UnrestorableFiles = append(p.UnrestorableFiles, armtypes.BadFile{Name: f.Name, Reason: f.Reason})
		default:
			p.NumberOfFilesSkipped++
		}
	}
	var last time.Time
	for _, f := range j.files {
		if at := f.modified; at.After(last) {
			last = at
			p.LastUploadedFileName, p.LastUploadedFileTime = f.Name, &at
		}
	}
}
