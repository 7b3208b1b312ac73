"""Datasets: from files as people have them to checked pictures and labels.

source.py         where data lies: your path, or the folder in CONVOY_DATA
archive.py        a dataset's files by name, in a folder or a tar
photo.py          pictures, decoded as the services decode them
lists.py          lists of names, and splits that share no picture
cifar.py          classification: CIFAR-10 and CIFAR-100
image_folder.py   classification: a folder of pictures for each class
boxes.py          detection: labelled boxes, checked, whatever file they come from
voc.py            detection: VOC XML
coco.py           detection: COCO JSON
yolo.py           detection: YOLO text files
data_yaml.py      detection: Ultralytics' data.yaml, for yolo.py
masks.py          segmentation: PNG masks
isbi.py           segmentation: ISBI 2012
face_pictures.py  face detection: labelled faces, checked, whatever list they come from
face_lists.py     face detection: the lists of WIDER FACE, RetinaFace and COCO
own_faces.py      face detection: your own pictures with faces
wider.py          face detection: the WIDER FACE subset, and close-ups of LFW and CelebA
identities.py     face embedding: the people of LFW and CelebA
own_people.py     face embedding: your own people
exclusions.py     face embedding: pictures that are not trained on
"""
