package instance

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"linkspan/bak"
	"linkspan/rel"
	"linkspan/sqlapi"
	"linkspan/sqltype"
)

// kindRestore is the kind of restoreRow documents: the history that msdb.dbo.restorehistory shows.
const kindRestore = "restorehistory"

// restoreRow is one row of the restore history.
type restoreRow struct {
	ID       int       `json:"id"`
	Database string    `json:"database"`
	At       time.Time `json:"at"`
	User     string    `json:"user"`
	Set      [16]byte  `json:"set"`
	Type     string    `json:"type"` // D, I, L; V for VERIFYONLY is not kept
	Replace  bool      `json:"replace,omitempty"`
	Recovery bool      `json:"recovery,omitempty"`
	StopAt   time.Time `json:"stopAt,omitzero"`
}

// recordRestore adds a row to the history.
func (in *Instance) recordRestore(ctx context.Context, t *restoring) error {
	r := restoreRow{Database: t.r.database, At: in.opts.Clock.Now().UTC(), Set: t.header.SetGUID, Type: string(rune(t.header.Type)),
		Replace: t.r.replace, Recovery: !t.r.norecovery && t.r.standby == "", StopAt: t.r.stopAt}
	if t.caller.Login != nil {
		r.User = t.caller.Login.User
	}
	in.ddl.Lock()
	defer in.ddl.Unlock()
	old, err := in.restoreHistory(ctx)
	if err != nil {
		return err
	}
	if n := len(old); n > 0 {
		r.ID = old[n-1].ID
	}
	r.ID++
	if len(old) >= keptBackupSets {
		if err := in.docs.Delete(ctx, kindRestore, fmt.Sprint(old[0].ID)); err != nil {
			return err
		}
	}
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return in.docs.Put(context.WithoutCancel(ctx), kindRestore, fmt.Sprint(r.ID), b)
}

// restoreHistory reads the history, oldest first.
func (in *Instance) restoreHistory(ctx context.Context) ([]restoreRow, error) {
	docs, err := in.docs.Load(ctx, kindRestore)
	if err != nil {
		return nil, fmt.Errorf("load restore history: %w", err)
	}
	var all []restoreRow
	for name, b := range docs {
		var r restoreRow
		if err := json.Unmarshal(b, &r); err != nil {
			return nil, fmt.Errorf("read restore history %s: %w", name, err)
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b restoreRow) int { return a.ID - b.ID })
	return all, nil
}

// restoreHistoryView is msdb.dbo.restorehistory.
func (in *Instance) restoreHistoryView() rel.View {
	char := sqltype.Type{Kind: sqltype.Char, Len: 1}
	v := rel.View{Schema: "dbo", Name: "restorehistory"}
	v.Columns = []sqlapi.Column{key("restore_history_id", tInt), col("restore_date", tDateTime), col("destination_database_name", tSysname),
		col("user_name", tSysname), key("backup_set_id", tInt), col("restore_type", char), col("replace", tBit), col("recovery", tBit),
		col("restart", tBit), col("stop_at", tDateTime), col("device_count", tTinyInt), col("stop_at_mark_name", tSysname), col("stop_before", tBit)}
	v.Rows = rows(func(ctx context.Context, _ rel.Scope) ([][]sqltype.Value, error) {
		sets, err := in.backupHistory(ctx)
		if err != nil {
			return nil, err
		}
		history, err := in.restoreHistory(ctx)
		var all [][]sqltype.Value
		for _, r := range history {
			all = append(all, []sqltype.Value{vInt(r.ID), vTime(r.At), vText(r.Database), vText(r.User), vInt(setNumber(sets, r.Set)),
				sqltype.StringOf(sqltype.Char, r.Type), vBit(r.Replace), vBit(r.Recovery), vBit(false), vTime(r.StopAt), vNull(tTinyInt), vNull(tSysname), vNull(tBit)})
		}
		return all, err
	})
	return v
}

// setNumber is the backup_set_id of a set taken here, 0 of one from elsewhere.
func setNumber(sets []backupDoc, id bak.GUID) int {
	for _, s := range sets {
		if s.Set != nil && s.Set.ID == id {
			return s.ID
		}
	}
	return 0
}
