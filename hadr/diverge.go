package hadr

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/hadr/endpoint"
	"linkspan/hadr/hadrwire"
	"linkspan/hadr/seeding"
	"linkspan/sqlerr"
	"linkspan/storage"
)

// stopped is the event of a following that ended with err.
func (l *link) stopped(s *endpoint.Session, err error) agcore.Event {
	var refused *refusedError
	switch {
	case errors.As(err, &refused) && refused.Number == 1412:
		return agcore.Event{Kind: agcore.LogGone, Fault: agcore.Fault{Number: refused.Number, Text: refused.Text}}
	case errors.As(err, &refused) && refused.Number == 1408:
		return agcore.Event{Kind: agcore.Divergence, Text: refused.Text, Fault: suspendFault(l.database, agcore.SuspendRedo, refused.Text)}
	case errors.As(err, &refused) && refused.Final:
		return agcore.Event{Kind: agcore.Break, Fault: agcore.Fault{Number: refused.Number, Text: refused.Text}}
	case errors.Is(err, storage.ErrDigest), errors.Is(err, storage.ErrDamaged):
		text := explained(pagesOf(err), nil, err)
		return agcore.Event{Kind: agcore.Divergence, Text: text, Fault: suspendFault(l.database, agcore.SuspendRedo, text)}
	case errors.Is(err, storage.ErrPoisoned):
		return agcore.Event{Kind: agcore.Suspend, Reason: agcore.SuspendRedo, Text: err.Error(), Fault: suspendFault(l.database, agcore.SuspendRedo, err.Error())}
	}
	l.m.opts.Log.Info("following the log ended", "link", l.name, "error", err)
	return agcore.Event{Kind: agcore.FlowFailed, Fault: l.lost(s, err)}
}

// compareTime bounds the search for the pages that differ, ownerTime that for their tables, and comparisons how often the
// first is tried: it ends with the connection, and once with the other side's flow, when that hears of the suspension.
const (
	compareTime = 20 * time.Second
	ownerTime   = 2 * time.Minute
	comparisons = 4
)

// mostNamed is how many pages an explanation names.
const mostNamed = 8

// pagesOf are the pages that the error itself names.
func pagesOf(err error) []uint32 {
	var differs *storage.DigestError
	var damaged *storage.PageError
	switch {
	case errors.As(err, &differs) && differs.Page != 0:
		return []uint32{differs.Page}
	case errors.As(err, &damaged):
		return []uint32{damaged.Page}
	}
	return nil
}

// explained says which pages of the copy differ, and whose they are, as far as that is known.
func explained(pages []uint32, owners map[uint32]string, err error) string {
	if len(pages) == 0 {
		return err.Error()
	}
	var named []string
	for _, p := range pages {
		name := fmt.Sprintf("page %d", p)
		if owner := owners[p]; owner != "" {
			name += " (" + owner + ")"
		}
		named = append(named, name)
	}
	return fmt.Sprintf("this copy differs from the primary's in %s: %s. RESUME fetches what differs", strings.Join(named, ", "), err)
}

// explain finds out which pages of the copy differ, and whose they are, beside everything else: the copy is suspended
// already. What is known is told at once; in the loop.
func (l *link) explain(s *endpoint.Session, err error, told string) {
	tell := func(text string) {
		l.post(func() {
			if text == told || l.core.State().Text != told { // or it is about another suspension by now
				return
			}
			told = text
			l.step(agcore.Event{Kind: agcore.Explained, Text: text, Fault: suspendFault(l.database, agcore.SuspendRedo, text)})
		})
	}
	l.group.Go(func(ctx context.Context) {
		pages := pagesOf(err)
		if len(pages) == 0 {
			pages = l.comparePages(ctx, s)
			tell(explained(pages, nil, err))
		}
		if len(pages) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, ownerTime)
		defer cancel()
		tell(explained(pages, l.m.opts.Databases.PageOwners(ctx, l.database, pages), err))
	})
}

