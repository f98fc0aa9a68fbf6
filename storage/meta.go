package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"slices"
	"sync"

	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/pagelog"
	"linkspan/storage/logvfs"
)

// role is what a database directory holds.
type role uint8

const (
	rolePrimary role = 1
	roleReplica role = 2
	roleSeeding role = 3
)

// meta is the small state that a checkpoint, or a seeding, commits with one write. It lies in two slots of the file
// "meta", written in turn; the valid one with the higher gen counts.
type meta struct {
	gen  uint64
	id   Identity
	role role
	// epoch is the latest known, at least that of the checkpoint's record.
	epoch uint32
	// at is the record up to which the base file has every change, end where it ends in the log, time its time.
	at   lsn.LSN
	end  logvfs.Position
	time int64
	// pages is the database's size at that record, and digest the XOR of the hashes of the pages in the base file.
	pages  uint32
	digest pagelog.Digest
	// until is the LSN up to which the base file may hold newer pages: the log must reach it before the database is one.
	until lsn.LSN
	// batch is the last double-write batch whose pages are in the base file.
	batch uint64
	// from is the place of the oldest log a seeded copy was given, when it lies inside a segment.
	from logvfs.Position
	// fromLSN is the record that ends there.
	fromLSN lsn.LSN
	// nextPage is where a seeding continues.
	nextPage uint32
	// controls are the latest control record of each kind at or before at, and some that were that earlier.
	controls []Control
	// rewind is the commit that the database is being taken back to, and phase how far that has come.
	rewind lsn.LSN
	phase  phase
	// mark is in the entry of every page that the present seeding installed, or the last one did. difference tells that
	// the copy had pages before it.
	mark       uint16
	difference bool
}

const (
	metaName    = "meta"
	metaMagic   = "LSPNMETA"
	metaSlot    = 64 << 10
	metaFixed   = 160
	maxControls = 8
	metaVersion = 1
	// metaPhased is the version of a state with a rewind or a seeding by difference under way: earlier programs must not
	// open it.
	metaPhased   = 2
	controlFixed = lsn.EncodedSize + 4 + 2 + 4
)

