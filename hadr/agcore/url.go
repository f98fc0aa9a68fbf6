package agcore

import (
	"net/netip"
	"strconv"
	"strings"
)

// URL is an endpoint's address: TCP://host:port, and for a link's managed instance ";Server=[name]" after it.
type URL struct {
	// Host is a name or an IP address, as written, without brackets.
	Host string
	Port uint16
	// Server and Database are the parts after the semicolons, without brackets; "" when absent.
	Server, Database string
}

// maxURL bounds what is parsed; the catalog's column is shorter.
const maxURL = 1024

// ParseURL reads an ENDPOINT_URL or LISTENER_URL. ok is false when it is none; the caller knows the number of the error.
func ParseURL(s string) (u URL, ok bool) {
	if len(s) > maxURL || len(s) < 6 || !strings.EqualFold(s[:6], "tcp://") {
		return URL{}, false
	}
	address, options, _ := strings.Cut(s[6:], ";")
	if u.Host, u.Port, ok = parseAddress(address); !ok {
		return URL{}, false
	}
	for options != "" {
		var part string
		part, options, _ = strings.Cut(options, ";")
		key, value, found := strings.Cut(part, "=")
		value = strings.TrimSpace(value)
		if !found || len(value) < 3 || value[0] != '[' || value[len(value)-1] != ']' {
			return URL{}, false
		}
		value = strings.ReplaceAll(value[1:len(value)-1], "]]", "]")
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "server":
			u.Server = value
		case "database":
			u.Database = value
		default:
			return URL{}, false
		}
	}
	return u, true
}

func parseAddress(s string) (host string, port uint16, ok bool) {
	s = strings.TrimSuffix(s, "/")
	i := strings.LastIndexByte(s, ':')
	if i < 1 {
		return "", 0, false
	}
	n, err := strconv.ParseUint(s[i+1:], 10, 16)
	if err != nil || n == 0 {
		return "", 0, false
	}
	host = s[:i]
	if host[0] == '[' && host[len(host)-1] == ']' {
		a, err := netip.ParseAddr(host[1 : len(host)-1])
		return host[1 : len(host)-1], uint16(n), err == nil && a.Is6()
	}
	for _, r := range host {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && !strings.ContainsRune("-._", r) && r < 0x80 {
			return "", 0, false
		}
	}
	return host, uint16(n), len(host) <= 255
}

// String spells the URL again.
func (u URL) String() string {
	host := u.Host
	if strings.ContainsRune(host, ':') {
		host = "[" + host + "]"
	}
	s := "TCP://" + host + ":" + strconv.Itoa(int(u.Port))
	if u.Server != "" {
		s += ";Server=[" + strings.ReplaceAll(u.Server, "]", "]]") + "]"
	}
	if u.Database != "" {
		s += ";Database=[" + strings.ReplaceAll(u.Database, "]", "]]") + "]"
	}
	return s
}
