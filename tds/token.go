package tds

import (
	"encoding/binary"
	"fmt"

	"linkspan/sqltype"
)

// Tokens of a server's answer ([MS-TDS] 2.2.4).
const (
	tokenReturnStatus = 0x79
	tokenColumns      = 0x81
	tokenOrder        = 0xa9
	tokenError        = 0xaa
	tokenInfo         = 0xab
	tokenReturnValue  = 0xac
	tokenLoginAck     = 0xad
	tokenFeatureAck   = 0xae
	tokenRow          = 0xd1
	tokenNBCRow       = 0xd2
	tokenEnvChange    = 0xe3
	tokenDone         = 0xfd
	tokenDoneProc     = 0xfe
	tokenDoneInProc   = 0xff
)

// DoneToken is one of the three tokens that end a statement.
type DoneToken uint8

// The DONE tokens: after a statement of a batch, after a procedure, after a statement inside a procedure.
const (
	Done       DoneToken = tokenDone
	DoneProc   DoneToken = tokenDoneProc
	DoneInProc DoneToken = tokenDoneInProc
)

// Status bits of a DONE ([MS-TDS] 2.2.7.6).
const (
	DoneMore        = 0x001
	DoneError       = 0x002
	DoneInTx        = 0x004
	DoneCount       = 0x010
	DoneAttention   = 0x020
	DoneServerError = 0x100
)

// DoneSize is the length of a DONE token.
const DoneSize = 13

// AppendDone appends a DONE, DONEPROC or DONEINPROC.
func AppendDone(b []byte, t DoneToken, status, command uint16, rows uint64) []byte {
	b = append(b, byte(t), byte(status), byte(status>>8), byte(command), byte(command>>8))
	return binary.LittleEndian.AppendUint64(b, rows)
}

// maxMessage is the longest text of an ERROR or INFO in UTF-16 units; the token's length has two bytes.
const maxMessage = 16000

// MessageText is the content of an ERROR or INFO token.
type MessageText struct {
	Number            int32
	State, Class      uint8
	Text              string
	Server, Procedure string
	Line              uint32
}

// AppendMessage appends an ERROR token when m is an error (class above 10) and an INFO token otherwise ([MS-TDS]
// 2.2.7.10, 2.2.7.12).
func AppendMessage(b []byte, m MessageText) []byte {
	t := byte(tokenInfo)
	if m.Class > 10 {
		t = tokenError
	}
	b = append(b, t, 0, 0)
	at := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(m.Number))
	b = append(b, m.State, m.Class)
	b = appendUSVarChar(b, cutUTF16(m.Text, maxMessage))
	b = appendBVarChar(b, m.Server)
	b = appendBVarChar(b, m.Procedure)
	b = binary.LittleEndian.AppendUint32(b, m.Line)
	return patch16(b, at)
}

// LoginAck is the content of a LOGINACK token.
type LoginAck struct {
	TDSVersion   uint32
	Program      string
	Major, Minor uint8
	Build        uint16
}

// AppendLoginAck appends a LOGINACK ([MS-TDS] 2.2.7.14), whose versions are big-endian.
func AppendLoginAck(b []byte, a LoginAck) []byte {
	b = append(b, tokenLoginAck, 0, 0)
	at := len(b)
	b = append(b, 1) // SQL_TSQL
	b = binary.BigEndian.AppendUint32(b, a.TDSVersion)
	b = appendBVarChar(b, a.Program)
	b = append(b, a.Major, a.Minor, byte(a.Build>>8), byte(a.Build))
	return patch16(b, at)
}

// AppendFeatureAck appends the FEATUREEXTACK for the features that a client asked for ([MS-TDS] 2.2.7.11). UTF-8 is
// declined in so many words, the others by silence.
func AppendFeatureAck(b []byte, asked []Feature) []byte {
	b = append(b, tokenFeatureAck)
	for _, f := range asked {
		if f == FeatureUTF8 {
			b = append(b, byte(FeatureUTF8), 1, 0, 0, 0, 0)
			break
		}
	}
	return append(b, byte(featureTerminator))
}

// Kinds of ENVCHANGE with contents of their own ([MS-TDS] 2.2.7.9).
const (
	envCollation = 7
	envReset     = 18
	envRouting   = 20
)

// AppendEnvChange appends an ENVCHANGE whose values are texts: database, language, packet size.
func AppendEnvChange(b []byte, kind uint8, value, old string) []byte {
	b = append(b, tokenEnvChange, 0, 0)
	at := len(b)
	b = append(b, kind)
	b = appendBVarChar(b, value)
	b = appendBVarChar(b, old)
	return patch16(b, at)
}

