package sqlerr

// syntaxMessages are raised by the lexer and the parser.
var syntaxMessages = map[int32]entry{
	102:  {15, "Incorrect syntax near '%s'."},
	103:  {15, "The %s that starts with '%s' is too long. Maximum length is %d."},
	105:  {15, "Unclosed quotation mark after the character string '%s'."},
	113:  {15, "Missing end comment mark '*/'."},
	155:  {15, "'%s' is not a recognized %s option."},
	156:  {15, "Incorrect syntax near the keyword '%s'."},
	319:  {15, "Incorrect syntax near the keyword 'with'. If this statement is a common table expression, an xmlnamespaces clause or a change tracking context clause, the previous statement must be terminated with a semicolon."},
	1038: {15, "An object or column name is missing or empty. For SELECT INTO statements, verify each column has a name. For other statements, look for empty alias names. Aliases defined as \"\" or [] are not allowed. Change the alias to a valid name."},
}