// comparePages is findPages, until it succeeds.
func (l *link) comparePages(ctx context.Context, s *endpoint.Session) []uint32 {
	db, release, err := l.m.opts.Databases.Inspect(l.database)
	if err != nil {
		return nil
	}
	defer release()
	for range comparisons {
		if pages := l.findPages(ctx, s, db); len(pages) > 0 || s.Ended() {
			return pages
		}
		again, stop := l.m.opts.Clock.After(time.Second)
		select {
		case <-again:
		case <-ctx.Done():
		}
		stop()
	}
	return nil
}

// findPages compares the copy as it is shown with the primary's version of the same LSN.
func (l *link) findPages(ctx context.Context, s *endpoint.Session, db *storage.DB) []uint32 {
	ctx, cancel := context.WithTimeout(ctx, compareTime)
	defer cancel()
	stream, err := s.Open()
	if err != nil {
		return nil
	}
	defer tied(ctx, stream)()
	pages, err := seeding.FindDifference(ctx, db, stream, db.Published(), mostNamed)
	if err != nil {
		l.m.opts.Log.Warn("the pages that differ cannot be found", "link", l.name, "error", err)
	}
	return pages
}

// serveCompare answers requests that both sides may make at any time: for hashes, for single pages, and for a version.
func (l *link) serveCompare(ctx context.Context, stream net.Conn, first hadrwire.Message) {
	defer tied(ctx, stream)()
	db, release, err := l.open(ctx)
	if err != nil {
		return
	}
	defer release()
	switch req := first.(type) {
	case *hadrwire.HashesRequest:
		err = seeding.ServeHashes(ctx, db, stream, req)
	case *hadrwire.VersionRequest:
		err = seeding.ServeVersion(ctx, db, stream, req, l.m.seedLimit)
	case *hadrwire.PageRequest:
		if storage.Identity(req.Origin) == db.ID() {
			err = seeding.ServePage(ctx, stream, req, db.PageWithHash)
		}
	}
	if err != nil && ctx.Err() == nil {
		l.m.opts.Log.Info("comparing ended", "link", l.name, "error", err)
	}
}

// fetchTime bounds the fetching of one page.
const fetchTime = 10 * time.Second

// FetchPage gets a page of a database from the other side of one of its links: the one whose hash is want. It is the
// storage option of the same name.
func (m *Manager) FetchPage(ctx context.Context, database string, no uint32, want storage.Digest) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	err := error(sqlerr.New(35250))
	for _, l := range m.runningOf(database) {
		var page []byte
		if page, err = l.fetchPage(ctx, no, want); err == nil {
			return page, nil
		}
	}
	return nil, fmt.Errorf("fetch page %d of database %q from its copy: %w", no, database, err)
}

func (l *link) fetchPage(ctx context.Context, no uint32, want storage.Digest) ([]byte, error) {
	var s *endpoint.Session
	l.call(func() { s = l.session })
	if s == nil {
		return nil, sqlerr.New(35250)
	}
	stream, err := s.Open()
	if err != nil {
		return nil, err
	}
	defer tied(ctx, stream)()
	return seeding.FetchPage(stream, storage.Identity(l.origin()), no, want)
}

// reseedOptions are the storage options to seed the copy anew with, by difference: its folder stays.
func (l *link) reseedOptions(ctx context.Context) (storage.Options, error) {
	dbs := l.m.opts.Databases
	if o, err := dbs.RestoringOptions(ctx, l.database); err == nil {
		return o, nil
	}
	return dbs.Reseed(ctx, l.database)
}

// compares tells the requests of serveCompare.
func compares(m hadrwire.Message) bool {
	return slices.Contains([]hadrwire.Type{hadrwire.TypeHashesRequest, hadrwire.TypePageRequest, hadrwire.TypeVersionRequest}, m.Type())
}
