"""Who may make which call: tokens, scopes, rate limits and TLS. Nothing here knows gRPC.

guard.py    checks every call: who makes it, whether they may, whether too fast, and what they may see
callers.py  the caller of the call that is being answered
demands.py  what each call demands, read from the options in proto/convoy/v1
scopes.py   the words for what a caller may do
scores.py   hides similarities from callers without the scope `scores`
tokens.py   static tokens, kept as hashes in a file
jwts.py     JSON Web Tokens of an identity provider
rates.py    rate limits
doors.py    for whom a web door calls
tls.py      certificates and keys
files.py    files that may change while the process runs
neighbours.py  secrets of others that lie beside a service's own

To add a scope for a call, write it beside the call in the proto; no file here changes.
"""
