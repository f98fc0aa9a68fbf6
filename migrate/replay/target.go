package replay

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"linkspan/armclient"
	"linkspan/armtypes"
	"linkspan/internal/clock"
	"linkspan/migrate/depot"
	"linkspan/migrate/flow"
)

// Options say which database, and from where.
type Options struct {
	Client   *armclient.Client
	Instance armtypes.InstanceID
	// Location is the instance's region; "" is asked of the instance.
	Location string
	// Container is where the database's files are, as depot.Location tells. SAS is the signature by which the target reads
	// there, Read and List and nothing else; "" for a folder.
	Container, SAS string
	// Database is the name on the target.
	Database string
	// Wait is how long a call waits for the end of what it asked; default 20 seconds. Clock is the time.
	Wait  time.Duration
	Clock clock.Clock
}

// Target is one database on a managed instance. Its methods may be called again at any time, after any outcome; they return
// *flow.Hindrance at AtTarget for what may work again and *flow.Halt for what stays as it is until somebody acts. Start,
// Complete and Drop MUST NOT run at once. Safe for concurrent use otherwise.
type Target struct {
	o   Options
	tag string

	mu   sync.Mutex // protects last
	last flow.Restore
}

const (
	// tagName is the tag that tells whose a database is.
	tagName = "linkspanMigration"
	// pollEvery is how often an operation is asked about.
	pollEvery   = 100 * time.Millisecond
	defaultWait = 20 * time.Second
)

