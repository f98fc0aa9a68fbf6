package armtypes

import (
	"errors"
	"time"
)

// LinkBody is a link's resource on the wire, either generation: a projection leaves the other one's names out.
type LinkBody struct {
	Resource
	Properties LinkProperties `json:"properties"`
}

// LinkProperties has the names of both generations.
type LinkProperties struct {
	// Old generation.
	TargetDatabase                 string `json:"targetDatabase,omitempty"`
	SourceEndpoint                 string `json:"sourceEndpoint,omitempty"`
	PrimaryAvailabilityGroupName   string `json:"primaryAvailabilityGroupName,omitempty"`
	SecondaryAvailabilityGroupName string `json:"secondaryAvailabilityGroupName,omitempty"`
	LinkState                      string `json:"linkState,omitempty"`
	LastHardenedLSN                string `json:"lastHardenedLsn,omitempty"`
	SourceReplicaID                string `json:"sourceReplicaId,omitempty"`
	TargetReplicaID                string `json:"targetReplicaId,omitempty"`
	// Both.
	ReplicationMode                string `json:"replicationMode,omitempty"`
	DistributedAvailabilityGroupID string `json:"distributedAvailabilityGroupId,omitempty"`
	// New generation.
	DistributedAvailabilityGroupName string             `json:"distributedAvailabilityGroupName,omitempty"`
	InstanceLinkRole                 string             `json:"instanceLinkRole,omitempty"`
	PartnerLinkRole                  string             `json:"partnerLinkRole,omitempty"`
	InstanceAvailabilityGroupName    string             `json:"instanceAvailabilityGroupName,omitempty"`
	PartnerAvailabilityGroupName     string             `json:"partnerAvailabilityGroupName,omitempty"`
	PartnerEndpoint                  string             `json:"partnerEndpoint,omitempty"`
	FailoverMode                     string             `json:"failoverMode,omitempty"`
	SeedingMode                      string             `json:"seedingMode,omitempty"`
	Databases                        []LinkDatabaseBody `json:"databases,omitempty"`
}

// LinkDatabaseBody is a database of a new-generation body; only DatabaseName is sent.
type LinkDatabaseBody struct {
	DatabaseName          string     `json:"databaseName"`
	InstanceReplicaID     string     `json:"instanceReplicaId,omitempty"`
	PartnerReplicaID      string     `json:"partnerReplicaId,omitempty"`
	ReplicaState          string     `json:"replicaState,omitempty"`
	SynchronizationHealth string     `json:"synchronizationHealth,omitempty"`
	ConnectedState        string     `json:"connectedState,omitempty"`
	LastReceivedLSN       string     `json:"lastReceivedLsn,omitempty"`
	LastReceivedTime      *time.Time `json:"lastReceivedTime,omitempty"`
	LastCommitLSN         string     `json:"lastCommitLsn,omitempty"`
	LastCommitTime        *time.Time `json:"lastCommitTime,omitempty"`
	LastHardenedLSN       string     `json:"lastHardenedLsn,omitempty"`
	LastHardenedTime      *time.Time `json:"lastHardenedTime,omitempty"`
	LastBackupLSN         string     `json:"lastBackupLsn,omitempty"`
	LastBackupTime        *time.Time `json:"lastBackupTime,omitempty"`
	LastSentLSN           string     `json:"lastSentLsn,omitempty"`
	LastSentTime          *time.Time `json:"lastSentTime,omitempty"`
	SendLagSeconds        *int64     `json:"instanceSendReplicationLagSeconds,omitempty"`
	RedoLagSeconds        *int64     `json:"instanceRedoReplicationLagSeconds,omitempty"`
	SeedingProgress       string     `json:"seedingProgress,omitempty"`
	MostRecentLinkError   string     `json:"mostRecentLinkError,omitempty"`
}

// LinkType is the resource type of a link.
const LinkType = "Microsoft.Sql/managedInstances/distributedAvailabilityGroups"

