package armtypes

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// RestoreExternalBackup is the createMode of a database that the Log Replay Service makes.
const RestoreExternalBackup = "RestoreExternalBackup"

// ManagedDatabaseRequest is PUT of a managed database.
type ManagedDatabaseRequest struct {
	Location   string            `json:"location"`
	Tags       map[string]string `json:"tags,omitempty"`
	Properties ReplayProperty    `json:"properties"`
}

// ReplayProperty are the properties of such a request.
type ReplayProperty struct {
	CreateMode               string `json:"createMode"`
	StorageContainerURI      string `json:"storageContainerUri,omitempty"`
	StorageContainerSASToken string `json:"storageContainerSasToken,omitempty"`
	StorageContainerIdentity string `json:"storageContainerIdentity,omitempty"`
	AutoCompleteRestore      bool   `json:"autoCompleteRestore,omitempty"`
	LastBackupName           string `json:"lastBackupName,omitempty"`
	Collation                string `json:"collation,omitempty"`
}

// ReplaySpec is a log replay as it is to run.
type ReplaySpec struct {
	Database string
	// Container is the address of a blob container, or of a folder in it; or file:// and a folder of the instance's.
	Container string
	// Signature is the shared access signature, a secret.
	Signature string
	// AutoComplete restores up to the file LastBackup and opens the database then; otherwise it goes on until it is completed.
	AutoComplete bool
	LastBackup   string
	// Tags are the database's, as whoever started the replay wishes to find it again.
	Tags map[string]string
}

// The service's bounds on tags.
const (
	maxTags     = 50
	maxTagName  = 512
	maxTagValue = 256
)

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return fmt.Errorf("%d tags: a resource has at most %d", len(tags), maxTags)
	}
	for name, value := range tags {
		if name == "" || len(name) > maxTagName || len(value) > maxTagValue {
			return fmt.Errorf("a tag's name has 1 to %d characters, its value at most %d", maxTagName, maxTagValue)
		}
	}
	return nil
}

// Spec reads the request.
func (r *ManagedDatabaseRequest) Spec(database string) (ReplaySpec, error) {
	p := r.Properties
	s := ReplaySpec{Database: database, Container: strings.TrimSuffix(p.StorageContainerURI, "/"), Signature: p.StorageContainerSASToken,
		AutoComplete: p.AutoCompleteRestore, LastBackup: p.LastBackupName, Tags: r.Tags}
	switch {
	case !strings.EqualFold(p.CreateMode, RestoreExternalBackup):
		return s, fmt.Errorf("createMode is %q: this endpoint makes databases with %s only; use CREATE DATABASE or RESTORE over TDS", p.CreateMode, RestoreExternalBackup)
	case s.Container == "":
		return s, errors.New("storageContainerUri is missing")
	case p.AutoCompleteRestore && p.LastBackupName == "":
		return s, errors.New("autoCompleteRestore asks for lastBackupName, the file after which the database is opened")
	case p.StorageContainerIdentity != "" && !strings.EqualFold(p.StorageContainerIdentity, "SharedAccessSignature"):
		return s, fmt.Errorf("storageContainerIdentity is %q: this endpoint reads containers with a shared access signature only", p.StorageContainerIdentity)
	}
	return s, checkTags(r.Tags)
}

// CompleteRestoreRequest is POST completeRestore.
type CompleteRestoreRequest struct {
	LastBackupName string `json:"lastBackupName"`
}

// RestoreDetails is how a log replay stands.
type RestoreDetails struct {
	Resource
	Properties RestoreProperties `json:"properties"`
}

// RestoreProperties are its properties.
type RestoreProperties struct {
	// Type is LRSRestore; Status one of the Replay… words; BlockReason says what it waits for, or why it failed.
	Type                   string      `json:"type"`
	Status                 string      `json:"status"`
	BlockReason            string      `json:"blockReason"`
	LastUploadedFileName   string      `json:"lastUploadedFileName"`
	LastUploadedFileTime   *time.Time  `json:"lastUploadedFileTime,omitempty"`
	LastRestoredFileName   string      `json:"lastRestoredFileName"`
	LastRestoredFileTime   *time.Time  `json:"lastRestoredFileTime,omitempty"`
	PercentCompleted       int         `json:"percentCompleted"`
	CurrentRestoredSizeMB  float64     `json:"currentRestoredSizeMB"`
	CurrentRestorePlanMB   float64     `json:"currentRestorePlanSizeMB"`
	CurrentBackupType      string      `json:"currentBackupType"`
	CurrentRestoringFile   string      `json:"currentRestoringFileName"`
	NumberOfFilesDetected  int         `json:"numberOfFilesDetected"`
	NumberOfFilesQueued    int         `json:"numberOfFilesQueued"`
	NumberOfFilesSkipped   int         `json:"numberOfFilesSkipped"`
	NumberOfFilesRestoring int         `json:"numberOfFilesRestoring"`
	NumberOfFilesRestored  int         `json:"numberOfFilesRestored"`
	NumberOfFilesBad       int         `json:"numberOfFilesUnrestorable"`
	FullBackupSets         []ReplaySet `json:"fullBackupSets"`
	DifferentialBackupSets []ReplaySet `json:"diffBackupSets"`
	LogBackupSets          []ReplaySet `json:"logBackupSets"`
	UnrestorableFiles      []BadFile   `json:"unrestorableFiles"`
}

// The words of RestoreProperties.Status.
const (
	ReplayWaiting   = "Waiting"
	ReplayRestoring = "Restoring"
	ReplayBlocked   = "Blocked"
	ReplayCompleted = "Completed"
	ReplayFailed    = "Failed"
)

// ReplaySet is one backup set.
type ReplaySet struct {
	Status          string     `json:"status"`
	FirstStripeName string     `json:"firstStripeName"`
	NumberOfStripes int        `json:"numberOfStripes"`
	BackupSizeMB    float64    `json:"backupSizeMB"`
	RestoreStarted  *time.Time `json:"restoreStartedTimestampUtc,omitempty"`
	RestoreFinished *time.Time `json:"restoreFinishedTimestampUtc,omitempty"`
}

// BadFile is a file that cannot be restored. Reason is this endpoint's own word.
type BadFile struct {
	Name   string `json:"name"`
	Reason string `json:"reason,omitempty"`
}

// Body shows the details as the version has them: the first one lists unrestorable files as names.
func (d RestoreDetails) Body(v Version) any {
	if string(v) >= "2021" {
		return d
	}
	names := []string{}
	for _, f := range d.Properties.UnrestorableFiles {
		names = append(names, f.Name)
	}
	type old struct {
		RestoreProperties
		UnrestorableFiles []string `json:"unrestorableFiles"`
	}
	return struct {
		Resource
		Properties old `json:"properties"`
	}{d.Resource, old{d.Properties, names}}
}
