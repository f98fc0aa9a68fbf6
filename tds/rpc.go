package tds

import (
	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// MaxParams is the largest count of parameters of one call, SQL Server's own limit.
const MaxParams = 2100

// maxCalls bounds the calls of one RPC message, and maxProcName a procedure's name in characters: four parts of 128
// with brackets and dots.
const (
	maxCalls    = 1024
	maxProcName = 4*(2*128+2) + 3
)

// Marks between the calls of one message ([MS-TDS] 2.2.6.6): the next call follows.
const (
	rpcBatch  = 0xff
	rpcNoExec = 0xfe
)

// Flags of a call.
const (
	rpcNoMetadata = 0x02
)

// Status bits of a parameter.
const (
	paramByRef     = 0x01
	paramDefault   = 0x02
	paramEncrypted = 0x08
)

// Call is one procedure call of an RPC message.
type Call struct {
	// ProcID is the number of a well-known procedure, or 0 when it is called by Name.
	ProcID     uint16
	Name       string
	NoMetadata bool
	Params     []Param
}

// Param is a parameter of a Call. Its strings and bytes are copies.
type Param struct {
	// Name has its @, or is empty.
	Name            string
	Output, Default bool
	Type            sqltype.Type
	Value           sqltype.Value
}

// DecodeRPC reads an RPC message, which holds one call or more. An *sqlerr.Error names a parameter that cannot be
// served; the message as a whole is then refused.
func DecodeRPC(b []byte) (Headers, []Call, error) {
	c := cursor{b: b}
	h := c.allHeaders()
	var calls []Call
	for c.err == nil {
		if len(calls) == maxCalls {
			return h, nil, malformed("more than %d calls in one message", maxCalls)
		}
		call, err := c.call()
		if err != nil {
			return h, nil, err
		}
		calls = append(calls, call)
		if c.left() == 0 {
			return h, calls, nil
		}
		if c.u8() == rpcNoExec {
			calls = calls[:len(calls)-1]
		}
	}
	return h, nil, c.err
}

func (c *cursor) call() (Call, error) {
	var call Call
	if n := c.u16(); n == sizeMax {
		call.ProcID = c.u16()
	} else {
		if n == 0 || n > maxProcName {
			c.fail("a procedure's name of %d characters", n)
		}
		call.Name = decodeUTF16(c.bytes(2 * int(n)))
	}
	call.NoMetadata = c.u16()&rpcNoMetadata != 0
	for c.err == nil && c.left() > 0 && c.b[c.pos] < rpcNoExec {
		if len(call.Params) == MaxParams {
			return call, sqlerr.New(8003, MaxParams)
		}
		p, err := c.param(len(call.Params) + 1)
		if err != nil {
			return call, err
		}
		call.Params = append(call.Params, p)
	}
	return call, c.err
}

func (c *cursor) param(n int) (Param, error) {
	p := Param{Name: c.bVarChar()}
	status := c.u8()
	if c.err != nil {
		return p, c.err
	}
	if status&paramEncrypted != 0 {
		return p, typeError(n, p.Name, typeID(0), "(Always Encrypted) is not supported")
	}
	p.Output, p.Default = status&paramByRef != 0, status&paramDefault != 0
	w, err := c.typeInfo(n, p.Name)
	if err != nil {
		return p, err
	}
	p.Type = w.typ
	v, ok := c.value(w)
	if c.err != nil {
		return p, c.err
	}
	if !ok {
		return p, invalidValue(n, p.Name, w)
	}
	p.Value = v
	return p, nil
}
