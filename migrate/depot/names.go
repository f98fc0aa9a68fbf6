package depot

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"linkspan/migrate/flow"
)

// extensions are those that the Log Replay Service knows.
var extensions = map[flow.Kind]string{flow.Full: ".bak", flow.Differential: ".diff", flow.Log: ".trn"}

const (
	maxWord   = 64
	shortHash = 6 // bytes
	maxFolder = 48
)

// Name is the name of a file in storage: the set's id, which stripe of how many, and which version of which file, so that
// nothing that comes later has the same. It is a function of set and file alone: the same after a restart. Of a GUID it holds
// letters, digits, hyphens, underscores and one dot, at most 80 characters.
func Name(set flow.Set, f flow.File) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d", f.Name, f.Version, f.Size))
	ext := extensions[set.Kind]
	if ext == "" {
		ext = ".bak"
	}
	return fmt.Sprintf("%s_%dof%d_%s%s", word(set.ID), max(f.Sequence, 1), max(set.Stripes, 1), hex.EncodeToString(sum[:shortHash]), ext)
}

// SetOf is the id of the set that a stored name was made of, "" when Name did not make it. A path before the name is no part
// of it.
func SetOf(name string) string {
	id, _, ok := split(name[strings.LastIndexByte(name, '/')+1:])
	if !ok {
		return ""
	}
	if x, coded := strings.CutPrefix(id, "x."); coded {
		b, err := hex.DecodeString(x)
		if err != nil {
			return ""
		}
		return string(b)
	}
	return id
}

// word is an id as it stands in a name: as it is, or coded when it holds what a name may not.
func word(id string) string {
	if id != "" && len(id) <= maxWord && strings.Trim(strings.ToLower(id), "0123456789abcdefghijklmnopqrstuvwxyz-") == "" {
		return id
	}
	return "x." + hex.EncodeToString([]byte(id))
}

// split takes a name apart: the set's word, and the word with the stripe, which all versions of a file have in common.
func split(name string) (set, stripe string, ok bool) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return "", "", false
	}
	words := strings.Split(name[:i], "_")
	if len(words) != 3 || words[0] == "" || len(words[2]) != 2*shortHash {
		return "", "", false
	}
	var a, b int
	if n, err := fmt.Sscanf(words[1], "%dof%d", &a, &b); n != 2 || err != nil || a < 1 || b < a || fmt.Sprintf("%dof%d", a, b) != words[1] {
		return "", "", false
	}
	if _, err := hex.DecodeString(words[2]); err != nil {
		return "", "", false
	}
	return words[0], words[0] + "_" + words[1], true
}

func check(stored string) error {
	if SetOf(stored) == "" || strings.ContainsAny(stored, `/\`) {
		return fmt.Errorf("%q is not the name of a stored file", stored)
	}
	return nil
}

// Folder is the folder of a database, or of an activity: its name in lower case where that can be a folder's name, and
// otherwise what is left of it, with a mark that tells it from others. The word backup, which the Log Replay Service refuses
// in a path, does not stand in it.
func Folder(name string) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '-'
	}, name)
	safe = strings.ReplaceAll(safe, "backup", "bkp")
	if safe == name && len(safe) <= maxFolder && strings.Trim(safe, "-_") != "" {
		return safe
	}
	safe = strings.Trim(safe[:min(len(safe), maxFolder)], "-_")
	sum := sha256.Sum256([]byte(name))
	return strings.TrimLeft(safe+"-"+hex.EncodeToString(sum[:4]), "-")
}
