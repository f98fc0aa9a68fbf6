package daemon

import (
	"strconv"
	"strings"

	"linkspan/armtypes"
	"linkspan/hadr"
	"linkspan/hadr/agcore"
	"linkspan/lsn"
	"linkspan/sqlerr"
)

// armLink shows a link's status in the API's words.
func armLink(l hadr.LinkStatus) armtypes.Link {
	mine, theirs := armRoles(l)
	db := armDatabase(l)
	mode := armtypes.Async
	if l.Mode == agcore.Synchronous {
		mode = armtypes.Sync
	}
	return armtypes.Link{
		LinkSpec: armtypes.LinkSpec{Name: l.Spec.Name, InstanceRole: mine, InstanceAG: l.Spec.OwnGroup, PartnerAG: l.Spec.PartnerGroup,
			PartnerEndpoint: l.Spec.SourceEndpoint, FailoverMode: armtypes.Manual, SeedingMode: armtypes.Automatic,
			ReplicationMode: mode, Databases: []string{l.Spec.Database}},
		ID: l.LinkID.String(), PartnerRole: theirs, State: db.ReplicaState, DatabaseStates: []armtypes.LinkDatabase{db},
	}
}

// armRoles are the instance's role and the partner's, as far as this side knows. Both are primary after a forced
// failover until one of them is made the copy.
func armRoles(l hadr.LinkStatus) (mine, theirs string) {
	if l.Role != agcore.Primary {
		return armtypes.Secondary, armtypes.Primary
	}
	if l.Standing.Outdated != 0 || l.Split.Number != 0 {
		return armtypes.Primary, armtypes.Primary
	}
	return armtypes.Primary, armtypes.Secondary
}

// Numbers of what stands after a failover that needs a decision.
const (
	errUndecided = 58011
	errOutlived  = 58012
	errNoPrimary = 58017
	// errSuspended is that of data movement that was stopped.
	errSuspended = 35264
)

// armTrouble is the message of a link whose roles need a decision, or nil: its text names the command that decides.
func armTrouble(l hadr.LinkStatus) *sqlerr.Error {
	switch n := l.LastError.Number; {
	case l.FailoverPhase != "":
	case l.Role == agcore.Primary && l.Standing.Outdated != 0:
		return sqlerr.New(errOutlived, l.Spec.Database, l.Spec.Name, l.Standing.Outdated)
	case l.Split.Number != 0:
		return sqlerr.Raise(l.Split.Number, 16, 1, l.Split.Text)
	case l.Standing.Fenced() && !l.Connected:
		return sqlerr.New(errUndecided, l.Spec.Database, l.Spec.Name, l.Standing.Last.Epoch)
	case n == errNoPrimary:
		return sqlerr.Raise(n, 16, 1, l.LastError.Text)
	}
	return nil
}

// armDatabase is the database's part.
func armDatabase(l hadr.LinkStatus) armtypes.LinkDatabase {
	db := armtypes.LinkDatabase{Name: l.Spec.Database, InstanceReplicaID: l.TargetReplicaID.String(), PartnerReplicaID: l.SourceReplicaID.String(),
		ReplicaState: armtypes.CreatingLink, SynchronizationHealth: strings.ToUpper(l.Health.String()), ConnectedState: "DISCONNECTED",
		LastHardenedLSN: decimal(l.Hardened), LastReceivedLSN: decimal(l.Hardened)}
	if l.Connected {
		db.ConnectedState = "CONNECTED"
	}
	if l.Phase == agcore.PhaseSynchronizing || l.Role == agcore.Primary {
		db.ReplicaState = armtypes.LinkSynchronizing
	}
	if l.LastError.Number != 0 {
		db.MostRecentError = strconv.Itoa(int(l.LastError.Number))
	}
	if l.Divergence != "" {
		db.MostRecentError = strconv.Itoa(errSuspended) + ": " + l.Divergence
	}
	switch e := armTrouble(l); {
	case e != nil:
		db.ReplicaState, db.MostRecentError = armtypes.LinkFailoverError, strconv.Itoa(int(e.Number))+": "+e.Message
	case l.FailoverPhase != "":
		db.ReplicaState = armtypes.LinkFailoverInProgress
	}
	if l.SeedBytes > 0 {
		db.SeedingProgress = strconv.FormatInt(100*min(l.SeededBytes, l.SeedBytes)/l.SeedBytes, 10)
	}
	return db
}

func decimal(l lsn.LSN) string {
	if l.IsZero() {
		return ""
	}
	return l.Decimal()
}
