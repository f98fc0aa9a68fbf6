package hadrwire

import (
	"bytes"

	"linkspan/lsn"
)

// maxHistory bounds the epochs of a Standing.
const maxHistory = 64

// Span is one epoch of a database's history: its records have LSNs greater than After.
type Span struct {
	Epoch uint32
	After lsn.LSN
}

// Standing is what one side knows of its own role: both sides' standings decide who is primary. Hello and Config carry it,
// and a Standing of its own follows each change while the peers are connected.
type Standing struct {
	// Present is false while there is no whole database here.
	Present bool
	// Epoch and Replica are the storage's, End the end of its hardened log.
	Epoch   uint32
	Replica bool
	End     lsn.LSN
	// Record is the payload of the database's last role record, empty when it has none, and RecordAt its LSN.
	Record   []byte
	RecordAt lsn.LSN
	// History are the database's epochs, oldest first.
	History []Span
	// Refused is the epoch that this side promised not to open, 0 for none; Outdated the peer's epoch by which it knows
	// that it is outdated, 0 for none.
	Refused, Outdated uint32
}

// Type implements Message.
func (*Standing) Type() Type { return TypeStanding }

func (m *Standing) encode(e *encoder) {
	e.bool(m.Present)
	e.u32(m.Epoch)
	e.bool(m.Replica)
	e.lsn(m.End)
	e.u16(uint16(len(m.Record)))
	e.rest(m.Record)
	e.lsn(m.RecordAt)
	n := min(len(m.History), maxHistory)
	e.u8(uint8(n))
	for _, s := range m.History[len(m.History)-n:] {
		e.u32(s.Epoch)
		e.lsn(s.After)
	}
	e.u32(m.Refused)
	e.u32(m.Outdated)
}

func (m *Standing) decode(d *decoder) {
	m.Present = d.bool()
	m.Epoch = d.u32()
	m.Replica = d.bool()
	m.End = d.lsn()
	m.Record = bytes.Clone(d.take(int(d.u16())))
	m.RecordAt = d.lsn()
	n := int(d.u8())
	if n > maxHistory {
		d.fail("%d epochs, more than %d", n, maxHistory)
		return
	}
	for range n {
		m.History = append(m.History, Span{Epoch: d.u32(), After: d.lsn()})
	}
	m.Refused, m.Outdated = d.u32(), d.u32()
}

// Turn is the part of a planned failover that a TurnOver message plays.
type Turn uint8

// The parts, in their order. Epoch is the peer's next one in all but TurnPrepare and TurnReady, where it may be 0.
const (
	// TurnPrepare: the primary asks whether the copy could take over now. The copy answers TurnReady, or TurnNotReady with
	// Number and Text.
	TurnPrepare Turn = iota + 1
	TurnReady
	TurnNotReady
	// TurnWithdraw: the primary takes the fence of Epoch back, unless the copy has opened. The copy answers TurnRefused,
	// once its promise not to open Epoch is durable, or TurnOpened.
	TurnWithdraw
	TurnRefused
	// TurnOpened: the copy has opened Epoch at LSN.
	TurnOpened
	// TurnWanted: the copy's side asks the primary for a planned failover. The primary answers TurnDone with the outcome:
	// Number is 0 when roles were swapped.
	TurnWanted
	TurnDone
)

// TurnOver is one message of a planned failover.
type TurnOver struct {
	Turn   Turn
	Epoch  uint32
	LSN    lsn.LSN
	Number int32
	Text   string
}

// Type implements Message.
func (*TurnOver) Type() Type { return TypeTurnOver }

func (m *TurnOver) encode(e *encoder) {
	e.u8(uint8(m.Turn))
	e.u32(m.Epoch)
	e.lsn(m.LSN)
	e.u32(uint32(m.Number))
	e.str(m.Text)
}

func (m *TurnOver) decode(d *decoder) {
	m.Turn = Turn(d.u8())
	if m.Turn < TurnPrepare || m.Turn > TurnDone {
		d.fail("part %d of a failover", m.Turn)
	}
	m.Epoch = d.u32()
	m.LSN = d.lsn()
	m.Number = int32(d.u32())
	m.Text = d.str()
}
