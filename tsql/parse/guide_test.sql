-- What the guide to the live link runs on both sides, placeholders filled.
USE MASTER
CREATE MASTER KEY ENCRYPTION BY PASSWORD = 'Str0ng!Passw0rd'
GO
USE MASTER
GO
DECLARE @sqlserver_certificate_name NVARCHAR(MAX) = N'Cert_' + @@servername  + N'_endpoint'
DECLARE @sqlserver_certificate_subject NVARCHAR(MAX) = N'Certificate for ' + @sqlserver_certificate_name
DECLARE @create_sqlserver_certificate_command NVARCHAR(MAX) = N'CREATE CERTIFICATE [' + @sqlserver_certificate_name + '] WITH SUBJECT = ''' + @sqlserver_certificate_subject + ''', EXPIRY_DATE = ''03/30/2025'''
EXEC sp_executesql @stmt = @create_sqlserver_certificate_command
GO
USE MASTER
GO
SELECT * FROM sys.certificates
GO
USE MASTER
GO
DECLARE @sqlserver_certificate_name NVARCHAR(MAX) = N'Cert_' + @@servername  + N'_endpoint'
DECLARE @PUBLICKEYENC VARBINARY(MAX) = CERTENCODED(CERT_ID(@sqlserver_certificate_name));
SELECT @PUBLICKEYENC AS PublicKeyEncoded;
GO
EXEC sp_get_endpoint_certificate @endpoint_type = 4
GO
USE MASTER
CREATE CERTIFICATE [sqlmi1.73d19f36a420a.database.windows.net]
FROM BINARY = 0x308203AE
GO
SELECT * FROM sys.certificates
GO
SELECT * FROM sys.database_mirroring_endpoints WHERE type_desc = 'DATABASE_MIRRORING'
GO
USE MASTER
CREATE ENDPOINT database_mirroring_endpoint
    STATE=STARTED
    AS TCP (LISTENER_PORT=5022, LISTENER_IP = ALL)
    FOR DATABASE_MIRRORING (
        ROLE=ALL,
        AUTHENTICATION = CERTIFICATE Cert_sqlserver1_endpoint,
        ENCRYPTION = REQUIRED ALGORITHM AES
    )
GO
SELECT
    name, type_desc, state_desc, role_desc,
    connection_auth_desc, is_encryption_enabled, encryption_algorithm_desc
FROM
    sys.database_mirroring_endpoints
GO
SELECT
    name, type_desc, state_desc, role_desc, connection_auth_desc,
    is_encryption_enabled, encryption_algorithm_desc
FROM
    sys.database_mirroring_endpoints
GO
USE MASTER
ALTER ENDPOINT database_mirroring_endpoint
    STATE=STARTED
    AS TCP (LISTENER_PORT=5022, LISTENER_IP = ALL)
    FOR DATABASE_MIRRORING (
        ROLE=ALL,
        AUTHENTICATION = WINDOWS NEGOTIATE CERTIFICATE Cert_sqlserver1_endpoint,
        ENCRYPTION = REQUIRED ALGORITHM AES
    )
GO
SELECT
    name, type_desc, state_desc, role_desc, connection_auth_desc,
    is_encryption_enabled, encryption_algorithm_desc
FROM
    sys.database_mirroring_endpoints
GO
SELECT @@SERVERNAME AS SQLServerName
GO
USE MASTER
CREATE AVAILABILITY GROUP [AG_db1]
WITH (CLUSTER_TYPE = NONE)
    FOR database [db1]
    REPLICA ON
        'sqlserver1' WITH
            (
            ENDPOINT_URL = 'TCP://10.0.0.4:5022',
            AVAILABILITY_MODE = SYNCHRONOUS_COMMIT,
            FAILOVER_MODE = MANUAL,
            SEEDING_MODE = AUTOMATIC
            );
GO
USE MASTER
CREATE AVAILABILITY GROUP [DAG_db1]
  WITH (DISTRIBUTED)
  AVAILABILITY GROUP ON
  'AG_db1' WITH
  (
    LISTENER_URL = 'TCP://10.0.0.4:5022',
    AVAILABILITY_MODE = ASYNCHRONOUS_COMMIT,
    FAILOVER_MODE = MANUAL,
    SEEDING_MODE = AUTOMATIC,
    SESSION_TIMEOUT = 20
  ),
  'sqlmi1' WITH
  (
    LISTENER_URL = 'tcp://sqlmi1.73d19f36a420a.database.windows.net:5022;Server=[sqlmi1]',
    AVAILABILITY_MODE = ASYNCHRONOUS_COMMIT,
    FAILOVER_MODE = MANUAL,
    SEEDING_MODE = AUTOMATIC
  );
GO
SELECT * FROM sys.availability_groups
GO
SELECT
    r.replica_server_name AS [Replica],
    r.endpoint_url AS [Endpoint],
    rs.connected_state_desc AS [Connected state],
    rs.last_connect_error_description AS [Last connection error],
    rs.last_connect_error_number AS [Last connection error No],
    rs.last_connect_error_timestamp AS [Last error timestamp]
FROM
    sys.dm_hadr_availability_replica_states rs
    JOIN sys.availability_replicas r
    ON rs.replica_id = r.replica_id
GO
