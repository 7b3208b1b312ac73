"""The Python clients in the words of the story: arguments NAME URL KEY ALBUM, prints the story as JSON."""

import contextlib
import io
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

from story import Teller, tell

COLLECTION = "foreign"


class DeepstackPython(Teller):
    def __init__(self, url: str, key: str) -> None:
        import deepstack.core as ds

        where = {"ip": urlsplit(url).hostname, "port": urlsplit(url).port, "api_key": key}
        self.error = ds.DeepstackException
        self.face, self.object = ds.DeepstackFace(**where), ds.DeepstackObject(**where)
        self.scene = ds.DeepstackScene(**where)

    def enrol(self, name: str, path: str) -> str:
        try:
            return "" if self.face.register(name, Path(path).read_bytes()).startswith("face ") else "odd answer"
        except self.error as error:
            return str(error)

    def names(self) -> list[str]:
        return self.face.get_registered_faces()

    def find(self, path: str) -> list[str]:
        try:
            return [one["userid"] for one in self.face.recognize(Path(path).read_bytes())]
        except self.error as error:
            return [f"error: {error}"]

    def objects(self, path: str) -> int:
        assert self.scene.recognize(Path(path).read_bytes())["label"]
        return len(self.object.detect(Path(path).read_bytes()))


class CodeProjectAi(DeepstackPython):
    """It sends no key."""

    def __init__(self, url: str, key: str) -> None:
        import codeprojectai.core as cp

        where = {"ip": urlsplit(url).hostname, "port": urlsplit(url).port}
        self.error = cp.CodeProjectAIException
        self.face, self.object = cp.CodeProjectAIFace(**where), cp.CodeProjectAIObject(**where)

    def objects(self, path: str) -> int:
        return len(self.object.detect(Path(path).read_bytes()))


class DeepstackSdk(Teller):
    def __init__(self, url: str, key: str) -> None:
        import deepstack_sdk as ds

        config = ds.ServerConfig(url, api_key=key)
        self.face, self.detection = ds.Face(config), ds.Detection(config)

    def enrol(self, name: str, path: str) -> str:
        try:
            return "" if self.face.registerFace([path], userid=name) else "odd answer"
        except Exception as error:
            return str(error)

    def names(self) -> list[str]:
        return list(self.face.listFaces())

    def find(self, path: str) -> list[str]:
        try:
            # It prints every answer.
            with contextlib.redirect_stdout(io.StringIO()):
                return [one.userid for one in self.face.recognizeFace(path)]
        except Exception as error:
            return [f"error: {error}"]

    def objects(self, path: str) -> int:
        return len(self.detection.detectObject(path))

    def delete(self, name: str) -> bool:
        return self.face.deleteFace(name)


class CompreFaceCalls(Teller):
    """What the two CompreFace clients have in common: they hand on the server's JSON."""

    def recognise(self, path: str) -> dict:
        raise NotImplementedError

    def find(self, path: str) -> list[str]:
        said = self.recognise(path)
        if "result" not in said:
            return ["unknown"] if said["code"] == 28 else [f"error: {said['code']}"]
        # There is no threshold on the server: the nearest comes always, below .5 where the gallery's policy says no.
        best = [face["subjects"][0] for face in said["result"]]
        return [one["subject"] if one["similarity"] >= 0.5 else "unknown" for one in best]


class CompreFaceSdkPython(CompreFaceCalls):
    def __init__(self, url: str, key: str) -> None:
        import compare

        domain, _, port = url.rpartition(":")
        server = compare.CompareFace(domain, int(port))
        self.faces = server.init_recognition_service(key)
        self.verification, self.detection = server.init_verify_service(key), server.init_detect_service(key)

    def enrol(self, name: str, path: str) -> str:
        said = self.faces.add_a_img(name, path)
        return "" if said.get("subject", "").lower() == name.lower() and said["image_id"] else str(said)

    def names(self) -> list[str]:
        return self.faces.list_all_subjects()["subjects"]

    def recognise(self, path: str) -> dict:
        return self.faces.recognize(path)

    def objects(self, path: str) -> int:
        compared = self.verification.verify(path, path)["result"][0]
        assert compared["face_matches"][0]["similarity"] > 0.99
        faces = self.faces.list_saved_img_subject(subject="Ada")["faces"]
        assert self.faces.verify(path, faces[0]["image_id"])["result"][0]["similarity"] > 0.5
        return len(self.detection.detect(path)["result"])

    def rename(self, name: str, new: str) -> bool:
        return self.faces.rename_a_subject(name, new)["updated"]

    def delete(self, name: str) -> bool:
        return self.faces.delete_a_subject(name)["subject"] == name

    def pages(self) -> list[int]:
        first = self.faces.list_saved_img_subject(page=0, size=20)
        more = [self.faces.list_saved_img_subject(page=page, size=20) for page in range(1, first["total_pages"])]
        return [len(page["faces"]) for page in (first, *more)]


