package instance

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"linkspan/backup"
	"linkspan/bak"
	"linkspan/lsn"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// headerTypes are the types of RESTORE HEADERONLY's and FILELISTONLY's columns; those not listed are int. ("RESTORE
// HEADERONLY (Transact-SQL)", "RESTORE FILELISTONLY (Transact-SQL)".)
var headerTypes = map[string]sqltype.Type{
	"BackupName": tSysname, "BackupDescription": nvarchar(255), "BackupType": tSmallInt, "ExpirationDate": tDateTime, "Compressed": tTinyInt,
	"Position": tSmallInt, "DeviceType": tTinyInt, "UserName": tSysname, "ServerName": tSysname, "DatabaseName": tSysname,
	"DatabaseCreationDate": tDateTime, "BackupSize": tSize, "FirstLSN": tLSN, "LastLSN": tLSN, "CheckpointLSN": tLSN, "DatabaseBackupLSN": tLSN,
	"BackupStartDate": tDateTime, "BackupFinishDate": tDateTime, "SortOrder": tSmallInt, "CodePage": tSmallInt, "CompatibilityLevel": tTinyInt,
	"MachineName": tSysname, "BindingID": tGUID, "RecoveryForkID": tGUID, "Collation": tSysname, "FamilyGUID": tGUID, "HasBulkLoggedData": tBit,
	"IsSnapshot": tBit, "IsReadOnly": tBit, "IsSingleUser": tBit, "HasBackupChecksums": tBit, "IsDamaged": tBit, "BeginsLogChain": tBit,
	"HasIncompleteMetaData": tBit, "IsForceOffline": tBit, "IsCopyOnly": tBit, "FirstRecoveryForkID": tGUID, "ForkPointLSN": tLSN,
	"RecoveryModel": tDesc, "DifferentialBaseLSN": tLSN, "DifferentialBaseGUID": tGUID, "BackupTypeDescription": tDesc, "BackupSetGUID": tGUID,
	"CompressedBackupSize": tBigInt, "Containment": tTinyInt, "KeyAlgorithm": nvarchar(32), "EncryptorThumbprint": varbinary(20), "EncryptorType": nvarchar(32),
	"LogicalName": tSysname, "PhysicalName": nvarchar(260), "Type": {Kind: sqltype.Char, Len: 1}, "FileGroupName": tSysname, "Size": tSize, "MaxSize": tSize,
	"FileId": tBigInt, "CreateLSN": tLSN, "DropLSN": tLSN, "UniqueId": tGUID, "ReadOnlyLSN": tLSN, "ReadWriteLSN": tLSN, "BackupSizeInBytes": tBigInt,
	"LogGroupGUID": tGUID, "IsPresent": tBit, "TDEThumbprint": varbinary(32), "SnapshotUrl": nvarchar(336),
}

// tSize is the type of sizes in bytes.
var tSize = sqltype.Type{Kind: sqltype.Decimal, Prec: 20}

// fieldValue gives a header's field its T-SQL value; what the file does not tell is NULL.
func fieldValue(f bak.Field, t sqltype.Type) sqltype.Value {
	switch v := f.Value.(type) {
	case int64:
		if t.Kind == sqltype.Decimal {
			return vDecimal(strconv.FormatInt(v, 10), int(t.Prec))
		}
		return sqltype.IntOf(t.Kind, v)
	case string:
		return sqltype.StringOf(t.Kind, v)
	case bool:
		if t.Kind != sqltype.Bit {
			return sqltype.IntOf(t.Kind, map[bool]int64{true: 1}[v])
		}
		return vBit(v)
	case time.Time:
		return vTime(v)
	case bak.GUID:
		return vGUID(v)
	case lsn.LSN:
		return vDecimal(v.Decimal(), 25)
	default:
		return vNull(t)
	}
}

// showFields sends rows of fields as a result set; the first row names the columns.
func showFields(out sqlapi.ResultSink, rows [][]bak.Field) error {
	if len(rows) == 0 {
		return nil
	}
	var cols []sqlapi.Column
	for _, f := range rows[0] {
		t, ok := headerTypes[f.Name]
		if !ok {
			t = tInt
		}
		cols = append(cols, col(f.Name, t))
	}
	if err := out.Columns(cols); err != nil {
		return err
	}
	for _, r := range rows {
		row := make([]sqltype.Value, len(r))
		for i, f := range r {
			row[i] = fieldValue(f, cols[i].Type)
		}
		if err := out.Row(row); err != nil {
			return err
		}
	}
	return out.Done(sqlapi.Done{Command: sqlapi.CmdSelect, Rows: int64(len(rows)), HasRows: true})
}

