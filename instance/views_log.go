package instance

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"linkspan/rel"
	"linkspan/sqltype"
	"linkspan/storage"
)

var (
	tFloat  = sqltype.Type{Kind: sqltype.Float}
	tReal   = sqltype.Type{Kind: sqltype.Real}
	tLSNHex = nvarchar(24)
)

func vFloat(f float64) sqltype.Value { return sqltype.FloatOf(sqltype.Float, f) }

// eachOpen gives a view a row for each database that is open.
func (in *Instance) eachOpen(row func(d *Database, db *storage.DB) []sqltype.Value) [][]sqltype.Value {
	var all [][]sqltype.Value
	for _, d := range in.list() {
		if db := d.opened(); db != nil {
			all = append(all, row(d, db))
		}
	}
	return all
}

// logSpaceUsage is sys.dm_db_log_space_usage, of the current database.
func (in *Instance) logSpaceUsage() rel.View {
	v := rel.View{Schema: "sys", Name: "dm_db_log_space_usage"}
	v.Columns = append(v.Columns, key("database_id", tSmallInt), key("total_log_size_in_bytes", tBigInt), key("used_log_space_in_bytes", tBigInt),
		key("used_log_space_in_percent", tReal), key("log_space_in_bytes_since_last_backup", tBigInt))
	v.Rows = rows(func(_ context.Context, s rel.Scope) ([][]sqltype.Value, error) {
		d := in.byID(s.DatabaseID)
		if d == nil || d.opened() == nil {
			return nil, nil
		}
		st := d.opened().Stats()
		return [][]sqltype.Value{{sqltype.IntOf(sqltype.SmallInt, int64(d.ID())), vBig(st.LogSize), vBig(st.LogBytes),
			sqltype.FloatOf(sqltype.Real, percent(st.LogBytes, st.LogSize)), vBig(d.sinceLogBackup())}}, nil
	})
	return v
}

