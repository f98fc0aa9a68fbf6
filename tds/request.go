package tds

// Headers are the ALL_HEADERS of a request, as far as a server without notifications cares ([MS-TDS] 2.2.5.3).
type Headers struct {
	// Tx is the descriptor of the transaction that the request belongs to, 0 for none.
	Tx uint64
	// Outstanding is the number of requests in flight, always 1 without MARS.
	Outstanding uint32
}

const headerTransaction = 2

// maxHeaders bounds the count of headers; three kinds exist.
const maxHeaders = 16

func (c *cursor) allHeaders() (h Headers) {
	start := c.pos
	total := c.u32()
	if c.err != nil {
		return h
	}
	if total < 4 || int64(total) > int64(len(c.b)-start) {
		c.fail("ALL_HEADERS claim %d bytes", total)
		return h
	}
	end := start + int(total)
	for n := 0; c.pos < end && c.err == nil; n++ {
		at := c.pos
		size, kind := c.u32(), c.u16()
		if size < 6 || int64(size) > int64(end-at) || n == maxHeaders {
			c.fail("header %d of ALL_HEADERS claims %d bytes", n+1, size)
			return h
		}
		if kind == headerTransaction && size == 18 {
			h.Tx, h.Outstanding = c.u64(), c.u32()
		}
		c.pos = at + int(size)
	}
	return h
}

// DecodeBatch reads a SQL batch ([MS-TDS] 2.2.6.7) and gives its text.
func DecodeBatch(b []byte) (Headers, string, error) {
	c := cursor{b: b}
	h := c.allHeaders()
	if c.left()%2 != 0 {
		c.fail("a batch of %d bytes of UTF-16", c.left())
	}
	if c.err != nil {
		return h, "", c.err
	}
	return h, decodeUTF16(b[c.pos:]), nil
}

// TxType is a request to the transaction manager ([MS-TDS] 2.2.6.9).
type TxType uint16

// The transaction-manager requests.
const (
	TxGetDTCAddress TxType = 0
	TxPropagate     TxType = 1
	TxBegin         TxType = 5
	TxPromote       TxType = 6
	TxCommit        TxType = 7
	TxRollback      TxType = 8
	TxSave          TxType = 9
)

// TxRequest is a transaction-manager request.
type TxRequest struct {
	Headers   Headers
	Type      TxType
	Name      string
	Isolation uint8
	// BeginNext, after a commit or rollback, asks for a new transaction with the Next fields.
	BeginNext     bool
	NextName      string
	NextIsolation uint8
}

// maxIsolation is the highest isolation level, snapshot.
const maxIsolation = 5

// DecodeTx reads a transaction-manager request. Types 0, 1 and 6 come back without their payload.
func DecodeTx(b []byte) (TxRequest, error) {
	c := cursor{b: b}
	r := TxRequest{Headers: c.allHeaders(), Type: TxType(c.u16())}
	if c.err != nil {
		return r, c.err
	}
	switch r.Type {
	case TxGetDTCAddress, TxPropagate, TxPromote:
		return r, nil
	case TxBegin, TxCommit, TxRollback, TxSave:
	default:
		return r, malformed("transaction request %d is unknown", r.Type)
	}
	// Names are lengths in bytes; one client in the field counts characters. The reading that uses up the message wins.
	rest, last := b[c.pos:], TxRequest{}
	var err error
	for _, unit := range []int{1, 2} {
		if last, err = decodeTxBody(r, rest, unit); err == nil {
			return last, nil
		}
	}
	return r, err
}

func decodeTxBody(r TxRequest, b []byte, unit int) (TxRequest, error) {
	c := cursor{b: b}
	name := func() string { return decodeUTF16(c.bytes(unit * int(c.u8()))) }
	if r.Type == TxBegin {
		r.Isolation = c.u8()
	}
	r.Name = name()
	if r.Type == TxCommit || r.Type == TxRollback {
		if r.BeginNext = c.u8()&1 != 0; r.BeginNext {
			r.NextIsolation, r.NextName = c.u8(), name()
		}
	}
	if c.err == nil && c.left() > 0 {
		c.fail("%d bytes behind transaction request %d", c.left(), r.Type)
	}
	if r.Isolation > maxIsolation || r.NextIsolation > maxIsolation {
		c.fail("isolation level %d is unknown", max(r.Isolation, r.NextIsolation))
	}
	return r, c.err
}
