"""What the OpenAPI document is made of: schemas, examples, a table of routes, the page at /docs."""
