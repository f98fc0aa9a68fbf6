// Package arm owns the management endpoint in front of a managed instance: an HTTPS server that speaks as much of Azure
// Resource Manager and Microsoft.Sql as the Azure CLI, Azure's SDKs and the link's published scripts need.
//
// It authenticates (OAuth2 client credentials; its own tokens, algorithm pinned), routes paths in any case, reads bodies
// of any known generation, runs long operations and reports on them, and turns errors into the API's envelope. What the
// calls mean is done by small interfaces that it declares (Instance and its parts); the daemon adapts the instance to
// them. Nothing here knows SQL, storage or replicas.
//
// What a stranger may reach without a token is exactly anonymousPaths: discovery documents, keys and the token
// endpoints. Addresses in answers come from Options.BaseURL, never from a request.
package arm
