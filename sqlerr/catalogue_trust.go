package sqlerr

// trustMessages are raised by keys, certificates and mirroring endpoints.
var trustMessages = map[int32]entry{
	7860:  {16, "An endpoint's transport or content cannot be changed through the ALTER ENDPOINT statement. Use DROP ENDPOINT and execute the CREATE ENDPOINT statement to make these changes."},
	7862:  {16, "An endpoint of the requested type already exists.  Only one endpoint of this type is supported.  Use ALTER ENDPOINT or DROP the existing endpoint and execute the CREATE ENDPOINT statement."},
	7863:  {16, "The endpoint was not changed. The ALTER ENDPOINT statement did not contain any values to modify or update."},
	9690:  {16, "The %s endpoint cannot listen on port %d because it is in use or the address cannot be bound: %s."},
	9692:  {16, "The %s endpoint cannot listen on port %d because it is in use by another process."},
	15118: {16, "Password validation failed. The password does not meet the operating system policy requirements because it is not complex enough."},
	15151: {16, "Cannot %s the %s '%s', because it does not exist or you do not have permission."},
	15213: {10, "Warning: The certificate you created is expired."},
	15214: {10, "Warning: The certificate you created is not yet valid; its start date is in the future."},
	15232: {16, "A certificate with name '%s' already exists or this certificate already has been added to the database."},
	15297: {16, "The certificate, asymmetric key, or private key data is invalid."},
	15352: {16, "The %s cannot be dropped because one or more entities are either signed or encrypted using it."},
	15559: {16, "Cannot drop %s '%s' because there is a %s mapped to it."},
	15578: {16, "There is already a master key in the database. Please drop it before performing this statement."},
	15580: {16, "Cannot drop master key because %s '%s' is encrypted by it."},
	15581: {16, "Please create a master key in the database or open the master key in the session before performing this operation."},
	28055: {16, "The certificate '%s' is not valid for endpoint authentication. The certificate must have a private key encrypted with the database master key and current UTC date has to be between the certificate start date and the certificate expiration date."},
}
