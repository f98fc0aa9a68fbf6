package smb

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
)

// wire is the connection under the SMB library. Until the login is done it reads along, because the library keeps to
// itself what the server said: whether it signs, lets in as a guest, or can encrypt.
//
// Where the server can encrypt, and does not ask for it, wire sets that flag in its answer to the login ([MS-SMB2]
// 2.2.6, SessionFlags), and the library then encrypts everything after: a client may always ([MS-SMB2] 3.2.4.1.8). The
// answer takes no part in the derivation of keys.
type wire struct {
	net.Conn

	mu struct {
		sync.Mutex
		greeting
		frame []byte // what of the current answer was not yet read
		done  bool   // the login is over: nothing is looked at any more
	}
}

// greeting is what a server said until the login.
type greeting struct {
	// old: it answered in SMB 1; foreign: in no SMB.
	old, foreign bool
	dialect      uint16
	// signs: it can sign; guest: it lets us in as a guest or as nobody; encrypts: what follows is encrypted.
	signs, guest, encrypts bool
	ciphers                bool
}

// Layout of SMB 2 messages: [MS-SMB2] 2.2.1.2, 2.2.4, 2.2.6.
const (
	maxGreeting      = 1 << 20
	smbHeader        = 64
	cmdNegotiate     = 0
	cmdSessionSetup  = 1
	capEncryption    = 0x40
	flagGuest        = 1
	flagNobody       = 2
	flagEncrypt      = 4
	dialect30        = 0x300
	dialect311       = 0x311
	contextEncrypt   = 2
	negotiateMinimum = smbHeader + 64
)

// Read implements net.Conn for the library's one reader.
func (w *wire) Read(p []byte) (int, error) {
	w.mu.Lock()
	done, left := w.mu.done, w.mu.frame
	w.mu.Unlock()
	if len(left) == 0 {
		if done {
			return w.Conn.Read(p)
		}
		frame, err := readFrame(w.Conn)
		w.mu.Lock()
		if err == nil {
			w.mu.done = w.mu.take(frame)
			if w.mu.old || w.mu.foreign {
				err = errForeign // the library would wait for another answer
			}
		} else if len(frame) > 0 {
			w.mu.foreign = true
		}
		w.mu.Unlock()
		if err != nil {
			return 0, err
		}
		left = frame
	}
	n := copy(p, left)
	w.mu.Lock()
	w.mu.frame = left[n:]
	w.mu.Unlock()
	return n, nil
}

// heard is what the server said so far.
func (w *wire) heard() greeting {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mu.greeting
}

var errForeign = errors.New("the answer is no SMB message")

// readFrame reads one message with its length before it ([MS-SMB2] 2.1). With an error it gives what came.
func readFrame(r io.Reader) ([]byte, error) {
	head := make([]byte, 4)
	if n, err := io.ReadFull(r, head); err != nil {
		return head[:n], err
	}
	n := binary.BigEndian.Uint32(head)
	if n > maxGreeting {
		return head, errForeign
	}
	frame := append(head, make([]byte, n)...)
	got, err := io.ReadFull(r, frame[4:])
	return frame[:4+got], err
}

// take looks at one answer, its length before it, and reports whether the login is over. It may set the flag that has the session encrypted.
func (g *greeting) take(frame []byte) bool {
	b := frame[4:]
	switch {
	case len(b) >= 4 && string(b[:4]) == "\xffSMB":
		g.old = true
		return false
	case len(b) < smbHeader+8 || string(b[:4]) != "\xfeSMB":
		g.foreign = true
		return false
	}
	le := binary.LittleEndian
	ok := le.Uint32(b[8:]) == 0
	switch le.Uint16(b[12:]) {
	case cmdNegotiate:
		if ok && len(b) >= negotiateMinimum {
			g.negotiated(b)
		}
	case cmdSessionSetup:
		if !ok {
			return false
		}
		flags := le.Uint16(b[smbHeader+2:])
		g.guest = flags&(flagGuest|flagNobody) != 0
		if !g.guest && g.ciphers {
			le.PutUint16(b[smbHeader+2:], flags|flagEncrypt)
			g.encrypts = true
		}
		return true
	}
	return false
}

// negotiated reads the answer to NEGOTIATE; b is long enough for its fixed part.
func (g *greeting) negotiated(b []byte) {
	le := binary.LittleEndian
	g.signs = le.Uint16(b[smbHeader+2:])&3 != 0
	g.dialect = le.Uint16(b[smbHeader+4:])
	switch {
	case g.dialect == dialect311:
		g.ciphers = cipherChosen(b, int(le.Uint32(b[smbHeader+60:])), int(le.Uint16(b[smbHeader+6:])))
	case g.dialect >= dialect30 && g.dialect < dialect311:
		g.ciphers = le.Uint32(b[smbHeader+24:])&capEncryption != 0
	}
}

// cipherChosen looks for the encryption context among count from offset at.
func cipherChosen(b []byte, at, count int) bool {
	le := binary.LittleEndian
	for ; count > 0 && at >= 0 && at+8 <= len(b); count-- {
		size := int(le.Uint16(b[at+2:]))
		if le.Uint16(b[at:]) == contextEncrypt {
			return size >= 4 && at+12 <= len(b) && le.Uint16(b[at+8:]) == 1 && le.Uint16(b[at+10:]) != 0
		}
		at += (8 + size + 7) &^ 7
	}
	return false
}
