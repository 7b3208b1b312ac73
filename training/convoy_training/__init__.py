"""Convoy's trainer: it takes labelled pictures and a recipe, and makes a model folder that the services load.

cli/              the commands of `convoy-train`
__main__.py       starts them
recipe.py         the fields that every recipe has
recipe_file.py    reads and writes recipes, which are YAML files
task.py           the functions that every task has
tasks/            what is trained: one task a file
detecting/        the parts of the task detection: recipe, batches, measures
models/           architectures: one a file, registered where it is defined
losses/           what a training makes small
metrics/          what is measured
data/             datasets: from files to checked pictures and labels
augment/          how training pictures are changed
runs/             the training loop, its checkpoints and its devices
publishing/       from a run to a published model
report/           the HTML page about a model
inspection/       what a data set holds, and what is wrong in it
protocols/        how face embedders are judged
prediction/       what a model says about a folder of pictures
distillation.py   what a classifier, detector or segmenter learns from a published one
teacher.py        a published or imported model to learn from
lessons.py        what the teacher says of each training picture, kept for the student
classifier_graph.py  what a published classifier computes around its network
evaluation.py     measures a run or a published model
pairing.py        compares two models on the same pictures
sweep.py          tries values of a recipe's fields, a run each
cleaning.py       finds wrong labels among training faces
likeness.py       fits the faces service's second opinion: does a crop look like a face
visibility.py     fits its opinion on masks, dark glasses and hands
crop_network.py   what both of them fit, measure and write
scaling.py        shows what more data brings
origin.py         which recipe and which command made a run
ahead.py          makes things in threads before they are needed
choices.py        the values of options
loading.py        Ctrl-C while libraries load
session.py        an ONNX file as a function
structures.py     crops and scenes: what data hands to augmentation and tasks
box_geometry.py   arithmetic of boxes
tables.py         prints tables
errors.py         the errors that you may see
"""
