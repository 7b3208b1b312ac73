"""Models at run time, from a folder on disk to the answers of a graph. Nothing here knows gRPC.

host.py             the models of one process: device, cores, default model, limits
repository.py       loads, follows and unloads versions
versions.py         what is known of each version, and which of them may answer
version_folders.py  lists what is on disk, and whether it changed
integrity.py        tells which versions on disk are not what their manifests say
writer.py           writes a version folder and publishes it by one rename
folder_swap.py      replaces an old folder by a new one
loaded_model.py     a version in memory: verified, loaded, warmed up
engine.py           a graph on ONNX Runtime, the only file that imports it
outputs.py          compares a graph's outputs with its manifest
batching.py         gathers inputs into batches; the queue, its limits and deadlines
fair_queue.py       a queue in which callers take turns
shares.py           who has how much in work, and threads for those who ask for little beside a flood
fair_threads.py     threads in which callers take turns
budget.py           limits the pixels in memory at a time
few_at_a_time.py    lets a few dear calls run, and a few wait
pipeline.py         takes pictures through a model: decode, run, interpret
occlusion.py        explains an answer: looks again with each place covered
statistics.py       counts and durations of a model
calibration.py      similarity to false-match rate and back
"""
