package agsim

import (
	"linkspan/hadr/agcore"
	"linkspan/lsn"
)

// pageCount is how many pages the modelled database has.
const pageCount = 16

// record is one log record; its place in the log is its LSN.
type record struct {
	epoch uint32
	value uint32 // of a write: what the client wrote
	page  uint8
	// old is the page before, written at oldAt; digest is the database's after the record.
	old    uint64
	oldAt  int32
	digest uint64
	role   []byte // of a role record: its encoding
}

// database is what a side's storage holds. LSNs are counted from 1; records up to hard survive a crash for certain.
type database struct {
	exists, primary bool
	epoch           uint32
	recs            []record
	roles           []int // LSNs of role records
	// start: log up to there is not held any more (recs keeps it for the checks).
	start     int
	hard, pub int
	pages     [pageCount]uint64
	at        [pageCount]int32
	digest    uint64
}

// at spells an LSN.
func at(n int) lsn.LSN {
	if n == 0 {
		return lsn.Zero
	}
	return lsn.LSN{VLF: 1, Block: uint32(n), Slot: 1}
}

// place reads what at spelled.
func place(l lsn.LSN) int { return int(l.Block) }

// mix hashes two numbers to one.
func mix(a, b uint64) uint64 {
	x := a*0x9e3779b97f4a7c15 ^ (b + 0x7f4a7c15)
	x ^= x >> 29
	x *= 0xbf58476d1ce4e5b9
	return x ^ x>>32
}

// apply appends a record: its page is changed, its digest computed.
func (d *database) apply(r record) {
	n := len(d.recs) + 1
	if r.role != nil {
		d.roles = append(d.roles, n)
	} else {
		p := r.page
		r.old, r.oldAt = d.pages[p], d.at[p]
		d.set(p, mix(r.old, uint64(r.value)), int32(n))
	}
	r.digest = d.digest
	d.recs = append(d.recs, r)
}

func (d *database) set(p uint8, content uint64, at int32) {
	d.digest ^= mix(uint64(p)+1, d.pages[p]) ^ mix(uint64(p)+1, content)
	d.pages[p], d.at[p] = content, at
}

// cut takes the records after n back.
func (d *database) cut(n int) {
	for len(d.recs) > n {
		r := &d.recs[len(d.recs)-1]
		if r.role != nil {
			d.roles = d.roles[:len(d.roles)-1]
		} else {
			d.set(r.page, r.old, r.oldAt)
		}
		d.recs = d.recs[:len(d.recs)-1]
	}
	d.hard, d.pub = min(d.hard, n), min(d.pub, n)
}

// asOf is a page as of LSN n.
func (d *database) asOf(p uint8, n int) (uint64, int32) {
	content, changed := d.pages[p], d.at[p]
	for i := len(d.recs); i > n; i-- {
		if r := &d.recs[i-1]; r.role == nil && r.page == p {
			content, changed = r.old, r.oldAt
		}
	}
	return content, changed
}

// epochAt is the epoch of the record at n, or 1 where the log begins.
func (d *database) epochAt(n int) uint32 {
	if n == 0 {
		return 1
	}
	return d.recs[n-1].epoch
}

// last is the last role record and its LSN.
func (d *database) last() (agcore.RoleRecord, int) {
	if len(d.roles) == 0 {
		return agcore.RoleRecord{}, 0
	}
	n := d.roles[len(d.roles)-1]
	r, err := agcore.DecodeRole(d.recs[n-1].role)
	if err != nil || r.Link != linkID {
		return agcore.RoleRecord{}, 0
	}
	return r, n
}

// standing describes the database for agcore.
func (d *database) standing() *agcore.Standing {
	if !d.exists {
		return &agcore.Standing{}
	}
	r, n := d.last()
	return &agcore.Standing{Exists: true, Primary: d.primary, Epoch: d.epoch, Last: r, LastAt: at(n), End: at(d.hard)}
}
