package bak

import (
	"strings"
	"time"

	"linkspan/lsn"
)

// Field is one column of RESTORE HEADERONLY or FILELISTONLY with its value: int64, string, bool, time.Time, GUID,
// lsn.LSN, or nil for NULL.
type Field struct {
	Name  string
	Value any
	// Unknown is true when the file may hold the value but we do not know where: it is not NULL.
	Unknown bool
}

func known(name string, v any) Field { return Field{Name: name, Value: v} }

func unknown(name string) Field { return Field{Name: name, Unknown: true} }

func lsnOrNull(name string, l lsn.LSN) Field {
	if l.IsZero() {
		return Field{Name: name}
	}
	return known(name, l)
}

func guidOrNull(name string, g GUID) Field {
	if g.IsZero() {
		return Field{Name: name}
	}
	return known(name, g)
}

func textOrNull(name, s string) Field {
	if s == "" {
		return Field{Name: name}
	}
	return known(name, s)
}

func dateOrNull(name string, t time.Time) Field {
	if t.IsZero() {
		return Field{Name: name}
	}
	return known(name, t)
}

// deviceDisk is DeviceType for a file.
const deviceDisk = 2

// HeaderOnly gives the set as RESTORE HEADERONLY shows it, in the order of its columns.
func (s *Set) HeaderOnly(c Container) []Field {
	flag := func(f uint32) bool { return s.Flags&f != 0 }
	num := func(n int) int64 { return int64(n) }
	return []Field{
		textOrNull("BackupName", s.Name), textOrNull("BackupDescription", s.Description), known("BackupType", num(s.Type.Number())),
		unknown("ExpirationDate"), known("Compressed", c == Compressed), known("Position", num(s.Position)), known("DeviceType", int64(deviceDisk)),
		known("UserName", s.User), known("ServerName", s.Server), known("DatabaseName", s.Database), known("DatabaseVersion", num(int(s.DatabaseVersion))),
		dateOrNull("DatabaseCreationDate", s.DatabaseCreated), known("BackupSize", s.Size), known("FirstLSN", s.FirstLSN), known("LastLSN", s.LastLSN),
		known("CheckpointLSN", s.CheckpointLSN), known("DatabaseBackupLSN", s.DatabaseBackupLSN), dateOrNull("BackupStartDate", s.Started),
		dateOrNull("BackupFinishDate", s.Finished), known("SortOrder", num(int(s.SortOrder))), unknown("CodePage"), known("UnicodeLocaleId", int64(s.Locale)),
		known("UnicodeComparisonStyle", int64(s.ComparisonStyle)), known("CompatibilityLevel", num(int(s.Compatibility))), known("SoftwareVendorId", int64(vendorOfSoftware)),
		known("SoftwareVersionMajor", num(int(s.Major))), known("SoftwareVersionMinor", num(int(s.Minor))), known("SoftwareVersionBuild", num(int(s.Build))),
		known("MachineName", s.Machine), known("Flags", int64(s.Flags)), known("BindingID", s.BindingID), known("RecoveryForkID", s.RecoveryForkID),
		collationField(s.Collation), known("FamilyGUID", s.FamilyGUID), known("HasBulkLoggedData", flag(FlagBulkLogged)), known("IsSnapshot", flag(FlagSnapshot)),
		known("IsReadOnly", flag(FlagReadOnly)), known("IsSingleUser", flag(FlagSingleUser)), known("HasBackupChecksums", s.HasChecksums()),
		known("IsDamaged", flag(FlagDamaged)), unknown("BeginsLogChain"), known("HasIncompleteMetaData", flag(FlagTailNoMeta)),
		known("IsForceOffline", flag(FlagTailNoRecover)), known("IsCopyOnly", s.CopyOnly()), s.firstFork(), s.forkPoint(), known("RecoveryModel", s.RecoveryModel()),
		lsnOrNull("DifferentialBaseLSN", s.DifferentialBase), guidOrNull("DifferentialBaseGUID", s.DifferentialBaseGUID), known("BackupTypeDescription", s.Type.String()),
		known("BackupSetGUID", s.SetGUID), s.compressedSize(c), unknown("Containment"), unknown("KeyAlgorithm"), unknown("EncryptorThumbprint"), unknown("EncryptorType"),
	}
}

// firstFork is FirstRecoveryForkID: where no fork is recorded, it is the only one.
func (h *Header) firstFork() Field {
	if h.FirstForkID.IsZero() {
		return known("FirstRecoveryForkID", h.RecoveryForkID)
	}
	return known("FirstRecoveryForkID", h.FirstForkID)
}

// forkPoint is NULL unless the set crosses from one recovery fork to another.
func (h *Header) forkPoint() Field {
	if h.FirstForkID.IsZero() || h.FirstForkID == h.RecoveryForkID {
		return Field{Name: "ForkPointLSN"}
	}
	return lsnOrNull("ForkPointLSN", h.ForkPoint)
}

// compressedSize equals BackupSize for a plain file, and is not located in a compressed one.
func (s *Set) compressedSize(c Container) Field {
	if c == Compressed {
		return unknown("CompressedBackupSize")
	}
	return known("CompressedBackupSize", s.Size)
}

// collationField names the collation; one we have no name for is unknown.
func collationField(c uint64) Field {
	if name := CollationName(c); name != "" {
		return known("Collation", name)
	}
	return unknown("Collation")
}

