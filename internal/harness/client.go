package harness

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"

	"linkspan/internal/clock"
)

// Login is where and as whom a client connects.
type Login struct {
	Address  string
	Port     int
	User     string
	Password string
	// CA is the file of the authority that signed the server's certificate.
	CA string
	// Moved is how far the server's clock is from ours; the server's certificate is verified as of its time.
	Moved time.Duration
}

// Result is one result set; every value is text as the client shows it, NULL as "NULL".
type Result struct {
	Columns []string
	Rows    [][]string
}

// Value returns the value of a column in the only row.
func (r Result) Value(column string) (string, error) {
	if len(r.Rows) != 1 {
		return "", fmt.Errorf("%d rows, want one", len(r.Rows))
	}
	for i, c := range r.Columns {
		if c == column {
			return r.Rows[0][i], nil
		}
	}
	return "", fmt.Errorf("no column %s among %v", column, r.Columns)
}

// Message is an error a client was sent.
type Message struct {
	Number int
	Text   string
}

// Client runs scripts as users do. Run sends the batches between GO lines one after the other over one connection and
// returns the result sets and the error messages, in order; err is for what keeps the client from talking.
type Client interface {
	Name() string
	Run(ctx context.Context, l Login, script string) ([]Result, []Message, error)
}

// GoClient is github.com/microsoft/go-mssqldb.
type GoClient struct{}

// Name implements Client.
func (GoClient) Name() string { return "go-mssqldb" }

// OpenSQL opens a pool of connections to a server whose certificate is verified.
func OpenSQL(l Login, database string) (*sql.DB, error) {
	dsn := url.URL{Scheme: "sqlserver", User: url.UserPassword(l.User, l.Password), Host: net.JoinHostPort(l.Address, strconv.Itoa(l.Port)),
		RawQuery: url.Values{"database": {database}, "encrypt": {"true"}, "certificate": {l.CA}, "dial timeout": {"10"}}.Encode()}
	c, err := msdsn.Parse(dsn.String())
	if err != nil {
		return nil, err
	}
	if l.Moved != 0 && c.TLSConfig != nil {
		c.TLSConfig.Time = func() time.Time { return clock.System.Now().Add(l.Moved) }
	}
	return sql.OpenDB(mssql.NewConnectorConfig(c)), nil
}

// Run implements Client.
func (GoClient) Run(ctx context.Context, l Login, script string) ([]Result, []Message, error) {
	db, err := OpenSQL(l, "master")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = conn.Close() }()
	var results []Result
	var messages []Message
	for _, batch := range Batches(script) {
		r, err := goBatch(ctx, conn, batch)
		results = append(results, r...)
		var e mssql.Error
		if errors.As(err, &e) {
			for _, m := range e.All {
				messages = append(messages, Message{int(m.Number), m.Message})
			}
		} else if err != nil {
			return results, messages, err
		}
	}
	return results, messages, nil
}

func goBatch(ctx context.Context, conn *sql.Conn, batch string) ([]Result, error) {
	rows, err := conn.QueryContext(ctx, batch)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var results []Result
	for more := true; more; more = rows.NextResultSet() {
		cols, err := rows.Columns()
		if err != nil {
			return results, err
		}
		if len(cols) == 0 {
			continue
		}
		r := Result{Columns: cols}
		for rows.Next() {
			row, err := scanText(rows, len(cols))
			if err != nil {
				return results, err
			}
			r.Rows = append(r.Rows, row)
		}
		results = append(results, r)
	}
	return results, rows.Err()
}

func scanText(rows *sql.Rows, n int) ([]string, error) {
	vals, ptrs := make([]any, n), make([]any, n)
	for i := range vals {
		ptrs[i] = &vals[i]
	}
	if err := rows.Scan(ptrs...); err != nil {
		return nil, err
	}
	out := make([]string, n)
	for i, v := range vals {
		switch v := v.(type) {
		case nil:
			out[i] = "NULL"
		case []byte:
			out[i] = fmt.Sprintf("0x%X", v)
		case bool:
			out[i] = map[bool]string{true: "1", false: "0"}[v]
		default:
			out[i] = fmt.Sprint(v)
		}
	}
	return out, nil
}

// TSQL is FreeTDS's tsql. Dir is a folder of its own for its configuration.
type TSQL struct{ Dir string }

// Name implements Client.
func (TSQL) Name() string { return "FreeTDS tsql" }

const fieldSeparator = "\x1f"

// Run implements Client. tsql's exit status says little; what counts is what it prints.
func (c TSQL) Run(ctx context.Context, l Login, script string) ([]Result, []Message, error) {
	conf := filepath.Join(c.Dir, "freetds.conf")
	text := fmt.Sprintf("[server]\n\thost = %s\n\tport = %d\n\ttds version = 7.4\n\tencryption = require\n\ttext size = 2147483647\n\tclient charset = UTF-8\n", l.Address, l.Port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, "tsql", "-S", "server", "-U", l.User, "-P", l.Password, "-o", "q", "-t", fieldSeparator)
	cmd.Env = append(os.Environ(), "FREETDSCONF="+conf, "LC_ALL=C.UTF-8", "TDSDUMPCONFIG=")
	cmd.Stdin = strings.NewReader(strings.TrimRight(script, "\n") + "\nGO\nEXIT\n")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	results, messages, unknown := parseTSQL(out.String())
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || len(unknown) > 0) {
		return results, messages, fmt.Errorf("tsql: %w: %s", err, unknown)
	}
	return results, messages, nil
}

var (
	msgLine   = regexp.MustCompile(`^Msg (\d+) \(severity (\d+), state \d+\)`)
	tsqlNoise = regexp.MustCompile(`^(locale is|locale charset is|using default charset|Default database being set|\(\d+ rows? affected\)|\d+> ?)`)
)

// parseTSQL reads what tsql prints: messages, each followed by its text, and tables: a header and rows with fields
// separated by fieldSeparator. A header follows a "(n rows affected)" line, a message or the start; tables of one column
// have no separator, so anything else that is a line counts as part of a table.
func parseTSQL(out string) (results []Result, messages []Message, unknown string) {
	var open *Result
	lines := strings.Split(out, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		m := msgLine.FindStringSubmatch(line)
		switch {
		case m != nil:
			n, _ := strconv.Atoi(m[1]) // digits
			severity, _ := strconv.Atoi(m[2])
			msg := Message{Number: n}
			if i+1 < len(lines) {
				i++
				msg.Text = strings.Trim(lines[i], "\t\"")
			}
			if severity > 10 {
				messages = append(messages, msg)
			}
			open = nil
		case strings.HasPrefix(line, "Error ") && strings.Contains(line, "severity"):
			unknown += line
		case strings.HasPrefix(line, "("), strings.TrimSpace(line) == "":
			open = nil
		case tsqlNoise.MatchString(line):
		case open == nil:
			results = append(results, Result{Columns: strings.Split(line, fieldSeparator)})
			open = &results[len(results)-1]
		default:
			open.Rows = append(open.Rows, strings.Split(line, fieldSeparator))
		}
	}
	return results, messages, unknown
}
