package azblob

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // the check that the service makes of what arrives; it keeps no secret
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	neturl "net/url"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
)

const (
	// uploadBlock is the size of a block: 50,000 of them, the service's limit, make 390 GiB.
	uploadBlock = 8 << 20
	// uploadWorkers is how many blocks are on their way at once.
	uploadWorkers = 4
	maxBlocks     = 50000
)

// Upload writes a blob. Nothing of it can be read before Commit, and a blob of that name stays as it was until then.
// For one goroutine.
type Upload struct {
	s    *Source
	name string
	c    *blockblob.Client
	ctx  context.Context
	stop context.CancelFunc

	buf []byte
	ids []string

	slots   chan struct{}
	running sync.WaitGroup
	mu      sync.Mutex // protects err
	err     error
}

// Create begins a blob. ctx covers the whole upload.
func (s *Source) Create(ctx context.Context, name string) *Upload {
	ctx, stop := context.WithCancel(ctx)
	return &Upload{s: s, name: name, c: s.c.NewBlockBlobClient(s.path(name)), ctx: ctx, stop: stop, slots: make(chan struct{}, uploadWorkers)}
}

// Write implements io.Writer; errors of earlier blocks may come late.
func (u *Upload) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if u.buf == nil {
			u.buf = make([]byte, 0, uploadBlock)
		}
		k := min(len(p), uploadBlock-len(u.buf))
		u.buf = append(u.buf, p[:k]...)
		p = p[k:]
		if len(u.buf) == uploadBlock {
			u.stage()
		}
	}
	return n, u.failed()
}

// stage sends the block in buf, when there is room for another.
func (u *Upload) stage() {
	block := u.buf
	u.buf = nil
	if len(u.ids) == maxBlocks {
		u.fail(fmt.Errorf("a blob holds at most %d blocks of %d MiB", maxBlocks, uploadBlock>>20))
		return
	}
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], uint64(len(u.ids)))
	id := base64.StdEncoding.EncodeToString(number[:])
	u.ids = append(u.ids, id)
	select {
	case u.slots <- struct{}{}:
	case <-u.ctx.Done():
		return
	}
	u.running.Go(func() {
		defer func() { <-u.slots }()
		sum := md5.Sum(block) // the service compares what arrived
		o := &blockblob.StageBlockOptions{TransactionalValidation: blob.TransferValidationTypeMD5(sum[:])}
		if _, err := u.c.StageBlock(u.ctx, id, streaming.NopCloser(bytes.NewReader(block)), o); err != nil {
			u.fail(u.s.o.explain(err))
		}
	})
}

func (u *Upload) fail(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err == nil {
		u.err = fmt.Errorf("write %s/%s: %w", u.s.o.Container, u.s.path(u.name), err)
		u.stop()
	}
}

func (u *Upload) failed() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err == nil && u.ctx.Err() != nil {
		return context.Cause(u.ctx)
	}
	return u.err
}

// Commit makes the blob readable as a whole.
func (u *Upload) Commit() error {
	defer u.stop()
	if len(u.buf) > 0 {
		u.stage()
	}
	u.running.Wait()
	if err := u.failed(); err != nil {
		return err
	}
	if _, err := u.c.CommitBlockList(u.ctx, u.ids, nil); err != nil {
		return fmt.Errorf("write %s/%s: %w", u.s.o.Container, u.s.path(u.name), u.s.o.explain(err))
	}
	u.stop()
	return nil
}

// Abort gives the upload up; the service forgets its blocks by itself. It does nothing after Commit.
func (u *Upload) Abort() {
	u.stop()
	u.running.Wait()
}

// errNoBlob: a URL that names a container and nothing in it.
var errNoBlob = errors.New("the address names no blob in a container")

// Split takes a blob's address apart: the container's address and the name in it. Queries are refused: a shared access
// signature does not belong into an address.
func Split(address string) (containerURL, name string, err error) {
	u, err := neturl.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return "", "", errors.New("not the address of a blob")
	case u.RawQuery != "" || u.User != nil:
		return "", "", errors.New("the address holds a credential: make one with CREATE CREDENTIAL instead")
	}
	path := strings.TrimPrefix(u.EscapedPath(), "/")
	parts := 1
	if ip := net.ParseIP(u.Hostname()); ip != nil || u.Hostname() == "localhost" {
		parts = 2 // an emulator's addresses begin with the account
	}
	for i := range path {
		if path[i] != '/' {
			continue
		}
		if parts--; parts > 0 {
			continue
		}
		name, err := neturl.PathUnescape(path[i+1:])
		if err != nil || name == "" {
			break
		}
		return u.Scheme + "://" + u.Host + "/" + path[:i], name, nil
	}
	return "", "", errNoBlob
}