// showHeaders is RESTORE HEADERONLY: every backup set of the medium.
func (t *restoring) showHeaders() error {
	s := t.media.Stripes[0]
	var rows [][]bak.Field
	for _, set := range s.Media.Sets {
		rows = append(rows, set.HeaderOnly(s.Content.Container()))
	}
	if err := showFields(t.out, rows); err != nil {
		return err
	}
	if s.Fault != nil { // what could be read before it was shown
		return sqlerr.New(3266, s.Name.Text).WithCause(s.Fault)
	}
	return nil
}

// showFiles is RESTORE FILELISTONLY.
func (t *restoring) showFiles() error {
	var err error
	if t.sets, err = t.media.Set(t.r.position); err != nil {
		return err
	}
	return showFields(t.out, t.sets[0].FileListOnly())
}

// showLabel is RESTORE LABELONLY.
func (t *restoring) showLabel() error {
	s := t.media.Stripes[0]
	f := s.Media.Family
	cols := []sqlapi.Column{col("MediaName", tSysname), col("MediaSetId", tGUID), col("FamilyCount", tInt), col("FamilySequenceNumber", tInt),
		col("MediaFamilyId", tGUID), col("MediaSequenceNumber", tInt), col("MediaLabelPresent", tTinyInt), col("MediaDescription", nvarchar(255)),
		col("SoftwareName", tSysname), col("SoftwareVendorId", tInt), col("MediaDate", tDateTime), col("Mirror_Count", tInt), col("IsCompressed", tBit)}
	if err := t.out.Columns(cols); err != nil {
		return err
	}
	name := vNull(tSysname)
	if f.Name != "" {
		name = vText(f.Name)
	}
	row := []sqltype.Value{name, vGUID(f.MediaSet), vInt(f.Count), vInt(f.Sequence), vNull(tGUID), vInt(1), vTiny(0), vNull(nvarchar(255)),
		vText(f.Software), vInt(int(f.Vendor)), vTime(f.Written), vInt(1), vBit(s.Content.Container() == bak.Compressed)}
	if err := t.out.Row(row); err != nil {
		return err
	}
	return t.out.Done(sqlapi.Done{Command: sqlapi.CmdSelect, Rows: 1, HasRows: true})
}

// verify is RESTORE VERIFYONLY: every checksum in the files, and of our own files every frame. Error 3189.
func (t *restoring) verify(ctx context.Context) error {
	p := newProgress(t.in, t.caller, t.r.verb, t.r.stats, t.out)
	defer p.end()
	for _, s := range t.media.Stripes {
		var fault error
		if s.Fault != nil {
			fault = s.Fault
		}
		v := bak.NewVerification(s.Content, s.Media, fault)
		report, err := v.Finish(runUnits(ctx, v.Units()))
		if err := errors.Join(ctx.Err(), err); err != nil {
			return sqlerr.New(3203, s.Name.Text, "23(Data error (cyclic redundancy check).)").WithCause(err)
		}
		if err := report.Err(); err != nil {
			return sqlerr.New(3189).WithCause(err)
		}
	}
	if t.media.Family().Software == bak.SoftwareLinkspan {
		if err := t.readThrough(ctx); err != nil {
			return err
		}
	}
	return t.out.Message(sqlerr.New(3262, t.r.position))
}

// readThrough reads the payload to its end.
func (t *restoring) readThrough(ctx context.Context) error {
	r, err := t.payload()
	if err != nil {
		return err
	}
	for {
		var f backup.Frame
		f, err = r.Next()
		if errors.Is(err, io.EOF) || err == nil && f.End != nil {
			return nil
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return t.damaged(err)
		}
	}
}

// runUnits runs pieces of a verification on all cores. Those that ctx kept from running have no result.
func runUnits(ctx context.Context, units []bak.Unit) []bak.UnitResult {
	results := make([]bak.UnitResult, len(units))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			var buf []byte
			for i := int(next.Add(1)) - 1; i < len(units) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				results[i], buf = units[i].Run(buf)
			}
		})
	}
	workers.Wait()
	return results
}
