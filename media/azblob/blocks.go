package azblob

import (
	"context"
	"crypto/md5" //nolint:gosec // the check that the service makes of what arrives; it keeps no secret
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// The service's bounds of a blob.
const (
	MaxBlocks     = maxBlocks
	MaxBlockBytes = 4000 << 20
)

// Blocks is a blob that is brought block by block, in any order and over restarts. Nothing of it can be read before Commit.
// The service forgets blocks that were not committed for a week. Safe for concurrent use.
type Blocks struct {
	s    *Source
	name string
	c    *blockblob.Client
}

// Block is one block that the service has. ID is the caller's.
type Block struct {
	ID   string
	Size int64
}

// Blocks is the blob of that name; nothing is asked of the server yet.
func (s *Source) Blocks(name string) *Blocks {
	return &Blocks{s: s, name: name, c: s.c.NewBlockBlobClient(s.path(name))}
}

func (b *Blocks) wrap(verb string, err error) error {
	return fmt.Errorf("%s %s/%s: %w", verb, b.s.o.Container, b.s.path(b.name), b.s.o.explain(err))
}

// Stage brings a block. sum is the MD5 of the body: the service compares what arrived with it, and refuses what differs. IDs
// of one blob have one length, of at most 64 bytes; a block of an ID that is there already takes its place.
func (b *Blocks) Stage(ctx context.Context, id string, body io.ReadSeeker, sum [md5.Size]byte) error {
	o := &blockblob.StageBlockOptions{TransactionalValidation: blob.TransferValidationTypeMD5(sum[:])}
	if _, err := b.c.StageBlock(ctx, base64.StdEncoding.EncodeToString([]byte(id)), streaming.NopCloser(body), o); err != nil {
		return b.wrap("write", err)
	}
	return nil
}

// List tells which blocks the service has: committed ones, in the order of the blob, and those that wait. Both are empty when
// nothing of the blob is there.
func (b *Blocks) List(ctx context.Context) (committed, waiting []Block, err error) {
	r, err := b.c.GetBlockList(ctx, blockblob.BlockListTypeAll, nil)
	if err != nil {
		err = b.s.o.explain(err)
		if a := new(Answer); errors.As(err, &a) && errors.Is(err, fs.ErrNotExist) && a.Code == "BlobNotFound" {
			return nil, nil, nil
		}
		return nil, nil, b.wrap("list the blocks of", err)
	}
	for to, from := range map[*[]Block][]*blockblob.Block{&committed: r.CommittedBlocks, &waiting: r.UncommittedBlocks} {
		for _, x := range from {
			id, err := base64.StdEncoding.DecodeString(*x.Name)
			if err != nil {
				id = nil // somebody else's
			}
			*to = append(*to, Block{string(id), *x.Size})
		}
	}
	return committed, waiting, nil
}

// Commit makes the blob of blocks, in that order, readable as a whole. A blob of that name that can be read stays as it is:
// the error wraps fs.ErrExist.
func (b *Blocks) Commit(ctx context.Context, ids []string) error {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = base64.StdEncoding.EncodeToString([]byte(id))
	}
	anything := azcore.ETagAny
	_, err := b.c.CommitBlockList(ctx, names, &blockblob.CommitBlockListOptions{AccessConditions: &blob.AccessConditions{
		ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: &anything}}})
	if err == nil {
		return nil
	}
	explained := b.s.o.explain(err)
	if a := new(Answer); errors.As(explained, &a) && (a.Status == 409 && a.Code == "BlobAlreadyExists" || a.Status == 412) {
		return fmt.Errorf("write %s/%s: %w", b.s.o.Container, b.s.path(b.name), fs.ErrExist)
	}
	return b.wrap("write", err)
}

// Size is the length in bytes of the blob as it can be read.
func (b *Blocks) Size(ctx context.Context) (int64, error) {
	p, err := b.c.GetProperties(ctx, nil)
	if err != nil {
		return 0, b.wrap("look at", err)
	}
	if p.ContentLength == nil {
		return 0, b.wrap("look at", errors.New("the service does not tell how long it is"))
	}
	return *p.ContentLength, nil
}

// Reach asks for the first entry of the container's list: whether it is there, and may be listed.
func (s *Source) Reach(ctx context.Context) error {
	one := int32(1)
	if _, err := s.c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{MaxResults: &one}).NextPage(ctx); err != nil {
		return fmt.Errorf("list %s: %w", s.o.Container, s.o.explain(err))
	}
	return nil
}
