package mdf

import "linkspan/sqltype"

// decodeXML gives the bytes of an xml value. SQL Server stores them in its binary form ([MS-BINXML]), which is not
// turned into text here: the value is a binary one.
func decodeXML(b []byte) (sqltype.Value, error) { return sqltype.BytesOf(sqltype.VarBinary, b), nil }
