"""Datasets: reads files in the forms that people have them, and gives checked pictures and labels.

source.py         finds data: at your path, or below the folder in CONVOY_DATA
archive.py        a dataset's files by name, in a folder, a tar or a zip
photo.py          decodes pictures as the services do
lists.py          lists of names; checks that splits share no picture
reading.py        the recipe's fields about data: which classes, which split, what happens at a fault
faults.py         collects all faults, and what was read in spite of an oddity
layout.py         the refusal of a wrong layout, with what was found as a tree
division.py       divides one folder into training and validation
cifar.py          classification: CIFAR-10 and CIFAR-100
digits.py         classification: the digits that scikit-learn brings along
signals.py        classification: signals in arrays
heartbeats.py     classification: signals of heartbeats, made by a generator
image_folder.py   classification: a folder of pictures for each class
boxes.py          detection: checked boxes with labels, from any form of file
instances.py      detection: masks of single objects, from polygons and run lengths
poses.py          detection: named points of objects
isbi_cells.py     detection: the cells of ISBI 2012 one by one
assembly.py       detection: puts boxes and pictures together, for all forms
voc.py            detection: VOC XML
coco.py           detection: COCO JSON
yolo.py           detection: YOLO text files
yolo_lines.py     detection: their lines: boxes, polygons, and boxes with points
data_yaml.py      detection: Ultralytics' data.yaml, for yolo.py
tools.py          detection: what labelme, VIA, CVAT and Label Studio write of their own
masks.py          segmentation: PNG masks
mask_files.py     segmentation: one mask, from its file to classes
roboflow_masks.py  segmentation: Roboflow's export of masks, for masks.py
coco_masks.py     segmentation: masks drawn from the polygons of COCO JSON
isbi.py           segmentation: ISBI 2012
photographs.py    pictures of pictures: photographs without labels
patterns.py       pictures of pictures: patterns as pictures of a style
face_pictures.py  face detection: checked faces, from any form of list
face_lists.py     face detection: the lists of WIDER FACE, RetinaFace and COCO
own_faces.py      face detection: your own pictures with faces
wider.py          face detection: the WIDER FACE subset, and close-ups of LFW and CelebA
faceless.py       face detection: pictures without a face, from the other tasks
faceless_kinds.py  face detection: the same by kind and split, to measure with
face_crops.py     face detection: crops of faces, and of what is taken for one
presentations.py  liveness: photos of people and of attacks
identities.py     face embedding: the people of LFW and CelebA
own_people.py     face embedding: your own people
exclusions.py     face embedding: pictures to leave out of training
group_photos.py   face embedding: different people in one photo
unlabelled_faces.py  face embedding: faces of unknown people, for learning from a teacher
"""
