package harness

import (
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// Block is one fenced block of a Markdown document.
type Block struct {
	// Lang is the word after the fence, such as "sql" or "powershell".
	Lang string
	Text string
	// Line is the line of the opening fence, from 1.
	Line int
}

// Blocks returns a document's fenced blocks in order. A block that is not closed is an error.
func Blocks(markdown string) ([]Block, error) {
	var blocks []Block
	var open *Block
	for i, line := range strings.Split(markdown, "\n") {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open == nil:
			open = &Block{Lang: strings.TrimSpace(fence), Line: i + 1}
		case isFence:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.Text += line + "\n"
		}
	}
	if open != nil {
		return nil, fmt.Errorf("the block opened in line %d is not closed", open.Line)
	}
	return blocks, nil
}

var placeholder = regexp.MustCompile(`<[A-Za-z][A-Za-z_-]*>`)

// Fill replaces <Placeholders> by their values and errs naming those without one.
func Fill(text string, values map[string]string) (string, error) {
	var missing []string
	filled := placeholder.ReplaceAllStringFunc(text, func(p string) string {
		v, ok := values[strings.Trim(p, "<>")]
		if !ok {
			missing = append(missing, p)
		}
		return v
	})
	if len(missing) > 0 {
		sort.Strings(missing)
		return "", fmt.Errorf("no value for %s", strings.Join(missing, ", "))
	}
	return filled, nil
}

var goLine = regexp.MustCompile(`(?im)^[ \t]*GO[ \t]*\r?$`)

// Batches splits a script at its GO lines, as clients do, and drops empty batches.
func Batches(script string) []string {
	var batches []string
	for _, b := range goLine.Split(script, -1) {
		if strings.TrimSpace(b) != "" {
			batches = append(batches, b)
		}
	}
	return batches
}

// Request is the web request that a PowerShell script of a document makes.
type Request struct {
	Method, URI, Body string
}

var (
	assignment = regexp.MustCompile(`^\$(\w+)\s*=\s*(.*)$`)
	reference  = regexp.MustCompile(`\$(\w+)`)
	invocation = regexp.MustCompile(`Invoke-WebRequest\s+-Method\s+(\w+)`)
)

// ScriptRequest evaluates as much of a PowerShell script as it takes to know its Invoke-WebRequest: string variables,
// concatenation, here-strings. values override variables that the script takes from elsewhere (an empty or placeholder
// assignment in the script, or the result of a cmdlet).
func ScriptRequest(script string, values map[string]string) (Request, error) {
	vars := map[string]string{}
	for k, v := range values {
		vars[strings.ToLower(k)] = v
	}
	lines := strings.Split(strings.ReplaceAll(script, "\r", ""), "\n")
	var r Request
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if m := invocation.FindStringSubmatch(line); m != nil {
			r.Method = m[1]
		}
		m := assignment.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		name, expr := strings.ToLower(m[1]), m[2]
		if _, given := values[m[1]]; given {
			continue
		}
		if expr == `@"` {
			text, end := hereString(lines, i+1)
			vars[name], i = interpolate(text, vars), end
			continue
		}
		if v, ok := concatenation(expr, vars); ok {
			vars[name] = v
		}
	}
	r.URI, r.Body = vars["urifull"], vars["bodyfull"]
	if r.Method == "" || r.URI == "" || r.Body == "" {
		return Request{}, fmt.Errorf("the script makes no complete web request: method %q, URI %q, body of %d bytes", r.Method, r.URI, len(r.Body))
	}
	return r, nil
}

func hereString(lines []string, from int) (text string, end int) {
	end = from
	for end < len(lines) && !strings.HasPrefix(lines[end], `"@`) {
		end++
	}
	return strings.Join(lines[from:min(end, len(lines))], "\n"), end
}

// concatenation evaluates "text" + $var + "text"; ok is false for anything else.
func concatenation(expr string, vars map[string]string) (value string, ok bool) {
	for _, term := range splitTerms(expr) {
		term = strings.TrimSpace(term)
		switch {
		case len(term) >= 2 && strings.HasPrefix(term, `"`) && strings.HasSuffix(term, `"`):
			value += interpolate(term[1:len(term)-1], vars)
		case strings.HasPrefix(term, "$"):
			v, known := vars[strings.ToLower(term[1:])]
			if !known {
				return "", false
			}
			value += v
		default:
			return "", false
		}
	}
	return value, true
}

// splitTerms splits at + outside quotes; a backtick escapes the next character.
func splitTerms(expr string) []string {
	var terms []string
	quoted, start := false, 0
	for i := 0; i < len(expr); i++ {
		switch expr[i] {
		case '`':
			i++
		case '"':
			quoted = !quoted
		case '+':
			if !quoted {
				terms = append(terms, expr[start:i])
				start = i + 1
			}
		}
	}
	return append(terms, expr[start:])
}

// interpolate replaces $variables and takes backtick escapes literally.
func interpolate(text string, vars map[string]string) string {
	text = reference.ReplaceAllStringFunc(text, func(ref string) string {
		if v, ok := vars[strings.ToLower(ref[1:])]; ok {
			return v
		}
		return ref
	})
	return strings.ReplaceAll(text, "`", "")
}