func (m *meta) encode() []byte {
	le := binary.LittleEndian
	b := make([]byte, metaFixed, metaSlot)
	copy(b[8:], metaMagic)
	le.PutUint16(b[16:], metaVersion)
	if m.phase != 0 || m.difference {
		le.PutUint16(b[16:], metaPhased)
	}
	b[18], b[19] = byte(m.role), byte(len(m.controls))
	le.PutUint32(b[20:], m.epoch)
	le.PutUint64(b[24:], m.gen)
	copy(b[32:], m.id[:])
	m.at.AppendTo(b[48:48])
	le.PutUint32(b[60:], m.end.VLF)
	le.PutUint64(b[64:], uint64(m.end.Offset))
	le.PutUint64(b[72:], uint64(m.time))
	le.PutUint32(b[80:], m.pages)
	copy(b[84:], m.digest[:])
	m.until.AppendTo(b[100:100])
	le.PutUint64(b[112:], m.batch)
	le.PutUint32(b[120:], m.from.VLF)
	le.PutUint64(b[124:], uint64(m.from.Offset))
	le.PutUint32(b[132:], m.nextPage)
	m.fromLSN.AppendTo(b[136:136])
	m.rewind.AppendTo(b[146:146])
	b[156] = byte(m.phase)
	le.PutUint16(b[157:], m.mark)
	if m.difference {
		b[159] = 1
	}
	for _, c := range m.controls {
		b = c.LSN.AppendTo(b)
		b = le.AppendUint32(b, c.Epoch)
		b = le.AppendUint16(b, c.Kind)
		b = le.AppendUint32(b, uint32(len(c.Payload)))
		b = append(b, c.Payload...)
	}
	le.PutUint32(b[4:], uint32(len(b)))
	le.PutUint32(b, crc32.Checksum(b[4:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func decodeMeta(b []byte) (*meta, error) {
	le := binary.LittleEndian
	if len(b) < metaFixed || string(b[8:16]) != metaMagic {
		return nil, errors.New("not a state record")
	}
	n := int(le.Uint32(b[4:]))
	if n < metaFixed || n > len(b) || crc32.Checksum(b[4:n], crc32.MakeTable(crc32.Castagnoli)) != le.Uint32(b) {
		return nil, errors.New("checksum is wrong")
	}
	if v := le.Uint16(b[16:]); v != metaVersion && v != metaPhased {
		return nil, fmt.Errorf("format version %d, this program reads %d", v, metaPhased)
	}
	m := &meta{
		role: role(b[18]), epoch: le.Uint32(b[20:]), gen: le.Uint64(b[24:]), id: Identity(b[32:48]),
		end:  logvfs.Position{VLF: le.Uint32(b[60:]), Offset: int64(le.Uint64(b[64:]))},
		time: int64(le.Uint64(b[72:])), pages: le.Uint32(b[80:]), digest: pagelog.Digest(b[84:100]),
		batch:    le.Uint64(b[112:]),
		from:     logvfs.Position{VLF: le.Uint32(b[120:]), Offset: int64(le.Uint64(b[124:]))},
		nextPage: le.Uint32(b[132:]),
	}
	m.at, _ = lsn.Decode(b[48:])
	m.until, _ = lsn.Decode(b[100:])
	m.fromLSN, _ = lsn.Decode(b[136:])
	m.rewind, _ = lsn.Decode(b[146:])
	m.phase, m.mark, m.difference = phase(b[156]), le.Uint16(b[157:]), b[159] == 1
	return m, m.decodeControls(b[metaFixed:n], int(b[19]))
}

func (m *meta) decodeControls(b []byte, n int) error {
	for range n {
		if len(b) < controlFixed {
			return errors.New("control record is cut short")
		}
		c := Control{Epoch: binary.LittleEndian.Uint32(b[10:]), Kind: binary.LittleEndian.Uint16(b[14:])}
		c.LSN, _ = lsn.Decode(b)
		size := binary.LittleEndian.Uint32(b[16:])
		if b = b[controlFixed:]; uint64(size) > uint64(len(b)) {
			return errors.New("control record is cut short")
		}
		c.Payload, b = slices.Clone(b[:size]), b[size:]
		m.controls = append(m.controls, c)
	}
	return nil
}

// metaFile is the open file of states.
type metaFile struct {
	f fsx.File

	mu  sync.Mutex // protects cur, and is held while it is written
	cur meta
}

// state returns the present state.
func (mf *metaFile) state() meta {
	mf.mu.Lock()
	defer mf.mu.Unlock()
	return mf.cur
}

// update changes the state and commits it. Whoever changes role or epoch does it in the writer's turn, whoever changes
// anything else under ckptMu.
func (mf *metaFile) update(change func(*meta)) error {
	mf.mu.Lock()
	defer mf.mu.Unlock()
	m := mf.cur
	change(&m)
	return mf.commit(m)
}

// createMeta makes the file with its first state. The caller syncs the directory.
func createMeta(fsys fsx.FS, dir string, m meta) (*metaFile, error) {
	f, err := fsys.Create(filepath.Join(dir, metaName))
	if err != nil {
		return nil, err
	}
	mf := &metaFile{f: f, cur: m}
	if err := mf.write(m); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return mf, nil
}

// openMeta reads the latest valid state.
func openMeta(fsys fsx.FS, dir string) (*metaFile, error) {
	name := filepath.Join(dir, metaName)
	f, err := fsys.OpenRW(name)
	if err != nil {
		return nil, err
	}
	var best *meta
	var why []error
	for slot := range int64(2) {
		b := make([]byte, metaSlot)
		n, _ := f.ReadAt(b, slot*metaSlot)
		m, err := decodeMeta(b[:n])
		if err != nil {
			why = append(why, fmt.Errorf("slot %d: %w", slot, err))
		} else if best == nil || m.gen > best.gen {
			best = m
		}
	}
	if best == nil {
		return nil, errors.Join(fmt.Errorf("%w: %s holds no valid state: %w", ErrDamaged, name, errors.Join(why...)), f.Close())
	}
	return &metaFile{f: f, cur: *best}, nil
}

// write commits m as the state after the present one.
func (mf *metaFile) write(m meta) error {
	mf.mu.Lock()
	defer mf.mu.Unlock()
	return mf.commit(m)
}

// commit needs mu.
func (mf *metaFile) commit(m meta) error {
	m.gen = mf.cur.gen + 1
	if _, err := mf.f.WriteAt(m.encode(), int64(m.gen%2)*metaSlot); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := mf.f.Sync(); err != nil {
		return fmt.Errorf("sync state: %w", err)
	}
	mf.cur = m
	return nil
}
