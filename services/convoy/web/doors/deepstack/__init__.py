"""DeepStack's and CodeProject.AI's REST: one family, whose clients need but another address.

routes.py   the table of paths
objects.py  detection, custom models, scene
faces.py    find, register, recognise, list, delete, match
answers.py  their JSON, and their errors
"""

from convoy.web.doors.deepstack.routes import deepstack

__all__ = ["deepstack"]