// CollationName gives the name of a collation number of the header: LCID in the lower 20 bits, comparison flags behind,
// sort order id at bit 32 ([MS-TDS] 2.2.5.1.2). "" for numbers it does not know.
func CollationName(c uint64) string {
	lcid, flags, version, sort := uint32(c)&0xfffff, uint32(c)>>20&0xff, uint32(c)>>28, uint8(c>>32)
	if sort != 0 {
		return sqlCollations[sort]
	}
	base := windowsCollations[lcid]
	if base == "" || version > 3 {
		return ""
	}
	name := base + [...]string{"", "_90", "_100", "_140"}[version]
	const ignoreCase, ignoreAccent, ignoreKana, ignoreWidth, bin, bin2 = 1, 2, 4, 8, 16, 32
	switch {
	case flags&bin2 != 0:
		return name + "_BIN2"
	case flags&bin != 0:
		return name + "_BIN"
	}
	pick := func(bit uint32, ignored, kept string) {
		if flags&bit != 0 {
			name += ignored
		} else {
			name += kept
		}
	}
	pick(ignoreCase, "_CI", "_CS")
	pick(ignoreAccent, "_AI", "_AS")
	pick(ignoreKana, "", "_KS")
	pick(ignoreWidth, "", "_WS")
	return name
}

var sqlCollations = map[uint8]string{
	30: "SQL_Latin1_General_CP437_BIN", 31: "SQL_Latin1_General_CP437_CS_AS", 32: "SQL_Latin1_General_CP437_CI_AS", 34: "SQL_Latin1_General_CP437_CI_AI",
	40: "SQL_Latin1_General_CP850_BIN", 41: "SQL_Latin1_General_CP850_CS_AS", 42: "SQL_Latin1_General_CP850_CI_AS", 44: "SQL_Latin1_General_CP850_CI_AI",
	51: "SQL_Latin1_General_CP1_CS_AS", 52: "SQL_Latin1_General_CP1_CI_AS", 54: "SQL_Latin1_General_CP1_CI_AI",
}

var windowsCollations = map[uint32]string{
	0x409: "Latin1_General", 0x40a: "Traditional_Spanish", 0xc0a: "Modern_Spanish", 0x40c: "French", 0x406: "Danish_Norwegian", 0x41d: "Finnish_Swedish",
	0x415: "Polish", 0x419: "Cyrillic_General", 0x41f: "Turkish", 0x408: "Greek", 0x40d: "Hebrew", 0x401: "Arabic", 0x411: "Japanese", 0x412: "Korean_Wansung",
	0x804: "Chinese_PRC", 0x404: "Chinese_Taiwan_Stroke", 0x40e: "Hungarian", 0x405: "Czech", 0x41e: "Thai", 0x42a: "Vietnamese",
}

// FileListOnly gives the files of the set as RESTORE FILELISTONLY shows them.
func (s *Set) FileListOnly() [][]Field {
	rows := make([][]Field, 0, len(s.Files))
	for i := range s.Files {
		row := s.Files[i].fields()
		if s.Major >= severalPasses {
			row[backupSizeColumn] = unknown("BackupSizeInBytes")
		}
		rows = append(rows, row)
	}
	return rows
}

// severalPasses is the first version (SQL Server 2019) that may back a file up in several passes; the header then counts
// the last one only. backupSizeColumn is the place of BackupSizeInBytes.
const (
	severalPasses    = 15
	backupSizeColumn = 12
)

func (f *File) fields() []Field {
	kind := unknown("Type")
	if f.Kind != 0 {
		kind = known("Type", string(f.Kind))
	}
	return []Field{known("LogicalName", f.Logical), known("PhysicalName", f.Physical), kind, textOrNull("FileGroupName", f.FilegroupName),
		known("Size", f.Size), known("MaxSize", f.MaxSize), known("FileID", int64(f.ID)), unknown("CreateLSN"), unknown("DropLSN"), guidOrNull("UniqueId", f.UniqueID),
		unknown("ReadOnlyLSN"), unknown("ReadWriteLSN"), known("BackupSizeInBytes", f.BackedUpPages*PageSize), known("SourceBlockSize", int64(f.SectorSize)),
		known("FileGroupID", int64(f.Filegroup)), unknown("LogGroupGUID"), lsnOrNull("DifferentialBaseLSN", f.DifferentialBase),
		guidOrNull("DifferentialBaseGUID", f.DifferentialBaseGUID), unknown("IsReadOnly"), unknown("IsPresent"), unknown("TDEThumbprint")}
}

// Text spells the value as a person reads it: NULL, or ? for one we do not know.
func (f Field) Text() string {
	switch v := f.Value.(type) {
	case nil:
		if f.Unknown {
			return "?"
		}
		return "NULL"
	case int64:
		return itoa(v)
	case bool:
		if v {
			return "1"
		}
		return "0"
	case time.Time:
		return v.Format("2006-01-02 15:04:05")
	case lsn.LSN:
		return v.Decimal()
	case GUID:
		return strings.ToUpper(v.String())
	case string:
		return v
	default:
		return "?"
	}
}

// JSON gives the value for a JSON document: numbers, strings, booleans or nil. LSNs are strings, because they have more
// digits than a JSON reader keeps.
func (f Field) JSON() any {
	switch v := f.Value.(type) {
	case time.Time:
		return v.Format("2006-01-02T15:04:05")
	case lsn.LSN:
		return v.Decimal()
	case GUID:
		return strings.ToUpper(v.String())
	default:
		return v
	}
}
