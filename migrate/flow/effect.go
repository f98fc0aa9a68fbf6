package flow

import (
	"fmt"
	"slices"
)

// EffectKind says what is to be done.
type EffectKind string

// The effects. Each looks first whether it is done already.
const (
	// CheckTarget asks the target for a database of the name → TargetChecked.
	CheckTarget EffectKind = "CheckTarget"
	// Scan lists the source and reads headers → Scanned. It repeats.
	Scan EffectKind = "Scan"
	// CopyBlock copies Length bytes at Offset of File in Version → BlockStored.
	CopyBlock EffectKind = "CopyBlock"
	// SealFile makes the blocks one file, and compares its checksum → FileSealed.
	SealFile EffectKind = "SealFile"
	// StartRestore has the target restore what comes to storage, unless a restore of ours runs there; FollowRestore looks how
	// far it is → RestoreSeen, TargetGone. The latter repeats.
	StartRestore  EffectKind = "StartRestore"
	FollowRestore EffectKind = "FollowRestore"
	// CompareLogins → LoginsCompared. It repeats.
	CompareLogins EffectKind = "CompareLogins"
	// TakeTail backs the tail of the log up WITH NORECOVERY, or finds the backup it took → TailTaken.
	TakeTail EffectKind = "TakeTail"
	// ReopenSource recovers the source's database if it is restoring → SourceBack.
	ReopenSource EffectKind = "ReopenSource"
	// CompleteRestore recovers the target behind File → RestoreSeen with Opened. It may be asked for twice.
	CompleteRestore EffectKind = "CompleteRestore"
	// MapUsers → UsersMapped, Compare → Compared, WriteReport → ReportWritten.
	MapUsers    EffectKind = "MapUsers"
	Compare     EffectKind = "Compare"
	WriteReport EffectKind = "WriteReport"
	// DropTarget deletes the database on the target if it is the restoring one that we made → TargetGone.
	DropTarget EffectKind = "DropTarget"
)

// Effect is one thing to do.
type Effect struct {
	Kind EffectKind
	// Key is the same for the same effect, whoever asks and how often: what was stored with it is not done again.
	Key string
	// Repeats: it is done again and again while it is outstanding.
	Repeats bool
	File    string
	Version string
	// Offset and Length are bytes of File.
	Offset, Length int64
	Attempt        int
}

// String is the effect for people.
func (e Effect) String() string {
	if e.Kind == CopyBlock {
		return fmt.Sprintf("%s %s [%d, %d)", e.Kind, e.File, e.Offset, e.Offset+e.Length)
	}
	if e.File != "" {
		return fmt.Sprintf("%s %s", e.Kind, e.File)
	}
	return string(e.Kind)
}

// Outstanding lists what has to be done now. It is a function of what is stored, so that it is the same after a crash.
func (m *Migration) Outstanding() []Effect {
	var out []Effect
	for _, d := range duties {
		if !slices.Contains(d.In, m.State) || d.While != nil && d.While.lacks(m, Event{}) != "" {
			continue
		}
		out = append(out, d.effects(m)...)
	}
	return out
}

// simple is an effect that is due once per attempt.
func simple(k EffectKind) func(*Migration) []Effect {
	return func(m *Migration) []Effect {
		return []Effect{{Kind: k, Key: fmt.Sprintf("%s/%d", k, m.Attempt), Attempt: m.Attempt}}
	}
}

// repeating is an effect that is done again and again.
func repeating(k EffectKind) func(*Migration) []Effect {
	return func(m *Migration) []Effect {
		return []Effect{{Kind: k, Key: fmt.Sprintf("%s/%d", k, m.Attempt), Repeats: true, Attempt: m.Attempt}}
	}
}

// perCutover is an effect that is due once per cutover.
func perCutover(k EffectKind) func(*Migration) []Effect {
	return func(m *Migration) []Effect {
		return []Effect{{Kind: k, Key: fmt.Sprintf("%s/%d", k, m.Cutover.Number), Attempt: m.Attempt}}
	}
}

// copies are the next blocks of the files that the chain needs first.
func copies(m *Migration) []Effect {
	var out []Effect
	for _, id := range m.Chain {
		for _, i := range m.index().files[id] {
			f := &m.Files[i]
			if f.State != FileQueued && f.State != FileUploading {
				continue
			}
			if len(out) == m.Options.Parallel {
				return out
			}
			if f.Done >= f.Size {
				out = append(out, Effect{Kind: SealFile, Key: fmt.Sprintf("%s/%s/%s", SealFile, f.Name, f.Version), File: f.Name, Version: f.Version})
				continue
			}
			out = append(out, m.Block(*f, f.Done))
		}
	}
	return out
}

// Block is the copy of the block of f at an offset below f.Size. Those behind the one that is outstanding may be carried
// out before it; what is reported as stored is what is stored without a hole.
func (m *Migration) Block(f File, offset int64) Effect {
	return Effect{Kind: CopyBlock, Key: fmt.Sprintf("%s/%s/%s/%d", CopyBlock, f.Name, f.Version, offset), File: f.Name, Version: f.Version,
		Offset: offset, Length: min(m.blockOf(f), f.Size-offset)}
}

// maxBlocks is how many blocks a file is copied in at most: storages have a limit, 50,000 for a blob.
const maxBlocks = 40_000

// blockOf is the size of the blocks of a file, which depends on the file's size alone: whole MiB where Options.Block is too
// small.
func (m *Migration) blockOf(f File) int64 {
	const mib = 1 << 20
	if f.Size/maxBlocks < m.Options.Block {
		return m.Options.Block
	}
	return (f.Size/maxBlocks/mib + 1) * mib
}

// Named is the file that an effect names, with its set; zero when it names none.
func (m *Migration) Named(e Effect) (File, Set) {
	f := m.file(e.File, e.Version)
	if f == nil {
		return File{}, Set{}
	}
	if s := m.set(f.Set); s != nil {
		return *f, *s
	}
	return *f, Set{}
}

func complete(m *Migration) []Effect {
	out := perCutover(CompleteRestore)(m)
	if s := m.end(); s != nil {
		for _, f := range slices.Backward(m.parts(s)) {
			if f != nil {
				out[0].File, out[0].Version = f.Name, f.Version // the first stripe in the end
			}
		}
	}
	return out
}
