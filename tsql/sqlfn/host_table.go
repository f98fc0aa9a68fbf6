package sqlfn

import "linkspan/sqltype"

// hostFunction is a function about the session, the server or the catalog: its parameters, its result, and how many of
// the parameters may be left out.
type hostFunction struct {
	result   sqltype.Type
	optional int
	params   []sqltype.Type
}

// hostTable lists the functions that Statement.Host answers, by upper-case name. The arguments reach it converted to
// these types. What is sql_variant in SQL Server (SERVERPROPERTY and the like) is nvarchar here.
var hostTable = map[string]hostFunction{
	"APP_NAME":                            {typeSysname, 0, nil},
	"ASYMKEY_ID":                          {typeInt, 0, params(typeSysname)},
	"CERTENCODED":                         {typeBytes, 0, params(typeInt)},
	"CERTPRIVATEKEY":                      {typeBytes, 1, params(typeInt, typeSysname, typeSysname)},
	"CERTPROPERTY":                        {typeProperty, 0, params(typeInt, typeSysname)},
	"CERT_ID":                             {typeInt, 0, params(typeSysname)},
	"COLUMNPROPERTY":                      {typeInt, 0, params(typeInt, typeSysname, typeSysname)},
	"COL_LENGTH":                          {typeSmall, 0, params(typeNVarChar, typeSysname)},
	"COL_NAME":                            {typeSysname, 0, params(typeInt, typeInt)},
	"COLLATIONPROPERTY":                   {typeProperty, 0, params(typeSysname, typeSysname)},
	"CONNECTIONPROPERTY":                  {typeProperty, 0, params(typeSysname)},
	"CONTEXT_INFO":                        {sqltype.Type{Kind: sqltype.VarBinary, Len: 128}, 0, nil},
	"CURRENT_TRANSACTION_ID":              {typeBigInt, 0, nil},
	"CURRENT_USER":                        {typeSysname, 0, nil},
	"DATABASEPROPERTYEX":                  {typeProperty, 0, params(typeSysname, typeSysname)},
	"DATABASE_PRINCIPAL_ID":               {typeInt, 1, params(typeSysname)},
	"DB_ID":                               {typeSmall, 1, params(typeSysname)},
	"DB_NAME":                             {typeSysname, 1, params(typeInt)},
	"ERROR_LINE":                          {typeInt, 0, nil},
	"ERROR_MESSAGE":                       {typeNVarChar, 0, nil},
	"ERROR_NUMBER":                        {typeInt, 0, nil},
	"ERROR_PROCEDURE":                     {typeSysname, 0, nil},
	"ERROR_SEVERITY":                      {typeInt, 0, nil},
	"ERROR_STATE":                         {typeInt, 0, nil},
	"FILE_ID":                             {typeSmall, 0, params(typeSysname)},
	"FILE_NAME":                           {typeSysname, 0, params(typeInt)},
	"FILEPROPERTY":                        {typeInt, 0, params(typeSysname, typeSysname)},
	"FN_HADR_BACKUP_IS_PREFERRED_REPLICA": {typeBit, 0, params(typeSysname)},
	"FN_HADR_IS_PRIMARY_REPLICA":          {typeBit, 0, params(typeSysname)},
	"FN_HADR_DISTRIBUTED_AG_REPLICA":      {typeGUID, 0, params(typeGUID, typeGUID)},
	"HAS_DBACCESS":                        {typeInt, 0, params(typeSysname)},
	"HAS_PERMS_BY_NAME":                   {typeInt, 2, params(typeNVarChar, typeSysname, typeSysname, typeNVarChar, typeSysname)},
	"HOST_ID":                             {sqltype.Type{Kind: sqltype.Char, Len: 10}, 0, nil},
	"HOST_NAME":                           {typeSysname, 0, nil},
	"IDENT_CURRENT":                       {typeNumeric38, 0, params(typeNVarChar)},
	"IDENT_INCR":                          {typeNumeric38, 0, params(typeNVarChar)},
	"IDENT_SEED":                          {typeNumeric38, 0, params(typeNVarChar)},
	"INDEXPROPERTY":                       {typeInt, 0, params(typeInt, typeSysname, typeSysname)},
	"INDEX_COL":                           {typeSysname, 0, params(typeNVarChar, typeInt, typeInt)},
	"IS_MEMBER":                           {typeInt, 0, params(typeSysname)},
	"IS_ROLEMEMBER":                       {typeInt, 1, params(typeSysname, typeSysname)},
	"IS_SRVROLEMEMBER":                    {typeInt, 1, params(typeSysname, typeSysname)},
	"KEY_GUID":                            {typeGUID, 0, params(typeSysname)},
	"KEY_ID":                              {typeInt, 0, params(typeSysname)},
	"LOGINPROPERTY":                       {typeProperty, 0, params(typeSysname, typeSysname)},
	"OBJECTPROPERTY":                      {typeInt, 0, params(typeInt, typeSysname)},
	"OBJECTPROPERTYEX":                    {typeProperty, 0, params(typeInt, typeSysname)},
	"OBJECT_DEFINITION":                   {typeMaxText, 0, params(typeInt)},
	"OBJECT_ID":                           {typeInt, 1, params(typeNVarChar, typeSysname)},
	"OBJECT_NAME":                         {typeSysname, 1, params(typeInt, typeInt)},
	"OBJECT_SCHEMA_NAME":                  {typeSysname, 1, params(typeInt, typeInt)},
	"ORIGINAL_DB_NAME":                    {typeSysname, 0, nil},
	"ORIGINAL_LOGIN":                      {typeSysname, 0, nil},
	"PWDCOMPARE":                          {typeInt, 1, params(typeSysname, typeBytes, typeInt)},
	"PWDENCRYPT":                          {sqltype.Type{Kind: sqltype.VarBinary, Len: 128}, 0, params(typeSysname)},
	"ROWCOUNT_BIG":                        {typeBigInt, 0, nil},
	"SCHEMA_ID":                           {typeInt, 1, params(typeSysname)},
	"SCHEMA_NAME":                         {typeSysname, 1, params(typeInt)},
	"SCOPE_IDENTITY":                      {typeNumeric38, 0, nil},
	"SERVERPROPERTY":                      {typeProperty, 0, params(typeSysname)},
	"SESSIONPROPERTY":                     {typeProperty, 0, params(typeSysname)},
	"SESSION_CONTEXT":                     {typeProperty, 0, params(typeSysname)},
	"SESSION_USER":                        {typeSysname, 0, nil},
	"STATS_DATE":                          {typeDateTime, 0, params(typeInt, typeInt)},
	"SUSER_ID":                            {typeInt, 1, params(typeSysname)},
	"SUSER_NAME":                          {typeSysname, 1, params(typeInt)},
	"SUSER_SID":                           {sqltype.Type{Kind: sqltype.VarBinary, Len: 85}, 2, params(typeSysname, typeInt)},
	"SUSER_SNAME":                         {typeSysname, 1, params(sqltype.Type{Kind: sqltype.VarBinary, Len: 85})},
	"SYSTEM_USER":                         {typeSysname, 0, nil},
	"TYPE_ID":                             {typeInt, 0, params(typeNVarChar)},
	"TYPE_NAME":                           {typeSysname, 0, params(typeInt)},
	"USER":                                {typeSysname, 0, nil},
	"USER_ID":                             {typeInt, 1, params(typeSysname)},
	"USER_NAME":                           {typeSysname, 1, params(typeInt)},
	"XACT_STATE":                          {typeSmall, 0, nil},
}

var (
	typeProperty  = sqltype.Type{Kind: sqltype.NVarChar, Len: 4000}
	typeNumeric38 = sqltype.DecimalType(38, 0)
)

func params(t ...sqltype.Type) []sqltype.Type { return t }

// hostFunctions makes the binder's entries of the table.
func hostFunctions() map[string]function {
	m := make(map[string]function, len(hostTable))
	for name, h := range hostTable {
		m[name] = function{len(h.params) - h.optional, len(h.params), bindHost(h)}
	}
	return m
}
