package armtypes

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Version is an api-version such as "2021-05-01-preview" or "2023-08-01".
type Version string

// ErrVersion is wrapped by ParseVersion's errors.
var ErrVersion = errors.New("the api-version is not of the form YYYY-MM-DD or YYYY-MM-DD-preview")

var versionForm = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2})(-(preview|alpha|beta|privatepreview))?$`)

// ParseVersion accepts any api-version of the documented form, known or not: what an instance can do depends on the
// generation of bodies, not on a list of dates that grows every quarter.
func ParseVersion(s string) (Version, error) {
	if len(s) > 40 {
		return "", fmt.Errorf("read api-version: %w", ErrVersion)
	}
	m := versionForm.FindStringSubmatch(s)
	if m == nil {
		return "", fmt.Errorf("read api-version %q: %w", s, ErrVersion)
	}
	if _, err := time.Parse(time.DateOnly, m[1]); err != nil {
		return "", fmt.Errorf("read api-version %q: %w", s, ErrVersion)
	}
	return Version(s), nil
}

// Generation says which names a link's body has.
type Generation int

// The two generations of link bodies.
const (
	// OldLink bodies have targetDatabase, sourceEndpoint, primaryAvailabilityGroupName, secondaryAvailabilityGroupName.
	OldLink Generation = iota
	// NewLink bodies have databases, partnerEndpoint, partnerAvailabilityGroupName, instanceAvailabilityGroupName, ….
	NewLink
)

// firstNew is the day of the first api-version with the new body (2023-05-01-preview).
const firstNew = "2023-05-01"

// Generation tells which link body the version knows.
func (v Version) Generation() Generation {
	if len(v) >= len(firstNew) && string(v[:len(firstNew)]) >= firstNew {
		return NewLink
	}
	return OldLink
}
