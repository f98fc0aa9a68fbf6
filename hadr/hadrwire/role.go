package hadrwire

import (
	"bytes"

	"linkspan/lsn"
)

// maxStanding bounds a Standing, in bytes.
const maxStanding = 4 << 10

// standing is a Standing as it lies in other messages.
func (e *encoder) standing(b []byte) {
	b = b[:min(len(b), maxStanding)]
	e.u16(uint16(len(b)))
	e.rest(b)
}

func (d *decoder) standing() []byte {
	n := int(d.u16())
	if n > maxStanding {
		d.fail("a standing of %d bytes, more than %d", n, maxStanding)
		return nil
	}
	return bytes.Clone(d.take(n))
}

// Standing is what one side knows of its own role, as agcore spells it: both sides' standings decide who is primary. Hello
// and Config carry one, and one of its own follows each change while the peers are connected.
type Standing struct{ Standing []byte }

// Type implements Message.
func (*Standing) Type() Type { return TypeStanding }

func (m *Standing) encode(e *encoder) { e.standing(m.Standing) }
func (m *Standing) decode(d *decoder) { m.Standing = d.standing() }

// Modes are the link's members as their primary has them configured now; it sends them when they change.
type Modes struct {
	Source, Target Member
	// Required is how many copies commits wait for at any price.
	Required uint8
}

// Type implements Message.
func (*Modes) Type() Type { return TypeModes }

func (m *Modes) encode(e *encoder) {
	m.Source.encode(e)
	m.Target.encode(e)
	e.u8(m.Required)
}

func (m *Modes) decode(d *decoder) {
	m.Source.decode(d)
	m.Target.decode(d)
	m.Required = d.u8()
}

// InSync tells the copy whether the primary's commits wait for it.
type InSync struct{ On bool }

// Type implements Message.
func (*InSync) Type() Type          { return TypeInSync }
func (m *InSync) encode(e *encoder) { e.bool(m.On) }
func (m *InSync) decode(d *decoder) { m.On = d.bool() }

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