// New makes a target; nothing is asked of it yet.
func New(o Options) *Target {
	if o.Wait <= 0 {
		o.Wait = defaultWait
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	o.Container = strings.TrimRight(o.Container, "/")
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s", o.Container, strings.ToLower(o.Database)))
	return &Target{o: o, tag: hex.EncodeToString(sum[:16])}
}

// owner is whose a database is.
type owner int

const (
	nobodys owner = iota // there is none
	ours
	others
	unknown
)

// standing is what the target says of the database.
type standing struct {
	owner owner
	// open: it takes sessions, or could: the restore is over.
	open    bool
	status  string
	details *armtypes.RestoreProperties // nil when there are none
}

// look asks the target.
func (t *Target) look(ctx context.Context) (standing, error) {
	db, err := t.o.Client.Database(ctx, t.o.Instance, t.o.Database)
	if armclient.IsNotFound(err) && !isCode(err, 0, "ResourceGroupNotFound", "SubscriptionNotFound") {
		return standing{}, t.instanceThere(ctx)
	}
	if err != nil {
		return standing{}, t.trouble(ctx, err)
	}
	s := standing{status: db.Properties.Status, open: !slices.ContainsFunc([]string{"Restoring", "Creating"}, func(w string) bool { return strings.EqualFold(w, db.Properties.Status) })}
	d, err := t.o.Client.ReplayDetails(ctx, t.o.Instance, t.o.Database)
	switch {
	case err == nil:
		s.details = &d
	case !armclient.IsNotFound(err) && !isCode(err, 0, "RestoreDetailsNotAvailableOrExpired"):
		return standing{}, t.trouble(ctx, err)
	}
	s.owner = t.owner(db.Tags, s.details)
	return s, nil
}

// instanceThere tells a database that is not there from an instance that is not.
func (t *Target) instanceThere(ctx context.Context) error {
	if _, err := t.o.Client.Instance(ctx, t.o.Instance); err != nil {
		return t.trouble(ctx, err)
	}
	return nil
}

// owner judges by the tag, and without one by the names of the files.
func (t *Target) owner(tags map[string]string, d *armtypes.RestoreProperties) owner {
	for name, value := range tags {
		if strings.EqualFold(name, tagName) {
			if value == t.tag {
				return ours
			}
			return others
		}
	}
	if d == nil {
		return unknown
	}
	names := filesOf(d)
	for _, n := range names {
		if depot.SetOf(n) == "" {
			return others
		}
	}
	if len(names) == 0 {
		return unknown
	}
	return ours
}

// filesOf are the files that restore details name.
func filesOf(d *armtypes.RestoreProperties) []string {
	names := []string{d.LastUploadedFileName, d.LastRestoredFileName, d.CurrentRestoringFile}
	for _, list := range [][]armtypes.ReplaySet{d.FullBackupSets, d.DifferentialBackupSets, d.LogBackupSets} {
		for _, s := range list {
			names = append(names, s.FirstStripeName)
		}
	}
	return slices.DeleteFunc(names, func(n string) bool { return n == "" })
}

// Check asks for a database of the name before anything is brought. taken tells that there is one and it is not a restore of
// ours that can go on; text says which. What is wrong with the storage's address or signature is found here too.
func (t *Target) Check(ctx context.Context) (taken bool, text string, err error) {
	if err := t.checkSource(ctx); err != nil {
		return false, "", err
	}
	s, err := t.look(ctx)
	if err != nil {
		return false, "", err
	}
	name := fmt.Sprintf("the database %q on %s", t.o.Database, t.o.Instance.Name)
	switch {
	case s.owner == nobodys, s.owner == ours && !s.open:
		return false, "", nil
	case s.owner == ours:
		return true, name + " was restored and opened by this migration before: drop it there, or give another name (targetName)", nil
	case s.details != nil && !s.open:
		return true, name + " is being restored by another log replay: stop that, or give another name (targetName)", nil
	}
	return true, fmt.Sprintf("%s exists already (%s): drop or rename it there, or give another name (targetName)", name, s.status), nil
}

// Start has the target restore what comes to storage, until Complete. One that runs already is success. A restore of ours that
// has failed is deleted and begun anew.
func (t *Target) Start(ctx context.Context) error {
	if err := t.checkSource(ctx); err != nil {
		return err
	}
	s, err := t.look(ctx)
	if err != nil {
		return err
	}
	failed := s.details != nil && strings.EqualFold(s.details.Status, armtypes.ReplayFailed)
	switch {
	case s.owner == ours && s.open:
		return t.opened()
	case s.owner == ours && !failed:
		return nil
	case s.owner == ours:
		if err := t.drop(ctx); err != nil {
			return err
		}
	case s.owner == others, s.owner == unknown && s.open:
		return t.taken()
	}
	t.remember(flow.Restore{})
	location, err := t.location(ctx)
	if err != nil {
		return err
	}
	op, err := t.o.Client.BeginReplay(ctx, t.o.Instance, location, t.request())
	if err != nil {
		return t.trouble(ctx, err)
	}
	_, err = t.await(ctx, op, func() bool {
		d, err := t.o.Client.ReplayDetails(ctx, t.o.Instance, t.o.Database)
		return err == nil && d.Status != "" && !strings.EqualFold(d.Status, armtypes.ReplayFailed)
	})
	return err
}

func (t *Target) request() armtypes.ReplaySpec {
	return armtypes.ReplaySpec{Database: t.o.Database, Container: t.o.Container, Signature: t.o.SAS, Tags: map[string]string{tagName: t.tag}}
}

func (t *Target) location(ctx context.Context) (string, error) {
	if t.o.Location != "" {
		return t.o.Location, nil
	}
	mi, err := t.o.Client.Instance(ctx, t.o.Instance)
	if err != nil {
		return "", t.trouble(ctx, err)
	}
	return mi.Location, nil
}

// enoughPolls is after how many questions about an operation the thing itself is looked at too.
const enoughPolls = 10

// await asks about an operation until it has ended, enough is true, or Wait is over.
func (t *Target) await(ctx context.Context, op *armclient.Operation, enough func() bool) (done bool, err error) {
	late, stop := t.o.Clock.After(t.o.Wait)
	defer stop()
	for n := 1; ; n++ {
		done, err := op.Poll(ctx)
		switch {
		case err != nil && !done && armclient.IsNotFound(err):
			return false, nil // the service was restarted, and knows its operations no more: the database tells
		case err != nil:
			return done, t.trouble(ctx, err)
		case done:
			return true, nil
		case n%enoughPolls == 0 && enough():
			return false, nil
		}
		next, stop := t.o.Clock.After(pollEvery)
		select {
		case <-ctx.Done():
			stop()
			return false, ctx.Err()
		case <-late:
			stop()
			return false, nil
		case <-next:
		}
	}
}

// Complete has the target restore up to the stored file and open the database then. nil means that it was asked, or has been
// open for long; Follow tells when it is open. While the files do not lead there it is refused, and the restore goes on.
func (t *Target) Complete(ctx context.Context, lastStored string) error {
	s, err := t.look(ctx)
	if err != nil {
		return err
	}
	switch {
	case s.owner == nobodys || s.owner == others:
		return t.gone()
	case s.open || s.details != nil && strings.EqualFold(s.details.Status, armtypes.ReplayCompleted):
		return nil
	}
	op, err := t.o.Client.BeginComplete(ctx, t.o.Instance, t.o.Database, lastStored)
	if err == nil {
		_, err = t.await(ctx, op, func() bool {
			d, err := t.o.Client.ReplayDetails(ctx, t.o.Instance, t.o.Database)
			return err == nil && strings.EqualFold(d.Status, armtypes.ReplayCompleted)
		})
		if !isCode(err, 0, "LogReplayCompleted") {
			return err
		}
		return nil
	}
	if isCode(err, 0, "LogReplayCompleted", "ManagedDatabaseRestoreAlreadyCompleted") {
		return nil
	}
	return t.trouble(ctx, err)
}

// Drop deletes the database on the target if it is the restoring one of this migration; nil means that it is not there, or
// another's is. One that is open stays, and the error says so.
func (t *Target) Drop(ctx context.Context) error {
	s, err := t.look(ctx)
	switch {
	case err != nil:
		return err
	case s.owner == nobodys, s.owner == others, s.owner == unknown && s.open:
		return nil
	case s.open:
		return t.opened()
	case s.owner == unknown:
		return &flow.Halt{What: fmt.Sprintf("whether the restoring database %q on %s is this migration's cannot be told", t.o.Database, t.o.Instance.Name),
			Fix: "delete it there if it is: " + t.stopCommand()}
	}
	return t.drop(ctx)
}

func (t *Target) drop(ctx context.Context) error {
	op, err := t.o.Client.BeginStop(ctx, t.o.Instance, t.o.Database)
	if armclient.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return t.trouble(ctx, err)
	}
	done, err := t.await(ctx, op, func() bool { return false })
	if err == nil && !done {
		return hinder(ctx, fmt.Sprintf("%s is still deleting the database %q", t.o.Instance.Name, t.o.Database), "it is looked at again", nil)
	}
	var e *armtypes.Error
	if errors.As(err, &e) && e.Status == http.StatusNotFound {
		return nil
	}
	return err
}
