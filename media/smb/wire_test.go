package smb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/cloudsoda/go-smb2"

	"linkspan/media"
)

// What servers answer to requests is told apart by its status, as a file or as a folder.
func TestStatuses(t *testing.T) {
	t.Parallel()
	for status, want := range map[uint32]struct {
		file, folder Kind
		is           error
	}{
		0xC0000043: {Busy, Busy, media.ErrBusy}, 0xC0000054: {Busy, Busy, media.ErrBusy}, 0xC0000056: {NoFile, NoFolder, fs.ErrNotExist},
		0xC00000CC: {NoShare, NoShare, nil}, 0xC0000103: {NoFolder, NoFolder, fs.ErrNotExist}, 0xC0000203: {Lost, Lost, nil}, 0xC00000C9: {Lost, Lost, nil},
		0xC0000257: {Elsewhere, Elsewhere, nil}, 0xC0000001: {Other, Other, nil}, 0xC0000033: {BadName, BadName, nil},
	} {
		met := &fs.PathError{Op: "open", Path: "x", Err: &smb2.ResponseError{Code: status}}
		for folder, kind := range map[bool]Kind{false: want.file, true: want.folder} {
			got := after(met, folder)
			s := &Source{o: Options{Address: "server:445", Share: "backups", User: "u", Password: "Secret"}}
			err := s.failure(got, s.shown("x"), met)
			if got != kind || want.is != nil && !errors.Is(err, want.is) || !strings.Contains(err.Error(), fmt.Sprintf("%#x", status)) || err.Fix() == "" || !strings.Contains(err.Error(), `\\server\backups`) {
				t.Errorf("status %#x: kind %d, want %d: %v", status, got, kind, err)
			}
		}
	}
}

// Whatever a server says before the login, it is looked at without harm, and no more than one flag of it is changed.
func FuzzGreeting(f *testing.F) {
	le := binary.LittleEndian
	negotiate := make([]byte, 4+smbHeader+80)
	copy(negotiate[4:], "\xfeSMB")
	b := negotiate[4:]
	le.PutUint16(b[smbHeader+2:], 3)
	le.PutUint16(b[smbHeader+4:], dialect311)
	le.PutUint16(b[smbHeader+6:], 1)
	le.PutUint32(b[smbHeader+60:], smbHeader+64)
	for i, v := range []uint16{contextEncrypt, 4, 0, 0, 1, 2} {
		le.PutUint16(b[smbHeader+64+2*i:], v)
	}
	setup := make([]byte, 4+smbHeader+9)
	copy(setup[4:], "\xfeSMB")
	le.PutUint16(setup[4+12:], cmdSessionSetup)
	f.Add(negotiate, setup)
	f.Add([]byte("\x00\x00\x00\x04\xffSMB"), []byte("HTTP/1.1"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var g greeting
		for _, frame := range [][]byte{first, second} {
			if len(frame) < 4 {
				return
			}
			before := append([]byte(nil), frame...)
			over := g.take(frame)
			if over && g.encrypts {
				before[4+smbHeader+2] |= flagEncrypt
			}
			if string(before) != string(frame) {
				t.Fatal("the answer was changed")
			}
			if g.encrypts && (g.guest || !g.ciphers) {
				t.Fatal("what cannot be encrypted is")
			}
			if over {
				return
			}
		}
	})
}

func TestGreeting(t *testing.T) {
	t.Parallel()
	le := binary.LittleEndian
	answer := func(command uint16, status uint32, body int) []byte {
		b := make([]byte, 4+smbHeader+body)
		copy(b[4:], "\xfeSMB")
		le.PutUint32(b[4+8:], status)
		le.PutUint16(b[4+12:], command)
		return b
	}
	var g greeting
	n := answer(cmdNegotiate, 0, 64)
	le.PutUint16(n[4+smbHeader+4:], 0x302)
	le.PutUint32(n[4+smbHeader+24:], capEncryption)
	if g.take(n) || g.signs || !g.ciphers {
		t.Errorf("a server that cannot sign: %+v", g)
	}
	if g.take(answer(cmdSessionSetup, 0xC0000016, 9)) || g.encrypts {
		t.Errorf("half a login: %+v", g)
	}
	s := answer(cmdSessionSetup, 0, 9)
	if !g.take(s) || !g.encrypts || le.Uint16(s[4+smbHeader+2:]) != flagEncrypt {
		t.Errorf("a login: %+v", g)
	}
}