// AppendEnvCollation appends the ENVCHANGE of the collation.
func AppendEnvCollation(b []byte, collation string) []byte {
	w := sqltype.CollationOf(sqltype.Type{Kind: sqltype.VarChar, Collation: collation}).Wire()
	b = append(b, tokenEnvChange, 8, 0, envCollation, 5)
	b = append(b, w[:]...)
	return append(b, 0)
}

// AppendEnvTx appends the ENVCHANGE of a transaction: the descriptor is the new value when it begins and the old one
// when it ends.
func AppendEnvTx(b []byte, kind uint8, descriptor uint64, begins bool) []byte {
	b = append(b, tokenEnvChange, 11, 0, kind)
	if begins {
		b = append(b, 8)
		return append(binary.LittleEndian.AppendUint64(b, descriptor), 0)
	}
	b = append(b, 0, 8)
	return binary.LittleEndian.AppendUint64(b, descriptor)
}

// AppendEnvReset appends the acknowledgement of a session's reset.
func AppendEnvReset(b []byte) []byte { return append(b, tokenEnvChange, 3, 0, envReset, 0, 0) }

// AppendEnvRouting appends the ENVCHANGE that sends a client to another server over TCP.
func AppendEnvRouting(b []byte, host string, port uint16) []byte {
	b = append(b, tokenEnvChange, 0, 0)
	at := len(b)
	b = append(b, envRouting, 0, 0)
	value := len(b)
	b = append(b, 0, byte(port), byte(port>>8))
	b = patch16(appendUSVarChar(b, host), value)
	return patch16(append(b, 0, 0), at)
}

// AppendReturnStatus appends a RETURNSTATUS.
func AppendReturnStatus(b []byte, status int32) []byte {
	return binary.LittleEndian.AppendUint32(append(b, tokenReturnStatus), uint32(status))
}

// AppendReturnValue appends what an output parameter holds ([MS-TDS] 2.2.7.19); ordinal is the parameter's place in the
// call, from 0.
func AppendReturnValue(b []byte, ordinal uint16, name string, t sqltype.Type, v sqltype.Value) ([]byte, error) {
	start := len(b)
	switch t.Kind { // the old large types are no parameters
	case sqltype.Text:
		t = sqltype.Type{Kind: sqltype.VarChar, Len: sqltype.MaxLen, Collation: t.Collation}
	case sqltype.NText:
		t = sqltype.Type{Kind: sqltype.NVarChar, Len: sqltype.MaxLen, Collation: t.Collation}
	case sqltype.Image:
		t = sqltype.Type{Kind: sqltype.VarBinary, Len: sqltype.MaxLen}
	}
	b = append(b, tokenReturnValue, byte(ordinal), byte(ordinal>>8))
	b = append(appendBVarChar(b, name), 1)
	b = append(appendUserType(b, t.Kind), columnNullable, 0)
	w := wireColumnOf(t)
	b = w.appendTypeInfo(b)
	if !v.Valid {
		return w.appendNull(b), nil
	}
	b, ok := w.appendValue(b, &v)
	if !ok {
		return b[:start], fmt.Errorf("parameter %s of type %s cannot carry a value of %s", name, t, v.K)
	}
	return b, nil
}

// AppendOrder appends an ORDER: the columns, from 1, by which the rows are sorted.
func AppendOrder(b []byte, columns []uint16) []byte {
	n := 2 * len(columns)
	b = append(b, tokenOrder, byte(n), byte(n>>8))
	for _, c := range columns {
		b = binary.LittleEndian.AppendUint16(b, c)
	}
	return b
}

// patch16 fills in the two bytes before at with the length of what follows them.
func patch16(b []byte, at int) []byte {
	binary.LittleEndian.PutUint16(b[at-2:], uint16(len(b)-at))
	return b
}

// appendBVarChar appends s behind its length in a byte, cut to 255 units.
func appendBVarChar(b []byte, s string) []byte {
	b = append(b, 0)
	at := len(b)
	b = appendUTF16(b, cutUTF16(s, 255))
	b[at-1] = byte((len(b) - at) / 2)
	return b
}

// appendUSVarChar appends s behind its length in two bytes.
func appendUSVarChar(b []byte, s string) []byte {
	b = append(b, 0, 0)
	at := len(b)
	b = appendUTF16(b, s)
	binary.LittleEndian.PutUint16(b[at-2:], uint16((len(b)-at)/2))
	return b
}
