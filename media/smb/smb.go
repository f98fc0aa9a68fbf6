// Package smb is a folder of an SMB share (SMB 2 and 3, NTLM) as a source of backup files.
package smb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"slices"
	"strings"

	"github.com/cloudsoda/go-smb2"

	"linkspan/media"
)

// Options says which share, and who asks.
type Options struct {
	// Address is the server, with or without a port; 445 is the default.
	Address string
	// Share is the share's name, Folder the folder in it that is the source; "" is the whole share.
	Share, Folder string
	// User may be DOMAIN\name or name@domain; an empty one asks as a guest.
	User, Password string
}

// Validate reports what is missing.
func (o Options) Validate() error {
	var errs []error
	if o.Address == "" {
		errs = append(errs, errors.New("the server's address is missing"))
	}
	if o.Share == "" || strings.ContainsAny(o.Share, `/\`) {
		errs = append(errs, fmt.Errorf("%q is not the name of a share", o.Share))
	}
	return errors.Join(errs...)
}

// Source is an open share. It implements media.Source.
type Source struct {
	o       Options
	session *smb2.Session
	share   *smb2.Share
}

const defaultPort = "445"

// Open connects and logs in. The error says which of the three steps failed: reaching the server, the login, the share.
func Open(ctx context.Context, o Options) (*Source, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("open share: %w", err)
	}
	addr := o.Address
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr = net.JoinHostPort(addr, defaultPort)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("reach file server %s: %w", addr, err)
	}
	initiator := &smb2.NTLMInitiator{User: o.User, Password: o.Password}
	if domain, name, ok := strings.Cut(o.User, `\`); ok {
		initiator.Domain, initiator.User = domain, name
	}
	session, err := (&smb2.Dialer{Initiator: initiator}).DialConn(ctx, conn, addr)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("log in to file server %s as %s: %w", addr, o.User, err)
	}
	share, err := session.Mount(o.Share)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open share %s on %s: %w", o.Share, addr, err), session.Logoff())
	}
	return &Source{o: o, session: session, share: share}, nil
}

// path is a name's path in the share.
func (s *Source) path(name string) string {
	p := strings.Trim(strings.ReplaceAll(s.o.Folder, "/", `\`), `\`)
	if name != "" {
		if p != "" {
			p += `\`
		}
		p += strings.ReplaceAll(name, "/", `\`)
	}
	return p
}

// shown is a name as a person knows it.
func (s *Source) shown(name string) string {
	return `\\` + s.o.Address + `\` + s.o.Share + `\` + s.path(name)
}

// List implements media.Source.
func (s *Source) List(ctx context.Context, prefix string, fn func(media.Entry) error) error {
	if s.path(prefix) == "" {
		return s.walk(ctx, "", 0, fn)
	}
	info, err := s.share.WithContext(ctx).Stat(s.path(prefix))
	if err != nil {
		return fmt.Errorf("list %s: %w", s.shown(prefix), err)
	}
	if !info.IsDir() {
		return fn(media.Entry{Name: prefix, Size: info.Size(), Modified: info.ModTime()})
	}
	return s.walk(ctx, prefix, 0, fn)
}

// maxDepth bounds how deep folders may nest.
const maxDepth = 64

func (s *Source) walk(ctx context.Context, name string, depth int, fn func(media.Entry) error) error {
	if depth > maxDepth {
		return fmt.Errorf("list %s: folders nest deeper than %d", s.shown(name), maxDepth)
	}
	infos, err := s.share.WithContext(ctx).ReadDir(s.path(name))
	if err != nil {
		return fmt.Errorf("list %s: %w", s.shown(name), err)
	}
	slices.SortFunc(infos, func(a, b fs.FileInfo) int { return strings.Compare(a.Name(), b.Name()) })
	for _, info := range infos {
		child := info.Name()
		if name != "" {
			child = name + "/" + child
		}
		if info.IsDir() {
			err = s.walk(ctx, child, depth+1, fn)
		} else if info.Mode().IsRegular() {
			err = fn(media.Entry{Name: child, Size: info.Size(), Modified: info.ModTime()})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Open implements media.Source.
func (s *Source) Open(ctx context.Context, name string) (media.File, error) {
	f, err := s.share.WithContext(ctx).Open(s.path(name))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", s.shown(name), err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", s.shown(name), err), f.Close())
	}
	return &file{File: f, size: info.Size()}, nil
}

// Close implements media.Source.
func (s *Source) Close() error {
	if s.session == nil {
		return nil
	}
	err := errors.Join(s.share.Umount(), s.session.Logoff())
	s.session = nil
	return err
}

type file struct {
	*smb2.File
	size int64
}

// Size implements media.File.
func (f *file) Size() int64 { return f.size }

// ReadAt implements io.ReaderAt: what the library gives short is the end of the file.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if off >= f.size {
		return 0, io.EOF
	}
	n, err := f.File.ReadAt(p, off)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}
