"""What a servicer is made of: everything that knows gRPC and protobuf, but the RPCs of the services themselves.

server.py           starts, watches and drains one server; `Service` says what a process serves
ports.py            says that a port is in use before anything else starts
interceptors.py     around every call: caller, request id, errors to statuses, the call's log line, metrics
status.py           an error as a gRPC status; a call's deadline
admission.py        refuses a call before its message comes, where its queue is full
streaming.py        answers a stream of requests in order
picture_service.py  what services that look at pictures share: a new vision task begins here
messages.py         pictures, boxes, sizes and names of models as messages; checks of arguments
model_services.py   adds the two APIs below to a service that has models
model_servicer.py   ModelService: list, load, unload
tensor_servicer.py  the Open Inference Protocol
infer_request.py    a ModelInferRequest whose tensors are not copied
tensors.py          its tensors as NumPy arrays
"""
