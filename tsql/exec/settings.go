package exec

// settings are the SET options of a session.
type settings struct {
	noCount, xactAbort, implicit, fmtOnly, noExec, parseOnly bool
	quotedIdentifier, ansiNulls                              bool
	// others are the options that are accepted, shown by SESSIONPROPERTY and @@OPTIONS, and change nothing.
	others      map[string]bool
	lockTimeout int64 // milliseconds, -1 for ever
	rowCount    int64 // SET ROWCOUNT, 0 for all
	textSize    int64
	dateFirst   int
	dateFormat  string
	language    string
	isolation   string
	// identityInsert is the table with SET IDENTITY_INSERT ON: its database and number.
	identityDB    int
	identityTable int32
}

func defaultSettings() settings {
	return settings{
		quotedIdentifier: true, ansiNulls: true, lockTimeout: -1, textSize: 2147483647, dateFirst: 7, dateFormat: "mdy",
		language: "us_english", isolation: "READ COMMITTED",
		others: map[string]bool{"ANSI_PADDING": true, "ANSI_WARNINGS": true, "ARITHABORT": true, "CONCAT_NULL_YIELDS_NULL": true,
			"ANSI_NULL_DFLT_ON": true},
	}
}

// flag returns the switch of an ON/OFF option that does something, or nil.
func (s *settings) flag(name string) *bool {
	switch name {
	case "NOCOUNT":
		return &s.noCount
	case "XACT_ABORT":
		return &s.xactAbort
	case "IMPLICIT_TRANSACTIONS":
		return &s.implicit
	case "FMTONLY":
		return &s.fmtOnly
	case "NOEXEC":
		return &s.noExec
	case "PARSEONLY":
		return &s.parseOnly
	case "QUOTED_IDENTIFIER":
		return &s.quotedIdentifier
	case "ANSI_NULLS":
		return &s.ansiNulls
	}
	return nil
}

// turn sets an ON/OFF option.
func (s *settings) turn(name string, on bool) {
	if name == "ANSI_DEFAULTS" {
		for _, n := range []string{"ANSI_NULLS", "QUOTED_IDENTIFIER", "IMPLICIT_TRANSACTIONS", "ANSI_PADDING", "ANSI_WARNINGS", "ANSI_NULL_DFLT_ON"} {
			s.turn(n, on)
		}
		return
	}
	if f := s.flag(name); f != nil {
		*f = on
		return
	}
	// The map is copied: a procedure's settings are put back when it ends.
	m := make(map[string]bool, len(s.others)+1)
	for k, v := range s.others {
		m[k] = v
	}
	m[name] = on
	s.others = m
}

// isOn tells the state of an ON/OFF option.
func (s *settings) isOn(name string) bool {
	if f := s.flag(name); f != nil {
		return *f
	}
	return s.others[name]
}

// optionBits are the bits of @@OPTIONS.
var optionBits = map[string]int64{
	"IMPLICIT_TRANSACTIONS": 2, "CURSOR_CLOSE_ON_COMMIT": 4, "ANSI_WARNINGS": 8, "ANSI_PADDING": 16, "ANSI_NULLS": 32, "ARITHABORT": 64,
	"ARITHIGNORE": 128, "QUOTED_IDENTIFIER": 256, "NOCOUNT": 512, "ANSI_NULL_DFLT_ON": 1024, "ANSI_NULL_DFLT_OFF": 2048,
	"CONCAT_NULL_YIELDS_NULL": 4096, "NUMERIC_ROUNDABORT": 8192, "XACT_ABORT": 16384,
}

// bits is @@OPTIONS.
func (s *settings) bits() int64 {
	var n int64
	for name, bit := range optionBits {
		if s.isOn(name) {
			n |= bit
		}
	}
	return n
}
