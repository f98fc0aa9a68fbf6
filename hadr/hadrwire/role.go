package hadrwire

import (
	"bytes"
	"time"
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

// State tells the copy whether the primary's commits are to wait for it, and whether they do: it has caught up.
type State struct{ Synchronous, Synchronized bool }

// Type implements Message.
func (*State) Type() Type { return TypeState }

func (m *State) encode(e *encoder) {
	e.bool(m.Synchronous)
	e.bool(m.Synchronized)
}

func (m *State) decode(d *decoder) { m.Synchronous, m.Synchronized = d.bool(), d.bool() }

// Turn is the part of a planned failover that a TurnOver message plays.
type Turn uint8

// The parts. Epoch is the one that the copy is to open.
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
	// TurnOpened: the copy has opened; Standing says how.
	TurnOpened
	// TurnWanted: the copy's side asks the primary for a planned failover within Left. The primary answers TurnDone with
	// the outcome: Number is 0 when roles were swapped.
	TurnWanted
	TurnDone
)

// TurnOver is one message of a planned failover.
type TurnOver struct {
	Turn   Turn
	Epoch  uint32
	Left   time.Duration // whole milliseconds
	Number int32
	Text   string
	// Standing is the sender's, as agcore spells it.
	Standing []byte
}

// Type implements Message.
func (*TurnOver) Type() Type { return TypeTurnOver }

func (m *TurnOver) encode(e *encoder) {
	e.u8(uint8(m.Turn))
	e.u32(m.Epoch)
	e.u32(uint32(min(max(m.Left.Milliseconds(), 0), 1<<31)))
	e.u32(uint32(m.Number))
	e.str(m.Text)
	e.standing(m.Standing)
}

func (m *TurnOver) decode(d *decoder) {
	m.Turn = Turn(d.u8())
	if m.Turn < TurnPrepare || m.Turn > TurnDone {
		d.fail("part %d of a failover", m.Turn)
	}
	m.Epoch = d.u32()
	m.Left = min(time.Duration(d.u32()), 1<<31) * time.Millisecond
	m.Number = int32(d.u32())
	m.Text = d.str()
	m.Standing = d.standing()
}
