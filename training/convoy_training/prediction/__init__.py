"""What a model says about a folder of pictures: `convoy-train predict`.

answering.py  pictures in, answers out, through the services' own code
drawing.py    answers drawn into pictures
writing.py    tables, COCO JSON, masks
folder.py     the whole: from a folder of pictures to a folder of answers
"""
