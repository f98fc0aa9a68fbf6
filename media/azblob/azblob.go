// Package azblob is a folder of an Azure blob container as a source of backup files.
package azblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"linkspan/media"
)

// Options says which container, and who asks. At most one of Key, SAS and Token is set; with none the container must be
// public.
type Options struct {
	// Container is the container's address: https://account.blob.core.windows.net/backups. Plain http is for an
	// emulator on this machine only.
	Container string
	// Folder is the folder in it that is the source; "" is the whole container.
	Folder string
	// Account and Key are the storage account's name and access key.
	Account, Key string
	// SAS is a shared access signature for the container, without the leading question mark.
	SAS string
	// Token gives tokens of a signed-in identity.
	Token azcore.TokenCredential
	// Client makes the requests; nil means the default.
	Client *http.Client
	// Retries is how often a request that met a busy or unreachable service is made again; 0 means three times, less than
	// zero not at all. Callers that come back by themselves want few.
	Retries int
}

// Validate reports what is wrong.
func (o Options) Validate() error {
	u, err := url.Parse(o.Container)
	switch {
	case err != nil || u.Host == "" || strings.Trim(u.Path, "/") == "":
		return errors.New("the container's address is not of the form https://account.blob.core.windows.net/container")
	case u.RawQuery != "":
		return errors.New("the container's address holds a query: give a shared access signature through the environment or a file")
	case u.Scheme != "https" && !(u.Scheme == "http" && (u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost")):
		return fmt.Errorf("the container's address must begin with https, not %s", u.Scheme)
	}
	return nil
}

// Source is a container. It implements media.Source.
type Source struct {
	o Options
	c *container.Client
}

// New makes a source; nothing is asked of the server yet.
func New(o Options) (*Source, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("open blob container: %w", err)
	}
	opts := &container.ClientOptions{}
	opts.Retry.MaxRetries = int32(o.Retries) //nolint:gosec // a handful
	if o.Client != nil {
		opts.Transport = o.Client
	}
	var c *container.Client
	var err error
	switch {
	case o.Key != "":
		var cred *blob.SharedKeyCredential
		if cred, err = blob.NewSharedKeyCredential(o.Account, o.Key); err == nil {
			c, err = container.NewClientWithSharedKeyCredential(o.Container, cred, opts)
		}
	case o.Token != nil:
		c, err = container.NewClient(o.Container, o.Token, opts)
	case o.SAS != "":
		c, err = container.NewClientWithNoCredential(o.Container+"?"+strings.TrimPrefix(o.SAS, "?"), opts)
	default:
		c, err = container.NewClientWithNoCredential(o.Container, opts)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob container %s: %w", o.Container, o.explain(err))
	}
	return &Source{o: o, c: c}, nil
}

// redacted are pairs of secrets and what stands for them.
func (o Options) redacted() []string {
	var pairs []string
	for _, s := range []string{o.SAS, o.Key} {
		if s != "" {
			pairs = append(pairs, s, "…")
		}
	}
	return pairs
}

func (s *Source) path(name string) string {
	return strings.TrimPrefix(strings.Trim(s.o.Folder, "/")+"/"+name, "/")
}

// List implements media.Source.
func (s *Source) List(ctx context.Context, prefix string, fn func(media.Entry) error) error {
	full := strings.TrimSuffix(s.path(prefix), "/")
	found := false
	opts := &container.ListBlobsFlatOptions{}
	if full != "" {
		opts.Prefix = &full
	}
	for pager := s.c.NewListBlobsFlatPager(opts); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list %s/%s: %w", s.o.Container, full, s.o.explain(err))
		}
		for _, b := range page.Segment.BlobItems {
			name, ok := s.name(*b.Name, full)
			if !ok {
				continue
			}
			found = true
			e := media.Entry{Name: name}
			if p := b.Properties; p != nil && p.ContentLength != nil {
				e.Size = *p.ContentLength
				if p.LastModified != nil {
					e.Modified = *p.LastModified
				}
			}
			if err := fn(e); err != nil {
				return err
			}
		}
	}
	if !found && full != "" {
		return fmt.Errorf("list %s/%s: %w", s.o.Container, full, fs.ErrNotExist)
	}
	return nil
}

// name is a blob's name inside the source; ok is false for one that only begins like the folder full.
func (s *Source) name(blob, full string) (string, bool) {
	if full != "" && blob != full && !strings.HasPrefix(blob, full+"/") {
		return "", false
	}
	folder := strings.Trim(s.o.Folder, "/")
	if folder != "" {
		return strings.TrimPrefix(blob, folder+"/"), true
	}
	return blob, true
}

// Open implements media.Source.
func (s *Source) Open(ctx context.Context, name string) (media.File, error) {
	b := s.c.NewBlobClient(s.path(name))
	p, err := b.GetProperties(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("open %s/%s: %w", s.o.Container, s.path(name), s.o.explain(err))
	}
	f := &file{ctx: ctx, s: s, b: b, name: name, etag: p.ETag}
	if p.ContentLength != nil {
		f.size = *p.ContentLength
	}
	return f, nil
}

// Close implements media.Source.
func (s *Source) Close() error { return nil }

// file reads ranges of a blob. Every range carries the blob's tag, so that a blob that is replaced meanwhile gives an
// error, not a mixture.
type file struct {
	ctx  context.Context
	s    *Source
	b    *blob.Client
	name string
	size int64
	etag *azcore.ETag
}

// Size implements media.File.
func (f *file) Size() int64 { return f.size }

// Close implements media.File.
func (f *file) Close() error { return nil }

// ReadAt implements io.ReaderAt with one request.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if off >= f.size {
		return 0, io.EOF
	}
	want := min(int64(len(p)), f.size-off)
	r, err := f.b.DownloadStream(f.ctx, &blob.DownloadStreamOptions{Range: blob.HTTPRange{Offset: off, Count: want},
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: f.etag}}})
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", f.name, f.s.o.explain(err))
	}
	body := r.NewRetryReader(f.ctx, nil)
	defer body.Close()
	n, err := io.ReadFull(body, p[:want])
	if err != nil {
		return n, fmt.Errorf("read %s: %w", f.name, f.s.o.explain(err))
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