func percent(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

// sinceLogBackup is about how many bytes of log were not backed up: the segments that have some of it.
func (d *Database) sinceLogBackup() (n int64) {
	db := d.opened()
	if db == nil {
		return 0
	}
	segs, at := db.LogSegments(), d.lastLogBackup()
	for i, s := range segs {
		if i == len(segs)-1 || at.Less(segs[i+1].Previous) {
			n += s.Used
		}
	}
	return n
}

// logInfo is sys.dm_db_log_info: a row for each virtual log file, which is a file of its own here.
func (in *Instance) logInfo() rel.View {
	v := rel.View{Schema: "sys", Name: "dm_db_log_info"}
	v.Columns = append(v.Columns, key("database_id", tInt), key("file_id", tSmallInt), key("vlf_begin_offset", tBigInt), key("vlf_size_mb", tFloat),
		key("vlf_sequence_number", tBigInt), key("vlf_active", tBit), key("vlf_status", tInt), key("vlf_parity", tTinyInt),
		col("vlf_first_lsn", tLSNHex), col("vlf_create_lsn", tLSNHex), col("vlf_encryptor_thumbprint", varbinary(20)))
	v.Rows = rows(func(context.Context, rel.Scope) ([][]sqltype.Value, error) {
		var all [][]sqltype.Value
		for _, d := range in.list() {
			db := d.opened()
			if db == nil {
				continue
			}
			var offset int64
			for _, s := range db.LogSegments() {
				all = append(all, []sqltype.Value{vInt(d.ID()), sqltype.IntOf(sqltype.SmallInt, 2), vBig(offset), vFloat(float64(s.Bytes) / mib),
					vBig(int64(s.VLF)), vBit(s.Active), vInt(vlfStatus(s)), vTiny(64), vText(s.Previous.String()), vText(s.Previous.String()),
					vNull(varbinary(20))})
				offset += s.Bytes
			}
		}
		return all, nil
	})
	return v
}

// vlfStatus is that of DBCC LOGINFO: a segment that is there is always in use; what nobody needs is deleted.
func vlfStatus(storage.LogSegment) int { return 2 }

// logStats is sys.dm_db_log_stats.
func (in *Instance) logStats() rel.View {
	v := rel.View{Schema: "sys", Name: "dm_db_log_stats"}
	v.Columns = append(v.Columns, key("database_id", tInt), col("recovery_model", tDesc), col("log_min_lsn", tLSNHex), col("log_end_lsn", tLSNHex),
		col("current_vlf_sequence_number", tBigInt), col("current_vlf_size_mb", tFloat), col("total_vlf_count", tBigInt), col("total_log_size_mb", tFloat),
		col("active_vlf_count", tBigInt), col("active_log_size_mb", tFloat), col("log_truncation_holdup_reason", tDesc), col("log_backup_time", tDateTime),
		col("log_backup_lsn", tLSNHex), col("log_since_last_log_backup_mb", tFloat), col("log_checkpoint_lsn", tLSNHex),
		col("log_since_last_checkpoint_mb", tFloat), col("log_recovery_lsn", tLSNHex), col("log_recovery_size_mb", tFloat), col("recovery_vlf_count", tBigInt))
	v.Rows = rows(func(ctx context.Context, _ rel.Scope) ([][]sqltype.Value, error) {
		sets, err := in.backupHistory(ctx)
		if err != nil {
			return nil, err
		}
		return in.eachOpen(func(d *Database, db *storage.DB) []sqltype.Value { return d.logStatsRow(db, sets) }), nil
	})
	return v
}

func (d *Database) logStatsRow(db *storage.DB, sets []backupDoc) []sqltype.Value {
	doc, st, segs := d.snapshot(), db.Stats(), db.LogSegments()
	var active, activeBytes int64
	for _, s := range segs {
		if s.Active {
			active++
			activeBytes += s.Used
		}
	}
	current := segs[len(segs)-1]
	backedUp := vNull(tDateTime)
	for _, b := range sets {
		if b.Database == doc.Name && b.Type == "L" {
			backedUp = vTime(b.Finished)
		}
	}
	size := func(n int64) sqltype.Value { return vFloat(float64(n) / mib) }
	return []sqltype.Value{vInt(doc.ID), vText(recoveryNames[doc.Recovery]), vText(st.OldestLSN.String()), vText(db.Appended().String()),
		vBig(int64(current.VLF)), size(current.Bytes), vBig(int64(st.Segments)), size(st.LogSize), vBig(active), size(activeBytes),
		vText(st.LogReuse.String()), backedUp, vText(d.lastLogBackup().String()), size(d.sinceLogBackup()), vText(st.CheckpointLSN.String()),
		size(st.LogSince), vText(st.CheckpointLSN.String()), size(st.LogSince), vBig(active)}
}

// memoryState is sys.dm_linkspan_memory: the parts of the instance's memory for pages.
func (in *Instance) memoryState() rel.View {
	v := rel.View{Schema: "sys", Name: "dm_linkspan_memory"}
	v.Columns = append(v.Columns, key("part", tDesc), key("used_bytes", tBigInt), key("limit_bytes", tBigInt), key("victims", tBigInt))
	v.Rows = rows(func(context.Context, rel.Scope) ([][]sqltype.Value, error) {
		m := in.memory.Stats()
		return [][]sqltype.Value{{vText("CACHE"), vBig(m.CacheUsed), vBig(m.CacheLimit), vBig(0)},
			{vText("CHANGED_PAGES"), vBig(m.ChangedUsed), vBig(m.ChangedLimit), vBig(0)},
			{vText("OLD_VERSIONS"), vBig(m.VersionsUsed), vBig(m.VersionsLimit), vBig(m.Victims)}}, nil
	})
	return v
}

// Memory gives the figures of the memory that all databases share.
func (in *Instance) Memory() storage.MemoryStats { return in.memory.Stats() }

// scrubState is sys.dm_linkspan_scrub: the background reading of every page, and its last full pass.
func (in *Instance) scrubState() rel.View {
	v := rel.View{Schema: "sys", Name: "dm_linkspan_scrub"}
	v.Columns = append(v.Columns, key("database_id", tInt), key("database_name", tSysname), key("state_desc", tDesc), key("bytes_per_second", tBigInt),
		col("pass_start_time", tDateTime), key("percent_complete", tReal), key("pages_read", tBigInt), key("pages", tBigInt),
		col("last_pass_start_time", tDateTime), col("last_pass_end_time", tDateTime), col("last_pass_lsn", tLSN), col("last_pass_pages", tBigInt),
		col("last_pass_bad_pages", tInt), key("suspect_pages", tInt), key("repaired_pages", tBigInt))
	v.Rows = rows(func(context.Context, rel.Scope) ([][]sqltype.Value, error) {
		return in.eachOpen(func(d *Database, db *storage.DB) []sqltype.Value { return scrubRow(d, db.Scrub()) }), nil
	})
	return v
}

func scrubRow(d *Database, s storage.ScrubState) []sqltype.Value {
	desc, read := "WAITING", int64(0)
	started := vNull(tDateTime)
	switch {
	case s.Next > 0:
		desc, read, started = "RUNNING", int64(s.Next)-1, vTime(s.Started)
	case s.Rate == 0:
		desc = "OFF"
	}
	lastPages, lastBad := vNull(tBigInt), vNull(tInt)
	if !s.LastEnded.IsZero() {
		lastPages, lastBad = vBig(int64(s.LastPages)), vInt(s.LastBad)
	}
	return []sqltype.Value{vInt(d.ID()), vText(d.Name()), vText(desc), vBig(s.Rate), started,
		sqltype.FloatOf(sqltype.Real, min(100, percent(read, int64(s.Pages)))), vBig(read), vBig(int64(s.Pages)),
		vTime(s.LastStarted), vTime(s.LastEnded), vLSN(s.LastLSN), lastPages, lastBad, vInt(s.Suspect), vBig(s.Repaired)}
}

// suspectPages is msdb.dbo.suspect_pages.
func (in *Instance) suspectPages() rel.View {
	v := rel.View{Schema: "dbo", Name: "suspect_pages"}
	v.Columns = append(v.Columns, key("database_id", tInt), key("file_id", tInt), key("page_id", tBigInt), key("event_type", tInt),
		key("error_count", tInt), key("last_update_date", tDateTime))
	v.Rows = rows(func(ctx context.Context, _ rel.Scope) ([][]sqltype.Value, error) {
		docs, err := in.docs.Load(ctx, kindSuspectPage)
		if err != nil {
			return nil, err
		}
		var all [][]sqltype.Value
		for name, b := range docs {
			var s suspectDoc
			if err := json.Unmarshal(b, &s); err != nil {
				return nil, fmt.Errorf("read suspect page %s: %w", name, err)
			}
			all = append(all, []sqltype.Value{vInt(s.Database), vInt(1), vBig(int64(s.Page)), vInt(s.Event), vInt(s.Errors), vTime(s.Updated)})
		}
		slices.SortFunc(all, func(a, b []sqltype.Value) int {
			return cmp.Or(cmp.Compare(a[0].N, b[0].N), cmp.Compare(a[2].N, b[2].N))
		})
		return all, nil
	})
	return v
}
