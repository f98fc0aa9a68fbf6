package instance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"linkspan/internal/startstop"
	"linkspan/sqlerr"
	"linkspan/storage"
)

// storageEvents takes what storage tells, from any goroutine, and acts on it in one of its own: storage must not wait,
// and what is remembered is written to master.
type storageEvents struct {
	in    *Instance
	group *startstop.Group
	wake  chan struct{}

	mu   sync.Mutex // protects list
	list []databaseEvent
}

type databaseEvent struct {
	d *Database
	storage.Event
}

// keptEvents bounds what waits; more is dropped, as a disk that fails everywhere says the same again and again.
const keptEvents = 1000

func newStorageEvents(in *Instance) *storageEvents {
	e := &storageEvents{in: in, group: startstop.New(context.Background()), wake: make(chan struct{}, 1)}
	e.group.Go(e.run)
	return e
}

func (s *storageEvents) add(d *Database, e storage.Event) {
	s.mu.Lock()
	if len(s.list) < keptEvents {
		s.list = append(s.list, databaseEvent{d, e})
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *storageEvents) run(ctx context.Context) {
	for {
		select {
		case <-s.wake:
			s.drain(ctx)
		case <-ctx.Done():
			s.drain(context.WithoutCancel(ctx))
			return
		}
	}
}

func (s *storageEvents) drain(ctx context.Context) {
	s.mu.Lock()
	list := s.list
	s.list = nil
	s.mu.Unlock()
	for _, e := range list {
		s.in.happened(ctx, e)
	}
}

// happened acts on one event: the error log, msdb.dbo.suspect_pages, and the links.
func (in *Instance) happened(ctx context.Context, e databaseEvent) {
	name := e.d.Name()
	switch e.Kind {
	case storage.EventStopped:
		in.stopped(e.d, e.Err)
	case storage.EventVersionLost:
		age := in.opts.Clock.Now().Sub(time.Unix(0, e.Since))
		in.errorLog(sqlerr.New(3967, 0, e.LSN.VLF, 0, max(0, int(age/time.Second))))
	case storage.EventLogFull:
		in.errorLog(sqlerr.New(9002, name, e.Reason).WithCause(e.Err))
	case storage.EventRetentionHigh:
		in.errorLog(sqlerr.New(58021, name, e.Used/mib, e.Limit/mib, retentionReason(e.Reason)))
	case storage.EventLogDropped:
		in.errorLog(sqlerr.New(58022, name, e.Used/mib, retentionReason(e.Reason), e.LSN.Decimal()))
	case storage.EventBadPage:
		in.errorLog(sqlerr.From(e.Err))
		in.suspectPage(ctx, e)
	case storage.EventPageRepaired:
		in.errorLog(sqlerr.New(58023, e.Page.Page, name, map[string]string{"COPY": "the other copy of the database", "CACHE": "memory"}[e.Reason]))
		in.suspectPage(ctx, e)
	case storage.EventPageLost:
		in.errorLog(sqlerr.New(58024, e.Page.Page, name, fmt.Sprint(e.Err)))
	}
}

func retentionReason(reason string) string {
	if reason == "DISK_SPACE" {
		return "free disk space"
	}
	return "linkLogRetentionMB"
}

// stopped tells that a running database takes no commit any more: it is SUSPECT from now on, and stays so until its
// files are read anew.
func (in *Instance) stopped(d *Database, err error) {
	name := d.Name()
	in.opts.Log.Error("database is suspect", "database", name, "reason", err)
	if e := cause(err, name); e != nil {
		in.errorLog(e)
	} else {
		in.errorLog(sqlerr.New(17053, "LogWriter", rootCause(err)))
	}
	in.errorLog(sqlerr.New(9001, name).WithCause(err))
	in.errorLog(sqlerr.New(58020, name))
}

// rootCause is the text of the innermost error: what the operating system said.
func rootCause(err error) string {
	for {
		var joined interface{ Unwrap() []error }
		if errors.As(err, &joined) && len(joined.Unwrap()) > 0 {
			all := joined.Unwrap()
			err = all[len(all)-1]
			continue
		}
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}

// fetchPage gets a page from the other copy of the database, if a link can.
func (d *Database) fetchPage(ctx context.Context, no uint32, want storage.Digest) ([]byte, error) {
	if d.in.hadr == nil { // while the instance starts
		return nil, errors.New("no link asks another copy for pages")
	}
	return d.in.hadr.FetchPage(ctx, d.Name(), no, want)
}

// kindSuspectPage is the kind of suspectDoc documents: the rows of msdb.dbo.suspect_pages.
const kindSuspectPage = "suspectpage"

// suspectDoc is one row of msdb.dbo.suspect_pages.
type suspectDoc struct {
	Database int    `json:"database"`
	Page     uint32 `json:"page"`
	// Event is event_type: 1 an error of the disk (823) or of the page's entry, 2 a wrong checksum, 4 repaired from
	// another copy.
	Event   int       `json:"event"`
	Errors  int       `json:"errors"`
	Updated time.Time `json:"updated"`
}

// suspectPage makes or changes a page's row.
func (in *Instance) suspectPage(ctx context.Context, e databaseEvent) {
	key := fmt.Sprintf("%d:%d", e.d.ID(), e.Page.Page)
	docs, err := in.docs.Load(ctx, kindSuspectPage)
	if err != nil {
		return
	}
	doc := suspectDoc{Database: e.d.ID(), Page: e.Page.Page}
	if b := docs[key]; b != nil {
		_ = json.Unmarshal(b, &doc) // written by us
	} else if len(docs) >= keptEvents {
		return // SQL Server keeps 1,000 rows as well
	}
	doc.Updated = in.opts.Clock.Now().UTC()
	switch {
	case e.Kind == storage.EventPageRepaired:
		doc.Event = 4
	case e.Page.Checksum():
		doc.Event = 2
		doc.Errors++
	default:
		doc.Event = 1
		doc.Errors++
	}
	b, err := json.Marshal(doc)
	if err == nil {
		err = in.docs.Put(ctx, kindSuspectPage, key, b)
	}
	if err != nil {
		in.opts.Log.Warn("suspect page was not remembered", "database", e.d.Name(), "page", e.Page.Page, "error", err)
	}
}