class CompreFaceSdk(CompreFaceCalls):
    def __init__(self, url: str, key: str) -> None:
        from compreface import CompreFace

        domain, _, port = url.rpartition(":")
        server = CompreFace(domain, port, {"limit": 0, "prediction_count": 2, "status": "true"})
        self.service = server.init_face_recognition(key)
        self.detection = server.init_face_detection(key)
        self.verification = server.init_face_verification(key)
        self.faces, self.subjects = self.service.get_face_collection(), self.service.get_subjects()

    def enrol(self, name: str, path: str) -> str:
        said = self.faces.add(image_path=path, subject=name)
        return "" if said.get("subject", "").lower() == name.lower() and said["image_id"] else str(said)

    def names(self) -> list[str]:
        return self.subjects.list()["subjects"]

    def recognise(self, path: str) -> dict:
        return self.service.recognize(image_path=path)

    def objects(self, path: str) -> int:
        compared = self.verification.verify(source_image_path=path, target_image_path=path)["result"][0]
        assert compared["face_matches"][0]["similarity"] > 0.99
        return len(self.detection.detect(path)["result"])

    def rename(self, name: str, new: str) -> bool:
        return self.subjects.update(subject=name, new_name=new)["updated"]

    def delete(self, name: str) -> bool:
        return self.subjects.delete(name)["subject"] == name

    def pages(self) -> list[int]:
        return [len(self.faces.list()["faces"])]  # it knows the first page alone


class Boto3(Teller):
    """A person is all faces with one ExternalImageId."""

    def __init__(self, url: str, key: str) -> None:
        import boto3

        if key.startswith("0000"):
            self.client = boto3.client("rekognition", aws_access_key_id=key, aws_secret_access_key="any")
            return
        self.client = boto3.client("rekognition")
        if COLLECTION not in self.client.list_collections()["CollectionIds"]:
            made = self.client.create_collection(CollectionId=COLLECTION)
            assert made["StatusCode"] == 200
            try:
                self.client.create_collection(CollectionId=COLLECTION)
                raise AssertionError
            except self.client.exceptions.ResourceAlreadyExistsException:
                pass
            assert self.client.describe_collection(CollectionId=COLLECTION)["CreationTimestamp"].year > 2000

    def enrol(self, name: str, path: str) -> str:
        name = name.replace(" ", "_")  # an ExternalImageId has none
        try:
            said = self.client.index_faces(
                CollectionId=COLLECTION, Image={"Bytes": Path(path).read_bytes()}, ExternalImageId=name, MaxFaces=1
            )
        except self.client.exceptions.InvalidImageFormatException as error:
            return str(error)
        return "" if len(said["FaceRecords"]) == 1 else f"{len(said['FaceRecords'])} faces"

    def _all(self) -> list[dict]:
        pages = self.client.get_paginator("list_faces").paginate(CollectionId=COLLECTION)
        return [face for page in pages for face in page["Faces"]]

    def names(self) -> list[str]:
        return list({face["ExternalImageId"] for face in self._all()})

    def find(self, path: str) -> list[str]:
        try:
            said = self.client.search_faces_by_image(CollectionId=COLLECTION, Image={"Bytes": Path(path).read_bytes()})
        except self.client.exceptions.InvalidParameterException as error:
            return ["unknown" if "no faces" in str(error) else f"error: {error}"]
        except self.client.exceptions.ClientError as error:
            return [f"error: {error}"]
        matches = said["FaceMatches"]
        return [matches[0]["Face"]["ExternalImageId"].replace("_", " ") if matches else "unknown"]

    def objects(self, path: str) -> int:
        picture = {"Bytes": Path(path).read_bytes()}
        same = self.client.compare_faces(SourceImage=picture, TargetImage=picture)
        assert same["FaceMatches"][0]["Similarity"] > 99, same
        ada, *_ = (face["FaceId"] for face in self._all() if face["ExternalImageId"] == "Ada")
        matches = self.client.search_faces(CollectionId=COLLECTION, FaceId=ada)["FaceMatches"]
        # The larger face of the photo of two, which was indexed for "Nobody", is hers as well.
        assert {match["Face"]["ExternalImageId"] for match in matches} == {"Ada", "Nobody"}, matches
        assert len(self.client.detect_faces(Image=picture)["FaceDetails"][0]["Landmarks"]) == 5
        return len(self.client.detect_labels(Image=picture)["Labels"])

    def delete(self, name: str) -> bool:
        ids = [face["FaceId"] for face in self._all() if face["ExternalImageId"] == name]
        return self.client.delete_faces(CollectionId=COLLECTION, FaceIds=ids)["DeletedFaces"] == ids

    def pages(self) -> list[int]:
        pages = self.client.get_paginator("list_faces").paginate(
            CollectionId=COLLECTION, PaginationConfig={"PageSize": 20}
        )
        return [len(page["Faces"]) for page in pages]


CLIENTS = {
    "boto3": Boto3,
    "codeproject-ai-api": CodeProjectAi,
    "compreface-sdk": CompreFaceSdk,
    "compreface-sdk-python": CompreFaceSdkPython,
    "deepstack-python": DeepstackPython,
    "deepstack-sdk": DeepstackSdk,
}

if __name__ == "__main__":
    name, url, key, album = sys.argv[1:]
    print(json.dumps(tell(CLIENTS[name], url, key, album)))
