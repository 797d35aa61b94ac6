"""The machinery of an endpoint: operations, keys, problems, OpenAPI, middleware."""
