package instance

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"linkspan/login"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
)

// kindLogin is the kind of loginDoc documents.
const kindLogin = "login"

// loginDoc is what master remembers of a SQL login.
type loginDoc struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
	SID  []byte `json:"sid"`
	// Hash is the password's in SQL Server's 0x0200 form.
	Hash     []byte    `json:"hash"`
	Created  time.Time `json:"created"`
	Modified time.Time `json:"modified"`
	Disabled bool      `json:"disabled,omitempty"`
	Database string    `json:"defaultDatabase,omitempty"`
}
