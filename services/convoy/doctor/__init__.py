"""What is wrong with a machine or a deployment, and what to do about it. `convoy doctor` prints it; nothing is changed.

findings.py      what one look found
machine.py       memory, disk, GPU, installed distributions, settings that nothing reads
models.py        the models in the repositories, by their digests
certificates.py  the dates of certificates and the rights of key files
services.py      who listens at each address, and which version
redis.py         whether Redis keeps what it acknowledges; its memory and its clock
"""
