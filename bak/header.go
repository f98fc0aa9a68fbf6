package bak

import (
	"encoding/binary"
	"time"

	"linkspan/lsn"
)

// Type is the kind of a backup set, as the letter that the header holds.
type Type byte

// The types of backup sets.
const (
	Full             Type = 'D'
	Log              Type = 'L'
	Differential     Type = 'I'
	FileFull         Type = 'F'
	FileDifferential Type = 'G'
	Partial          Type = 'P'
	PartialDiff      Type = 'Q'
)

// Number is the type as RESTORE HEADERONLY's BackupType shows it, 0 for one that is not known.
func (t Type) Number() int {
	switch t {
	case Full:
		return 1
	case Log:
		return 2
	case FileFull:
		return 4
	case Differential:
		return 5
	case FileDifferential:
		return 6
	case Partial:
		return 7
	case PartialDiff:
		return 8
	default:
		return 0
	}
}

// String is the type as RESTORE HEADERONLY's BackupTypeDescription shows it.
func (t Type) String() string {
	switch t {
	case Full:
		return "Database"
	case Log:
		return "Transaction Log"
	case FileFull:
		return "File"
	case Differential:
		return "Database Differential"
	case FileDifferential:
		return "File Differential"
	case Partial:
		return "Partial"
	case PartialDiff:
		return "Partial Differential"
	default:
		return "unknown"
	}
}

// Flags of a backup set. All but FlagChecksums are inferred from the documentation of RESTORE HEADERONLY's Flags.
const (
	FlagBulkLogged    = 0x1
	FlagSnapshot      = 0x2
	FlagReadOnly      = 0x4
	FlagSingleUser    = 0x8
	FlagChecksums     = 0x10
	FlagDamaged       = 0x20
	FlagTail          = 0x40
	FlagTailNoMeta    = 0x80
	FlagTailNoRecover = 0x100
	// FlagAlways is set in every real header seen.
	FlagAlways       = 0x200
	FlagCopyOnly     = 0x400
	FlagDifferential = 0x800
)

// Header is what a backup set says of itself. Dates are the server's wall clock, given as if in UTC. A zero GUID, LSN or
// date means that the header does not hold one.
type Header struct {
	// Position is the set's place in its file, from 1: RESTORE … WITH FILE = n.
	Position int
	// SetGUID names the backup set; all stripes of a set share it.
	SetGUID                 GUID
	Name, Description, User string
	Machine                 string
	// SetAttributes are MTF's: they do not tell a log from a full.
	SetAttributes uint32
	// TimeZone is the server's offset from UTC in quarters of an hour (inferred); TimeZoneUnknown when not given.
	TimeZone                                            int8
	Flags                                               uint32
	Major, Minor                                        uint8
	Build                                               uint16
	FirstLSN, LastLSN, CheckpointLSN, DatabaseBackupLSN lsn.LSN
	DatabaseCreated, Started, Finished                  time.Time
	Type                                                Type
	SortOrder, Compatibility                            uint8
	DatabaseID, DatabaseVersion                         uint16
	Size                                                int64
	Database, Server                                    string
	Locale, ComparisonStyle                             uint32
	BindingID, RecoveryForkID, FirstForkID              GUID
	ForkPoint                                           lsn.LSN
	// PreviousSet names the full that a log or differential follows.
	PreviousSet      GUID
	Collation        uint64
	FamilyGUID       GUID
	Status           uint32
	DifferentialBase lsn.LSN
	// DifferentialBaseGUID is the SetGUID of the full that a differential builds on.
	DifferentialBaseGUID GUID
	// Final is true when the fields come from the end of the set, where sizes, dates and LSNs are the last word.
	Final bool
}

// TimeZoneUnknown is the value that MTF gives a time zone nobody knows.
const TimeZoneUnknown = 127

// Recovery models as RESTORE HEADERONLY spells them.
const (
	ModelFull       = "FULL"
	ModelBulkLogged = "BULK_LOGGED"
	ModelSimple     = "SIMPLE"
)

// Status bits (inferred).
const (
	statusBulkLogged = 4
	statusSimple     = 8
)

// RecoveryModel is the database's recovery model when the set was taken (inferred).
func (h *Header) RecoveryModel() string {
	switch {
	case h.Status&statusSimple != 0:
		return ModelSimple
	case h.Status&statusBulkLogged != 0:
		return ModelBulkLogged
	default:
		return ModelFull
	}
}

// HasChecksums reports whether the backup was taken WITH CHECKSUM.
func (h *Header) HasChecksums() bool { return h.Flags&FlagChecksums != 0 }

