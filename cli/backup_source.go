package cli

import (
	"context"

	"linkspan/media"
)

// openSource opens the source that an address such as smb://… names; nil for a local path. prefix is the folder or file
// inside it, shown what is put before names.
func openSource(context.Context, string) (src media.Source, prefix, shown string, err error) {
	return nil, "", "", nil
}
