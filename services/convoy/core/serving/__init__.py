"""The parts of a servicer: everything that knows gRPC and protobuf, except the RPCs of the services themselves.

server.py           starts, watches and drains one server; `Service` says what a process serves
metrics_page.py     the Prometheus page
reflection.py       gRPC reflection
ports.py            checks that a port is free before anything else starts
interceptors.py     around every call: the caller, the message, errors to statuses
receiving.py        receives messages within bounds, for the process and for each caller
answers.py          room for large answers, until they are sent
room.py             the memory for messages, shared fairly
arrivals.py         messages on their way: refuses those that stand in the way of others
connections.py      how many bytes each connection has received
call_counts.py      how many calls each connection has begun, as gRPC counts them
reset_floods.py     cuts off hosts that reset calls in a flood
closed_hosts.py     hangs up, and lets the kernel keep hosts out
inflation.py        inflates compressed messages, up to a limit
wire.py             counts a message's fields before protobuf reads it
open_calls.py       bounds the calls that are open at a time
call_log.py         a call's id, log line, metrics and span
status.py           turns an error into a gRPC status, and a time limit into a deadline
admission.py        refuses a call before its message arrives, if its queue is full
streaming.py        answers a stream of requests in order
track_numbers.py    numbers what a stream finds by track
picture_service.py  what services that look at pictures share: start here to add a vision task
explaining.py       what services share that explain their answers
messages.py         pictures, boxes, sizes and names of models as messages; checks of arguments
calibrations.py     what an embedder's similarities mean, as a message
model_services.py   adds the next two APIs to a service that has models
load_history.py     how much there was to do in the last minutes, from the metrics
status_servicer.py  StatusService: who the caller is, and that
model_servicer.py   ModelService: list, load, unload
tensor_servicer.py  the Open Inference Protocol
infer_request.py    reads a ModelInferRequest without copying its tensors
tensor_parameters.py  its parameters: those that are served, and the refusal of all others
tensor_requests.py  what a request asks of a model, checked
tensor_descriptions.py  what it says of a model: tensors, configuration, statistics
tensors.py          turns its tensors into NumPy arrays and back
top_classes.py      the highest values of an output as text
"""
