package sqlerr

// syntaxMessages are raised by the lexer and the parser.
var syntaxMessages = map[int32]entry{
	102:   {15, "Incorrect syntax near '%s'."},
	103:   {15, "The %s that starts with '%s' is too long. Maximum length is %d."},
	105:   {15, "Unclosed quotation mark after the character string '%s'."},
	113:   {15, "Missing end comment mark '*/'."},
	155:   {15, "'%s' is not a recognized %s option."},
	156:   {15, "Incorrect syntax near the keyword '%s'."},
	319:   {15, "Incorrect syntax near the keyword 'with'. If this statement is a common table expression, an xmlnamespaces clause or a change tracking context clause, the previous statement must be terminated with a semicolon."},
	1038:  {15, "An object or column name is missing or empty. For SELECT INTO statements, verify each column has a name. For other statements, look for empty alias names. Aliases defined as \"\" or [] are not allowed. Change the alias to a valid name."},
	111:   {15, "'%s' must be the first statement in a query batch."},
	117:   {15, "The %s name '%s' contains more than the maximum number of prefixes. The maximum is %d."},
	132:   {15, "The label '%s' has already been declared. Label names must be unique within a query batch or stored procedure."},
	133:   {15, "A GOTO statement references the label '%s' but the label has not been declared."},
	135:   {15, "Cannot use a BREAK statement outside the scope of a WHILE statement."},
	136:   {15, "Cannot use a CONTINUE statement outside the scope of a WHILE statement."},
	178:   {15, "A RETURN statement with a return value cannot be used in this context."},
	191:   {15, "Some part of your SQL statement is nested too deeply. Rewrite the query or break it up into smaller queries."},
	343:   {15, "Unknown object type '%s' used in a CREATE, DROP, or ALTER statement."},
	1087:  {15, "Must declare the table variable \"%s\"."},
	8632:  {17, "Internal error: An expression services limit has been reached. Please look for potentially complex expressions in your query, and try to simplify them."},
	10713: {15, "A MERGE statement must be terminated by a semi-colon (;)."},
	10738: {15, "The number of row value expressions in the INSERT statement exceeds the maximum allowed number of 1000 row values."},
}