// CopyOnly reports whether the backup was taken WITH COPY_ONLY (inferred from the flag).
func (h *Header) CopyOnly() bool { return h.Flags&FlagCopyOnly != 0 }

// Layout of the SCIN record of the configuration stream; reference: docs/backups.md.
const (
	scinFixed     = 344 // bytes up to the first string in SQL Server 2005
	scinSizeAgain = 344
)

// decodeSCIN fills h from a SCIN record. It reports false when the record is too short to be one.
func (h *Header) decodeSCIN(b []byte) bool {
	if len(b) < scinFixed {
		return false
	}
	le := binary.LittleEndian
	at := func(o int) lsn.LSN {
		l, _ := lsn.Decode(b[o:]) // b is long enough
		return l
	}
	h.Flags = le.Uint32(b[8:])
	h.Build, h.Minor, h.Major = le.Uint16(b[24:]), b[26], b[27]
	h.FirstLSN, h.LastLSN, h.CheckpointLSN, h.DatabaseBackupLSN = at(32), at(42), at(52), at(62)
	h.DatabaseCreated, h.Started, h.Finished = decodeDate(b[72:]), decodeDate(b[77:]), decodeDate(b[82:])
	h.Type, h.SortOrder, h.Compatibility = Type(b[87]), b[88], b[91]
	h.DatabaseID, h.DatabaseVersion = le.Uint16(b[92:]), le.Uint16(b[94:])
	h.Size = int64(le.Uint64(b[96:]))
	h.Database, h.Server = textAt(b, 104), textAt(b, 108)
	h.Locale, h.ComparisonStyle = le.Uint32(b[116:]), le.Uint32(b[120:])
	h.BindingID, h.RecoveryForkID = GUID(b[124:140]), GUID(b[156:172])
	h.ForkPoint, h.FirstForkID = at(172), GUID(b[184:200])
	h.PreviousSet, h.Collation, h.FamilyGUID = GUID(b[200:216]), le.Uint64(b[216:]), GUID(b[224:240])
	h.Status = le.Uint32(b[244:])
	h.DifferentialBase, h.DifferentialBaseGUID = at(260), GUID(b[272:288])
	return true
}

// encodeSCIN makes a SCIN record of h in the layout of SQL Server 2012 and later, for data and log files in number.
func (h *Header) encodeSCIN(data, logs int) []byte {
	b := make([]byte, 400)
	le := binary.LittleEndian
	at := func(o int, l lsn.LSN) { copy(b[o:], l.AppendTo(nil)) }
	copy(b, "SCIN")
	le.PutUint32(b[8:], h.Flags|FlagAlways)
	le.PutUint32(b[12:], uint32(data))
	le.PutUint32(b[16:], uint32(logs))
	le.PutUint16(b[24:], h.Build)
	b[26], b[27], b[28] = h.Minor, h.Major, 9
	at(32, h.FirstLSN)
	at(42, h.LastLSN)
	at(52, h.CheckpointLSN)
	at(62, h.DatabaseBackupLSN)
	copy(b[72:], appendDate(appendDate(appendDate(nil, h.DatabaseCreated), h.Started), h.Finished))
	b[87], b[88], b[89], b[91] = byte(h.Type), h.SortOrder, 1, h.Compatibility
	le.PutUint16(b[92:], h.DatabaseID)
	le.PutUint16(b[94:], h.DatabaseVersion)
	le.PutUint64(b[96:], uint64(h.Size))
	le.PutUint32(b[116:], h.Locale)
	le.PutUint32(b[120:], h.ComparisonStyle)
	copy(b[124:], h.BindingID[:])
	at(144, h.LastLSN)
	copy(b[156:], h.RecoveryForkID[:])
	at(172, h.ForkPoint)
	copy(b[184:], h.FirstForkID[:])
	copy(b[200:], h.PreviousSet[:])
	le.PutUint64(b[216:], h.Collation)
	copy(b[224:], h.FamilyGUID[:])
	le.PutUint32(b[240:], 0x10000)
	le.PutUint32(b[244:], h.Status)
	at(260, h.DifferentialBase)
	copy(b[272:], h.DifferentialBaseGUID[:])
	at(304, h.ForkPoint)
	copy(b[316:], h.FirstForkID[:])
	le.PutUint64(b[scinSizeAgain:], uint64(h.Size))
	b = appendText(b, 104, h.Database)
	b = appendText(b, 108, h.Server)
	le.PutUint32(b[4:], uint32(len(b)))
	return b
}

// SoftwareVersion is the version of the server that wrote the set: "13.0.5081".
func (h *Header) SoftwareVersion() string {
	return itoa(int64(h.Major)) + "." + itoa(int64(h.Minor)) + "." + itoa(int64(h.Build))
}
