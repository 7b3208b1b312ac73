"""Recognition: people's face templates in Redis, searched in memory, one gallery at a time.

servicer.py         the calls of the API: request in, use case, answer out
people_servicer.py  those of them on people and faces on record
assembly.py         the use cases of one process, put together
policy_tries.py     bounds how often who may not see similarities changes what decides
recovery.py         what a restore does with galleries
requests.py         requests of the API as domain values
messages.py         domain values as answers of the API
face_messages.py    pictures and faces as messages, both ways
sources.py          who embeds for a gallery: one of the next two
faces_client.py     the face service over gRPC
things_client.py    classification's embedders over gRPC, for collections of things
service_client.py   what both share: a service over gRPC
use_cases/          what a caller can do
search/             who is nearest, among what this process holds of each gallery
store/              where galleries are kept: Redis
domain/             what the others talk about: records, values, rules
"""
