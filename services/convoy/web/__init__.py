"""The web door: HTTP/JSON and the console. It holds no model and no gallery, and calls the services for its callers.

process.py        `convoy serve web`: settings, signals
server.py         HTTP/1.1 and HTTP/2 on one port, drained like a service
wire.py           hypercorn's protocols, with fewer writes
tls.py            the certificates, read again when they change
application.py    which route answers what
paths.py          finds the route of a path
door.py           stands before every route: hosts, origins, headers, log line
clients.py        the client's address, through named proxies
requests.py       bodies within bounds, time limits, what goes on to the services
holding.py        the memory that bodies take
methods.py        every RPC, from the protos
calls.py          the gRPC call of a request
failures.py       what a service answered instead of a result
problems.py       errors as HTTP (RFC 9457)
json_messages.py  messages as JSON
long_bytes.py     pictures in JSON
connect.py        every RPC by the Connect protocol
open_inference.py  the Open Inference Protocol over REST
tensors.py        tensors in JSON, and as bytes after it
rest/             /v1/detect and the like
doors/            for clients of CompreFace, DeepStack and Rekognition
console/          what the browser gets
"""
