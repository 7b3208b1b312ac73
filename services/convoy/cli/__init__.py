"""The command `convoy`: one group of commands a file.

__main__.py         starts the command, quiet under Ctrl-C while it loads
app.py              puts the groups together; the help of `convoy` itself
vision.py           convoy classify, embed, detect, segment, faces
volumes.py          convoy segment-volume
signals.py          convoy classify-signal
track.py            convoy track
imaging.py          convoy transform
explanation.py      convoy explain
recognition.py      convoy register, identify, verify
registering.py      what register asks and prints
photos.py           what all commands on several pictures share: ask about each, draw, print
gallery.py          convoy gallery create, update, list, show, delete
gallery_review.py   convoy gallery audit, duplicates
gallery_aliases.py  convoy gallery alias, aliases
policy_options.py   options that say what a gallery demands
gallery_transfer.py convoy gallery export, import
gallery_files.py    the file that an export writes
gallery_reembed.py  convoy gallery reembed
person.py           convoy person list, show, create, update, rename, merge, delete, face
person_register.py  convoy person register, for many people
bulk.py             registers many people, and resumes where it was cut
packs.py            how many photos go into one request
patience.py         waits for a service that is away, and tells it from a photo that fails
reports.py          what was refused or left out, as CSV
bulk_sources.py     reads who a folder or a table has, and says what is left out
migrate.py          convoy migrate compreface, folders, rekognition, deepstack
migration/          what each of those systems keeps, and how it comes over
model.py            convoy model list, verify
model_admin.py      convoy model load, unload, status
model_import.py     convoy model import
model_pull.py       convoy model pull, catalogue
model_report.py     shows what an import found and wrote
model_trial.py      tries a foreign graph on a picture before it is imported
fleet.py            convoy up, serve, health, demo
doctor.py           convoy doctor
token.py            convoy token create
doors.py            convoy doors curve
completion.py       names of galleries, models and people, when the shell asks for them
output.py           prints tables, JSON, questions and progress
json_output.py      turns answers into JSON
failures.py         what a failed command says, and its exit code

No module imports anything heavy before a command needs it, so that `convoy --help` is fast.
"""

import os
import signal

INTERRUPTED = 128 + signal.SIGINT
"""The exit code after Ctrl-C, as a shell reports a program that SIGINT ended."""

if os.getpid() == 1:
    # The first process of a container ignores SIGTERM until it has a handler, and imports take seconds.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
