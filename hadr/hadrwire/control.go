package hadrwire

import (
	"bytes"
	"time"

	"linkspan/lsn"
)

// magic begins a Hello.
var magic = []byte("LNKSPAN\x00")

// Hello is the first message of a connection: who wants which link.
type Hello struct {
	// Protocol is Version. A Hello of another version has no other field.
	Protocol uint16
	// LogFormat and CollationTable are versions that must be equal on both sides, as must the Collation.
	LogFormat, CollationTable uint32
	Collation                 string
	// Server and ShortName are the managed instance's names.
	Server, ShortName string
	// Link is the distributed availability group, OwnGroup and PartnerGroup its members.
	Link, OwnGroup, PartnerGroup string
	Database                     string
	// Origin is the identity of the database that the copy is of, zero when there is none yet, and Position the LSN the
	// copy has hardened.
	Origin   [16]byte
	Epoch    uint32
	Position lsn.LSN
	// Suspended: data movement is stopped on this side.
	Suspended bool
	// Standing is this side's role, as agcore spells it.
	Standing []byte
}

// Type implements Message.
func (*Hello) Type() Type { return TypeHello }

func (m *Hello) encode(e *encoder) {
	e.rest(magic)
	e.u16(m.Protocol)
	if m.Protocol != Version {
		return
	}
	e.u32(m.LogFormat)
	e.u32(m.CollationTable)
	for _, s := range [...]string{m.Collation, m.Server, m.ShortName, m.Link, m.OwnGroup, m.PartnerGroup, m.Database} {
		e.str(s)
	}
	e.id(m.Origin)
	e.u32(m.Epoch)
	e.lsn(m.Position)
	e.bool(m.Suspended)
	e.standing(m.Standing)
}

func (m *Hello) decode(d *decoder) {
	if !bytes.Equal(d.take(len(magic)), magic) {
		d.fail("not a hello")
		return
	}
	if m.Protocol = d.u16(); m.Protocol != Version {
		d.rest()
		return
	}
	m.LogFormat, m.CollationTable = d.u32(), d.u32()
	for _, s := range [...]*string{&m.Collation, &m.Server, &m.ShortName, &m.Link, &m.OwnGroup, &m.PartnerGroup, &m.Database} {
		*s = d.str()
	}
	m.Origin = d.id()
	m.Epoch = d.u32()
	m.Position = d.lsn()
	m.Suspended = d.bool()
	m.Standing = d.standing()
}

// Member is one side of a link, as the source has configured it.
type Member struct {
	ID             [16]byte
	Name, URL      string
	Mode, Seeding  uint8
	SessionTimeout uint32 // seconds
}

func (m *Member) encode(e *encoder) {
	e.id(m.ID)
	e.str(m.Name)
	e.str(m.URL)
	e.u8(m.Mode)
	e.u8(m.Seeding)
	e.u32(m.SessionTimeout)
}

func (m *Member) decode(d *decoder) {
	m.ID = d.id()
	m.Name = d.str()
	m.URL = d.str()
	m.Mode, m.Seeding = d.u8(), d.u8()
	m.SessionTimeout = d.u32()
}

// Config answers a Hello that was accepted.
type Config struct {
	// Server is the source's name.
	Server string
	// Link is the distributed group's name as the source spells it, LinkID its group_id, DatabaseID the
	// group_database_id.
	Link               string
	LinkID, DatabaseID [16]byte
	Database           string
	// Origin and Epoch are the source database's.
	Origin         [16]byte
	Epoch          uint32
	Source, Target Member
	Suspended      bool
	// Bytes is the database's present size, for estimates, and Required as in Modes.
	Bytes    uint64
	Required uint8
	// Standing is the sender's role.
	Standing []byte
}

// Type implements Message.
func (*Config) Type() Type { return TypeConfig }

func (m *Config) encode(e *encoder) {
	e.str(m.Server)
	e.str(m.Link)
	e.id(m.LinkID)
	e.id(m.DatabaseID)
	e.str(m.Database)
	e.id(m.Origin)
	e.u32(m.Epoch)
	m.Source.encode(e)
	m.Target.encode(e)
	e.bool(m.Suspended)
	e.u64(m.Bytes)
	e.u8(m.Required)
	e.standing(m.Standing)
}

