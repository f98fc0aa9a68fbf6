package hadrwire

import "time"

// Probe asks, as the first message of a connection, what would become of a Hello. It changes nothing and is answered by
// Probed; the connection ends then.
type Probe struct{ Hello Hello }

// Type implements Message.
func (*Probe) Type() Type          { return TypeProbe }
func (m *Probe) encode(e *encoder) { m.Hello.encode(e) }
func (m *Probe) decode(d *decoder) { m.Hello.decode(d) }

// Probed answers a Probe.
type Probed struct {
	// Number and Text are the refusal that the Hello would meet; Number is 0 when it would be accepted.
	Number int32
	Text   string
	// Server is who answers, Now its clock.
	Server string
	Now    time.Time
}

// Type implements Message.
func (*Probed) Type() Type { return TypeProbed }

func (m *Probed) encode(e *encoder) {
	e.u32(uint32(m.Number))
	e.str(m.Text)
	e.str(m.Server)
	e.time(m.Now)
}

func (m *Probed) decode(d *decoder) {
	m.Number = int32(d.u32())
	m.Text, m.Server = d.str(), d.str()
	m.Now = d.time()
}