// Spec reads the body of a PUT, of either generation, into the specification of the link called name. The service
// ignores replicationMode when it creates a link, and so does this.
func (b LinkBody) Spec(name string) (LinkSpec, error) {
	p := b.Properties
	old := p.TargetDatabase != "" || p.SourceEndpoint != "" || p.PrimaryAvailabilityGroupName != "" || p.SecondaryAvailabilityGroupName != ""
	latest := len(p.Databases) > 0 || p.PartnerEndpoint != "" || p.PartnerAvailabilityGroupName != "" || p.InstanceAvailabilityGroupName != ""
	s := LinkSpec{Name: name}
	switch {
	case old && latest:
		return s, errors.New("the body mixes properties of two generations of the API (targetDatabase, sourceEndpoint, … and databases, partnerEndpoint, …): send one of them")
	case old:
		if p.TargetDatabase != "" {
			s.Databases = []string{p.TargetDatabase}
		}
		s.PartnerEndpoint, s.PartnerAG, s.InstanceAG = p.SourceEndpoint, p.PrimaryAvailabilityGroupName, p.SecondaryAvailabilityGroupName
	case latest:
		for _, d := range p.Databases {
			s.Databases = append(s.Databases, d.DatabaseName)
		}
		s.PartnerEndpoint, s.PartnerAG, s.InstanceAG = p.PartnerEndpoint, p.PartnerAvailabilityGroupName, p.InstanceAvailabilityGroupName
		s.InstanceRole, s.FailoverMode, s.SeedingMode = p.InstanceLinkRole, p.FailoverMode, p.SeedingMode
	default:
		return s, errors.New("the body has no properties of a link (databases, partnerEndpoint, partnerAvailabilityGroupName, instanceAvailabilityGroupName)")
	}
	return s.Normalize()
}

// Body is the specification as a PUT of generation g sends it.
func (s LinkSpec) Body(g Generation) LinkBody {
	var p LinkProperties
	if g == OldLink {
		if len(s.Databases) > 0 {
			p.TargetDatabase = s.Databases[0]
		}
		p.SourceEndpoint, p.PrimaryAvailabilityGroupName, p.SecondaryAvailabilityGroupName = s.PartnerEndpoint, s.PartnerAG, s.InstanceAG
		p.ReplicationMode = s.ReplicationMode
		return LinkBody{Properties: p}
	}
	p.PartnerEndpoint, p.PartnerAvailabilityGroupName, p.InstanceAvailabilityGroupName = s.PartnerEndpoint, s.PartnerAG, s.InstanceAG
	p.InstanceLinkRole, p.FailoverMode, p.SeedingMode, p.ReplicationMode = s.InstanceRole, s.FailoverMode, s.SeedingMode, s.ReplicationMode
	for _, d := range s.Databases {
		p.Databases = append(p.Databases, LinkDatabaseBody{DatabaseName: d})
	}
	return LinkBody{Properties: p}
}

// Body is the link of the given instance as a GET of generation g shows it.
func (l Link) Body(instance InstanceID, g Generation) LinkBody {
	b := l.LinkSpec.Body(g)
	b.Resource = Resource{ID: instance.String() + "/distributedAvailabilityGroups/" + l.Name, Name: l.Name, Type: LinkType}
	b.Properties.DistributedAvailabilityGroupID = l.ID
	if g == OldLink {
		b.Properties.LinkState = l.State
		if len(l.DatabaseStates) > 0 {
			d := l.DatabaseStates[0]
			b.Properties.LastHardenedLSN, b.Properties.SourceReplicaID, b.Properties.TargetReplicaID = d.LastHardenedLSN, d.PartnerReplicaID, d.InstanceReplicaID
		}
		return b
	}
	b.Properties.DistributedAvailabilityGroupName = l.Name
	b.Properties.PartnerLinkRole = orDefault(l.PartnerRole, Primary)
	for i := range b.Properties.Databases {
		for _, d := range l.DatabaseStates {
			if d.Name == b.Properties.Databases[i].DatabaseName {
				b.Properties.Databases[i] = d.body()
			}
		}
	}
	return b
}

