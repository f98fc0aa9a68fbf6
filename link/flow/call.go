package flow

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"linkspan/armtypes"
)

// Op is a call of the management API.
type Op int

// The management calls.
const (
	NoOp Op = iota
	GetInstance
	ListDatabases
	ListTrust
	PutTrust
	GetEndpointCertificate
	GetLink
	PutLink
	DeleteLink
	// FailoverLink has the instance change the roles, ForceLink makes it the primary without asking SQL Server.
	FailoverLink
	ForceLink
)

// Call is one statement for SQL Server or one call of the management API.
type Call struct {
	// SQL runs on SQL Server in master, with Args bound as @p1, @p2, …; "" for a management call.
	SQL  string
	Args []any
	// Shown is printed instead of SQL when that holds a secret.
	Shown string
	// OnTarget sends SQL to the managed instance instead.
	OnTarget bool
	// Optional puts trouble with the call into the answer's Err instead of ending the run.
	Optional bool
	// Timeout bounds the call; 0 means the run's own.
	Timeout time.Duration

	Op Op
	// Instance is called about, Name is the certificate's or link's, DER the certificate to upload, Link what to make.
	Instance armtypes.InstanceID
	Name     string
	DER      []byte
	Link     armtypes.LinkSpec
}

// String prints the call for people: the statement, or method and resource. It holds no secrets.
func (c Call) String() string {
	if c.SQL != "" {
		text := c.SQL
		if c.Shown != "" {
			text = c.Shown
		}
		if c.OnTarget {
			text += "\n-- on the managed instance"
		}
		for i, a := range c.Args {
			text += fmt.Sprintf("\n-- @p%d = %v", i+1, a)
		}
		return text
	}
	at := c.Instance.String()
	switch c.Op {
	case GetInstance:
		return "GET " + at
	case ListDatabases:
		return "GET " + at + "/databases"
	case ListTrust:
		return "GET " + at + "/serverTrustCertificates"
	case PutTrust:
		return fmt.Sprintf("PUT %s/serverTrustCertificates/%s {publicBlob: %s}", at, c.Name, shortHex(c.DER))
	case GetEndpointCertificate:
		return "GET " + at + "/endpointCertificates/" + armtypes.DatabaseMirroring
	case GetLink:
		return "GET " + at + "/distributedAvailabilityGroups/" + c.Name
	case PutLink:
		return fmt.Sprintf("PUT %s/distributedAvailabilityGroups/%s {database: %s, partnerEndpoint: %s, partnerAvailabilityGroupName: %s, instanceAvailabilityGroupName: %s}",
			at, c.Link.Name, strings.Join(c.Link.Databases, ", "), c.Link.PartnerEndpoint, c.Link.PartnerAG, c.Link.InstanceAG)
	case DeleteLink:
		return "DELETE " + at + "/distributedAvailabilityGroups/" + c.Name
	case FailoverLink:
		return "POST " + at + "/distributedAvailabilityGroups/" + c.Name + "/failover {failoverType: " + armtypes.Planned + "}"
	case ForceLink:
		return "POST " + at + "/distributedAvailabilityGroups/" + c.Name + "/failover {failoverType: " + armtypes.ForcedAllowDataLoss + "}"
	}
	return "nothing"
}

// Answer is what a call gave.
type Answer struct {
	// Rows are those of the first result set.
	Rows []Row

	Instance    armtypes.ManagedInstance
	Databases   []armtypes.ManagedDatabase
	Trust       []armtypes.ServerTrustCertificate
	Certificate []byte
	// Link is nil when there is none.
	Link *armtypes.Link
	// Err is why an Optional call has no answer.
	Err error
}

// Row is one row by column name, in lower case.
type Row map[string]any

// Text reads a text column; "" for NULL.
func (r Row) Text(column string) string { s, _ := r[column].(string); return s }

// Int reads a number; 0 for NULL.
func (r Row) Int(column string) int64 {
	switch v := r[column].(type) {
	case int64:
		return v
	case bool:
		if v {
			return 1
		}
	}
	return 0
}

// Bytes reads a binary column.
func (r Row) Bytes(column string) []byte { b, _ := r[column].([]byte); return b }

// Time reads a date; the zero time for NULL.
func (r Row) Time(column string) time.Time { t, _ := r[column].(time.Time); return t }

// quoteName makes a name safe in T-SQL: [a]]b].
func quoteName(s string) string { return "[" + strings.ReplaceAll(s, "]", "]]") + "]" }

// quote makes text a literal.
func quote(s string) string { return "N'" + strings.ReplaceAll(s, "'", "''") + "'" }

// binary makes bytes a literal. What is not known yet, when a plan is printed, shows as a placeholder that no server
// takes.
func binary(b []byte) string {
	if len(b) == 0 {
		return "<the certificate's bytes>"
	}
	return "0x" + strings.ToUpper(hex.EncodeToString(b))
}

func shortHex(b []byte) string {
	if len(b) == 0 {
		return binary(b)
	}
	return fmt.Sprintf("0x%X… (%d bytes)", b[:min(8, len(b))], len(b))
}
