"""Who may call what: credentials, scopes, rate limits, TLS. Nothing here knows gRPC."""
