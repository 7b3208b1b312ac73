"""Measures Convoy. Each command writes its numbers and their conditions into results/.

request_cost.py            what a call costs when its network does nothing
serving_overhead.py        how much of ONNX Runtime's speed is left when a service runs a network
overload.py                what a service does under more load than it can carry
fairness.py                one caller beside the flood of another
face_pipeline.py           detecting, aligning and embedding a face, beside the same graphs alone
group_photos.py            how often somebody is wrongly named in a group photo
instance_masks.py          masks of single cells beside connected components
equal_compute.py           five detectors, five classifiers, and networks by depth, each with as much computing
made_objects.py            pictures whose masks and points are known
gallery_growth.py          known people missed as a gallery grows, and what several photos and their average bring
command_start.py           how long a command takes, beside an earlier checkout
picture_decoding.py        decoding an ordinary JPEG, beside an earlier checkout and OpenCV
everyday.py                what networks say of everyday photographs (everyday.toml says what they show)
recognition_index.py       search in memory
recognition_kernels.py     kernels for a search
recognition_galleries.py   what many empty galleries cost
recognition_store.py       registering, following and loading a gallery
recognition_vector_sets.py galleries in vector sets
camvid_tracks.py           how well numbers of tracks survive a detector's gaps, on a real film
training_feed.py           how many pictures a second a detector's training is fed
door_cost.py               what a door for another system's clients costs beside the REST call behind it
door_strangers.py          how often strangers are named through each of these doors
model_latency.py           what a call costs with each published model
web_speed.py               the door for the web beside gRPC and other servers
training_loop.py           the training loop beside a plain PyTorch loop
imaging_speed.py           what a picture costs with each model that makes pictures
attack_parts.py            100,000 bad inputs and 200 kills, in parts
soak.py                    mixed load for minutes or hours, and whether processes grow
gpu_check.py               a machine with a GPU: equal answers, refusals, speed
report.py                  writes docs/benchmarks.md from results/
peers/                     other servers beside Convoy

conditions.py              writes machine, versions and date beside each number
networks.py                networks with random weights
requests.py                the same picture as a request of each API
server.py                  runs a server as a process, and measures its CPU time and memory
door_fleet.py              a fleet with these doors open
processes.py               finds the processes of a fleet
bare.py                    the simplest possible server
raw.py                     ONNX Runtime with nothing around it
load.py                    load from Python, call by call
h2load.py                  load with h2load
"""