func (m *Config) decode(d *decoder) {
	m.Server, m.Link = d.str(), d.str()
	m.LinkID, m.DatabaseID = d.id(), d.id()
	m.Database = d.str()
	m.Origin = d.id()
	m.Epoch = d.u32()
	m.Source.decode(d)
	m.Target.decode(d)
	m.Suspended = d.bool()
	m.Bytes = d.u64()
	m.Required = d.u8()
	m.Standing = d.standing()
}

// Refuse answers any request that is not granted, and ends its stream. Its form never changes.
type Refuse struct {
	// Number and Text are the error as the asker shows it.
	Number int32
	Text   string
	// Final: asking again cannot help until an administrator acts.
	Final bool
}

// Type implements Message.
func (*Refuse) Type() Type { return TypeRefuse }

func (m *Refuse) encode(e *encoder) {
	e.u32(uint32(m.Number))
	e.str(m.Text)
	e.bool(m.Final)
}

func (m *Refuse) decode(d *decoder) {
	m.Number = int32(d.u32())
	m.Text = d.str()
	m.Final = d.bool()
}

// Heartbeat is a sign of life.
type Heartbeat struct{ Sent time.Time }

// Type implements Message.
func (*Heartbeat) Type() Type          { return TypeHeartbeat }
func (m *Heartbeat) encode(e *encoder) { e.time(m.Sent) }
func (m *Heartbeat) decode(d *decoder) { m.Sent = d.time() }

// Progress tells the source how far the copy is.
type Progress struct {
	// Received, Hardened and Published are the last LSNs of batches: in memory, durable, visible.
	Received, Hardened, Published lsn.LSN
	// HardenedAt and PublishedAt are when, by the copy's clock, and CommitTime the commit time of Published.
	HardenedAt, PublishedAt, CommitTime time.Time
	// RedoQueue is the bytes received and not yet visible.
	RedoQueue uint64
}

// Type implements Message.
func (*Progress) Type() Type { return TypeProgress }

func (m *Progress) encode(e *encoder) {
	e.lsn(m.Received)
	e.lsn(m.Hardened)
	e.lsn(m.Published)
	e.time(m.HardenedAt)
	e.time(m.PublishedAt)
	e.time(m.CommitTime)
	e.u64(m.RedoQueue)
}

func (m *Progress) decode(d *decoder) {
	m.Received, m.Hardened, m.Published = d.lsn(), d.lsn(), d.lsn()
	m.HardenedAt, m.PublishedAt, m.CommitTime = d.time(), d.time(), d.time()
	m.RedoQueue = d.u64()
}

// Suspend tells that data movement was stopped on the sender's side.
type Suspend struct {
	Reason uint8
	Text   string
}

// Type implements Message.
func (*Suspend) Type() Type { return TypeSuspend }

func (m *Suspend) encode(e *encoder) {
	e.u8(m.Reason)
	e.str(m.Text)
}

func (m *Suspend) decode(d *decoder) {
	m.Reason = d.u8()
	m.Text = d.str()
}

// Resume tells that data movement may go on again.
type Resume struct{}

// Type implements Message.
func (*Resume) Type() Type      { return TypeResume }
func (*Resume) encode(*encoder) {}
func (*Resume) decode(*decoder) {}

// Rotate announces the certificate that the sender will show from now on, by its thumbprint in hexadecimal.
type Rotate struct{ Thumbprint string }

// Type implements Message.
func (*Rotate) Type() Type          { return TypeRotate }
func (m *Rotate) encode(e *encoder) { e.str(m.Thumbprint) }
func (m *Rotate) decode(d *decoder) { m.Thumbprint = d.str() }

// Rotated answers a Rotate: whether the certificate was imported there, and now authorises this link.
type Rotated struct{ Bound bool }

// Type implements Message.
func (*Rotated) Type() Type          { return TypeRotated }
func (m *Rotated) encode(e *encoder) { e.bool(m.Bound) }
func (m *Rotated) decode(d *decoder) { m.Bound = d.bool() }
