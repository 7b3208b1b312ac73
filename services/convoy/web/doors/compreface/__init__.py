"""CompreFace 1.2 REST: whoever calls `/api/v1/recognition/recognize` needs but another address.

routes.py    the table of paths
requests.py  what its calls have in common
subjects.py  people: list, add, rename, merge, delete
records.py   the faces on record of people
pages.py     the pages of these faces
search.py    recognise and verify people of the gallery
pictures.py  find faces, compare two pictures; nothing is kept
answers.py   their JSON
refusals.py  their errors, with numbers
"""

from convoy.web.doors.compreface.routes import COMPREFACE

__all__ = ["COMPREFACE"]
