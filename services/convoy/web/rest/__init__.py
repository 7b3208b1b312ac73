"""HTTP as people type it: /v1/detect and the like, each an RPC of the protos under a path of its own.

operations.py   the table: verb, path, RPC
parameters.py   the fields of a request as parameters of a query, a form or JSON
inputs.py       reads multipart forms, raw pictures and JSON
forms.py        multipart forms, in memory
pictures.py     answers with a drawn picture or a mask
openapi.py      OpenAPI 3.1 of all this, from the table and the protos
routes.py       from the table to routes
fleet.py        /v1/services, /v1/caller: who is there, with which models and how much to do; who asks
transfer.py     a gallery as a file, and back
erasures.py     receipts of what was erased
examples.py     examples for OpenAPI
openapi_beside.py  OpenAPI of these, which are no single RPC
"""
