package exec

import (
	"container/list"
	"errors"
	"sync"

	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/bind"
	"linkspan/tsql/parse"
)

// compiled is a parsed text with the plans of its statements. It is shared by all sessions.
type compiled struct {
	body []ast.Statement
	// params are the parameters of sp_executesql, or of the procedure whose text this is.
	params []ast.ParamDef
	// procedure is set when the text is that of a CREATE PROCEDURE.
	procedure *ast.CreateProcedure

	mu    sync.Mutex // protects plans, types and traits
	plans map[planKey]*bind.Plan
	types map[typeKey]sqltype.Type
	// traits are what is known of a statement from its text alone.
	traits map[ast.Node]traits
	// compounds are the expressions of SET @v += e.
	compounds map[*ast.SetVariable]ast.Expr
}

// typeKey is where a type's name stands in the text, or in that of the parameters, and the collation it was resolved in.
type typeKey struct {
	offset    int
	collation string
	param     bool
}

// planKey says what a plan depends on beside its text. The variables' types follow from the text and its parameters.
type planKey struct {
	node     ast.Node
	database int
	version  string
	schema   string // the default schema
	temp     string // the version of the temporary tables
	identity int32
	nullsOff bool
	to       sqltype.Type
}

// Bounds of the cache: texts kept, the longest text kept, and plans per text before they are dropped.
const (
	maxTexts    = 2000
	maxTextSize = 64 << 10
	maxPlans    = 200
)

// planCache keeps parsed texts, least recently used last.
type planCache struct {
	mu    *sync.Mutex
	texts map[textKey]*list.Element
	order *list.List
}

type textKey struct {
	text, params string
	quotedOff    bool
}

type cacheEntry struct {
	key textKey
	c   *compiled
}

func newPlanCache() planCache {
	return planCache{mu: new(sync.Mutex), texts: map[textKey]*list.Element{}, order: list.New()}
}

// batch gives the parsed form of a batch.
func (p *planCache) batch(text string, o parse.Options) (*compiled, error) {
	return p.get(textKey{text: text, quotedOff: o.QuotedIdentifierOff}, func() (*compiled, error) {
		body, err := parse.BatchWith(text, o)
		return &compiled{body: body}, err
	})
}

// executeSQL gives the parsed form of sp_executesql's two texts.
func (p *planCache) executeSQL(text, params string, o parse.Options) (*compiled, error) {
	return p.get(textKey{text: text, params: params, quotedOff: o.QuotedIdentifierOff}, func() (*compiled, error) {
		defs, err := parse.Params(params)
		if err != nil {
			return nil, err
		}
		for _, d := range defs {
			o.Variables = append(o.Variables, d.Name)
		}
		body, err := parse.BatchWith(text, o)
		return &compiled{body: body, params: defs}, err
	})
}

// module gives the parsed form of a stored procedure's text.
func (p *planCache) module(text string, quotedOff bool) (*compiled, error) {
	return p.get(textKey{text: text, params: "\x00module", quotedOff: quotedOff}, func() (*compiled, error) {
		body, err := parse.BatchWith(text, parse.Options{QuotedIdentifierOff: quotedOff})
		if err != nil {
			return nil, err
		}
		proc, ok := body[0].(*ast.CreateProcedure)
		if !ok {
			return nil, errors.New("stored text is not that of a procedure")
		}
		return &compiled{body: proc.Body, params: proc.Params, procedure: proc}, nil
	})
}

func (p *planCache) get(key textKey, make func() (*compiled, error)) (*compiled, error) {
	p.mu.Lock()
	if el, ok := p.texts[key]; ok {
		p.order.MoveToFront(el)
		p.mu.Unlock()
		e, _ := el.Value.(cacheEntry)
		return e.c, nil
	}
	p.mu.Unlock()
	c, err := make()
	if err != nil {
		return nil, err
	}
	c.plans, c.types, c.traits = map[planKey]*bind.Plan{}, map[typeKey]sqltype.Type{}, map[ast.Node]traits{}
	c.compounds = map[*ast.SetVariable]ast.Expr{}
	if len(key.text) > maxTextSize {
		return c, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if el, ok := p.texts[key]; ok { // somebody else was quicker
		e, _ := el.Value.(cacheEntry)
		return e.c, nil
	}
	p.texts[key] = p.order.PushFront(cacheEntry{key, c})
	for p.order.Len() > maxTexts {
		el := p.order.Back()
		e, _ := el.Value.(cacheEntry)
		delete(p.texts, e.key)
		p.order.Remove(el)
	}
	return c, nil
}

// plan gives a statement's plan, binding it when there is none for this schema.
func (c *compiled) plan(key planKey, bindIt func() (*bind.Plan, error)) (*bind.Plan, error) {
	c.mu.Lock()
	p := c.plans[key]
	c.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, err := bindIt()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.plans) >= maxPlans {
		clear(c.plans)
	}
	c.plans[key] = p
	return p, nil
}