func (d LinkDatabase) body() LinkDatabaseBody {
	return LinkDatabaseBody{
		DatabaseName: d.Name, InstanceReplicaID: d.InstanceReplicaID, PartnerReplicaID: d.PartnerReplicaID, ReplicaState: d.ReplicaState,
		SynchronizationHealth: d.SynchronizationHealth, ConnectedState: d.ConnectedState,
		LastReceivedLSN: d.LastReceivedLSN, LastReceivedTime: d.LastReceivedTime, LastCommitLSN: d.LastCommitLSN, LastCommitTime: d.LastCommitTime,
		LastHardenedLSN: d.LastHardenedLSN, LastHardenedTime: d.LastHardenedTime, LastBackupLSN: d.LastBackupLSN, LastBackupTime: d.LastBackupTime,
		LastSentLSN: d.LastSentLSN, LastSentTime: d.LastSentTime, SendLagSeconds: d.SendLagSeconds, RedoLagSeconds: d.RedoLagSeconds,
		SeedingProgress: d.SeedingProgress, MostRecentLinkError: d.MostRecentError,
	}
}

// Link reads what a GET showed, of either generation.
func (b LinkBody) Link() Link {
	p := b.Properties
	l := Link{ID: p.DistributedAvailabilityGroupID, State: p.LinkState, PartnerRole: p.PartnerLinkRole}
	l.LinkSpec = LinkSpec{
		Name: b.Name, InstanceRole: orDefault(p.InstanceLinkRole, Secondary), ReplicationMode: p.ReplicationMode, FailoverMode: p.FailoverMode, SeedingMode: p.SeedingMode,
		InstanceAG: orDefault(p.InstanceAvailabilityGroupName, p.SecondaryAvailabilityGroupName), PartnerAG: orDefault(p.PartnerAvailabilityGroupName, p.PrimaryAvailabilityGroupName),
		PartnerEndpoint: orDefault(p.PartnerEndpoint, p.SourceEndpoint),
	}
	if p.TargetDatabase != "" {
		l.Databases = []string{p.TargetDatabase}
		l.DatabaseStates = []LinkDatabase{{Name: p.TargetDatabase, ReplicaState: p.LinkState, LastHardenedLSN: p.LastHardenedLSN, PartnerReplicaID: p.SourceReplicaID, InstanceReplicaID: p.TargetReplicaID}}
		return l
	}
	for _, d := range p.Databases {
		l.Databases = append(l.Databases, d.DatabaseName)
		l.DatabaseStates = append(l.DatabaseStates, d.state())
		if l.State == "" {
			l.State = d.ReplicaState
		}
	}
	return l
}

func (d LinkDatabaseBody) state() LinkDatabase {
	return LinkDatabase{
		Name: d.DatabaseName, InstanceReplicaID: d.InstanceReplicaID, PartnerReplicaID: d.PartnerReplicaID, ReplicaState: d.ReplicaState,
		SynchronizationHealth: d.SynchronizationHealth, ConnectedState: d.ConnectedState,
		LastReceivedLSN: d.LastReceivedLSN, LastReceivedTime: d.LastReceivedTime, LastCommitLSN: d.LastCommitLSN, LastCommitTime: d.LastCommitTime,
		LastHardenedLSN: d.LastHardenedLSN, LastHardenedTime: d.LastHardenedTime, LastBackupLSN: d.LastBackupLSN, LastBackupTime: d.LastBackupTime,
		LastSentLSN: d.LastSentLSN, LastSentTime: d.LastSentTime, SendLagSeconds: d.SendLagSeconds, RedoLagSeconds: d.RedoLagSeconds,
		SeedingProgress: d.SeedingProgress, MostRecentError: d.MostRecentLinkError,
	}
}
