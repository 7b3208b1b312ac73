"""The parts of a servicer: everything that knows gRPC and protobuf, except the RPCs of the services themselves.

server.py           starts, watches and drains one server; `Service` says what a process serves
ports.py            checks that a port is free before anything else starts
interceptors.py     around every call: the caller, the message, errors to statuses
call_log.py         a call's id, log line, metrics and span
status.py           turns an error into a gRPC status, and a time limit into a deadline
admission.py        refuses a call before its message arrives, if its queue is full
streaming.py        answers a stream of requests in order
picture_service.py  what services that look at pictures share: start here to add a vision task
messages.py         pictures, boxes, sizes and names of models as messages; checks of arguments
model_services.py   adds the next two APIs to a service that has models
model_servicer.py   ModelService: list, load, unload
tensor_servicer.py  the Open Inference Protocol
infer_request.py    reads a ModelInferRequest without copying its tensors
tensors.py          turns its tensors into NumPy arrays and back
"""
