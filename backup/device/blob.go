package device

import (
	"context"
	"errors"
	"fmt"

	"linkspan/media"
	"linkspan/media/azblob"
	"linkspan/sqlerr"
)

// container opens the container that a URL lies in, with the credential made for it.
func (d *Devices) container(n Name) (*azblob.Source, string, error) {
	container, name, err := azblob.Split(n.Text)
	if err != nil {
		return nil, "", cannotOpen(n, osError{87, "The parameter is incorrect."}, err)
	}
	var sas string
	ok := false
	if d.o.Credential != nil {
		sas, ok = d.o.Credential(container)
	}
	if !ok {
		err := fmt.Errorf("%w: There is no credential for it; CREATE CREDENTIAL [%s] WITH IDENTITY = 'SHARED ACCESS SIGNATURE', SECRET = '…'", errRefused, container)
		return nil, "", cannotOpen(n, osErrorOf(err), err)
	}
	src, err := azblob.New(azblob.Options{Container: container, SAS: sas, Client: d.o.Client})
	if err != nil {
		return nil, "", cannotOpen(n, osErrorOf(err), err)
	}
	return src, name, nil
}

func (d *Devices) openBlob(ctx context.Context, n Name) (media.File, error) {
	src, name, err := d.container(n)
	if err != nil {
		return nil, err
	}
	f, err := src.Open(ctx, name)
	if err != nil {
		return nil, errors.Join(cannotOpen(n, osErrorOf(err), err), src.Close())
	}
	return f, nil
}

// blobWriter writes a blob.
type blobWriter struct {
	n Name
	u *azblob.Upload
}

func (d *Devices) createBlob(ctx context.Context, n Name) (Writer, error) {
	src, name, err := d.container(n)
	if err != nil {
		return nil, err
	}
	return &blobWriter{n, src.Create(ctx, name)}, nil
}

// Write implements io.Writer.
func (w *blobWriter) Write(p []byte) (int, error) {
	k, err := w.u.Write(p)
	return k, w.fault(err)
}

// Finish implements Writer.
func (w *blobWriter) Finish() error { return w.fault(w.u.Commit()) }

// Abandon implements Writer.
func (w *blobWriter) Abandon() error {
	w.u.Abort()
	return nil
}

// fault is 3202, whose text must not be one of the service that names a credential; explain in media/azblob sees to that.
func (w *blobWriter) fault(err error) error {
	if err == nil {
		return nil
	}
	var e *sqlerr.Error
	if errors.As(err, &e) {
		return err
	}
	return cannotWrite(w.n, err)
}
