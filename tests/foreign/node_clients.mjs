// The JavaScript clients tell the story: arguments NAME URL KEY ALBUM; the last line that is printed is the story as JSON.
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

const COLLECTION = "foreign";
const [name, url, key, album] = process.argv.slice(2);

async function compreface(key) {
  const { CompreFace } = await import("@exadel/compreface-js-sdk");
  const [server, port] = [url.slice(0, url.lastIndexOf(":")), Number(url.slice(url.lastIndexOf(":") + 1))];
  const service = new CompreFace(server, port).initFaceRecognitionService(key);
  const detection = new CompreFace(server, port).initFaceDetectionService(key);
  const subjects = () => service.getSubjects();
  const problem = (error) => error.response?.data ?? error;
  // It takes a path for one only if a dot comes first.
  const near = (path) => (relative(".", path).startsWith(".") ? relative(".", path) : "./" + relative(".", path));
  return {
    async enrol(person, path) {
      try {
        const said = await service.getFaceCollection().add(near(path), person);
        return said.subject.toLowerCase() === person.toLowerCase() && said.image_id ? "" : JSON.stringify(said);
      } catch (error) {
        return String(problem(error).message ?? error);
      }
    },
    names: async () => (await subjects().list()).subjects,
    async find(path) {
      try {
        const said = await service.recognize(near(path), {});
        const best = said.result.map((face) => face.subjects[0]);
        return best.map((one) => (one.similarity >= 0.5 ? one.subject : "unknown"));
      } catch (error) {
        return problem(error).code === 28 ? ["unknown"] : ["error: " + problem(error).code];
      }
    },
    objects: async (path) => (await detection.detect(near(path), {})).result.length,
    rename: async (person, other) => (await subjects().rename(person, other)).updated,
    delete: async (person) => (await subjects().delete(person)).subject === person,
    async pages() {
      const faces = (await service.getFaceCollection().list()).faces;
      return [faces.length]; // it knows the first page alone
    },
  };
}

async function rekognition(key) {
  const aws = await import("@aws-sdk/client-rekognition");
  const wrong = key.startsWith("0000");
  const client = new aws.RekognitionClient(wrong ? { credentials: { accessKeyId: key, secretAccessKey: "any" } } : {});
  const send = (command, fields) => client.send(new aws[command + "Command"]({ CollectionId: COLLECTION, ...fields }));
  const Image = (path) => ({ Bytes: readFileSync(path) });
  if (!wrong && !(await send("ListCollections")).CollectionIds.includes(COLLECTION)) {
    await send("CreateCollection");
    const again = await send("CreateCollection").catch((error) => error);
    if (!(again instanceof aws.ResourceAlreadyExistsException)) throw new Error("a collection was made twice");
  }
  async function all(size) {
    const pages = [];
    for await (const page of aws.paginateListFaces({ client, pageSize: size }, { CollectionId: COLLECTION }))
      pages.push(page.Faces);
    return pages;
  }
  return {
    async enrol(person, path) {
      try {
        const fields = { Image: Image(path), ExternalImageId: person.replace(" ", "_"), MaxFaces: 1 };
        const count = (await send("IndexFaces", fields)).FaceRecords.length;
        return count === 1 ? "" : `${count} faces`;
      } catch (error) {
        if (error instanceof aws.InvalidImageFormatException) return String(error);
        throw error;
      }
    },
    names: async () => [...new Set((await all()).flat().map((face) => face.ExternalImageId))],
    async find(path) {
      try {
        const [best] = (await send("SearchFacesByImage", { Image: Image(path) })).FaceMatches;
        return [best ? best.Face.ExternalImageId.replace("_", " ") : "unknown"];
      } catch (error) {
        const nobody = error instanceof aws.InvalidParameterException && error.message.includes("no faces");
        return [nobody ? "unknown" : `error: ${error}`];
      }
    },
    objects: async (path) => (await send("DetectLabels", { Image: Image(path) })).Labels.length,
    async delete(person) {
      const faces = (await all()).flat().filter((face) => face.ExternalImageId === person);
      return (await send("DeleteFaces", { FaceIds: faces.map((face) => face.FaceId) })).DeletedFaces.length > 0;
    },
    pages: async () => (await all(20)).map((page) => page.length),
  };
}

async function tell(kind) {
  const client = await kind(key);
  const photo = (file) => join(album, file + ".png");
  const facts = {};
  facts.enrolled = [];
  for (const [person, file] of [["Ada", "ada1"], ["Ada", "ada2"], ["Grace", "grace1"], ["Grace", "grace2"]])
    facts.enrolled.push(await client.enrol(person, photo(file)));
  facts.names = (await client.names()).sort();
  for (const file of ["ada3", "grace3", "stranger"]) facts[file] = await client.find(photo(file));
  facts.group = (await client.find(photo("group"))).sort();
  facts["no face to find"] = await client.find(photo("blank"));
  facts["no face to enrol"] = Boolean(await client.enrol("Nobody", photo("blank")));
  facts["two faces to enrol"] = Boolean(await client.enrol("Nobody", photo("two")));
  facts["no picture to enrol"] = Boolean(await client.enrol("Nobody", photo("text")));
  facts["no picture to find"] = (await client.find(photo("text"))).join().includes("error");
  const stranger = await kind("00000000-0000-4000-8000-000000000000");
  facts["wrong key"] = (await stranger.find(photo("ada3"))).join().includes("error");
  facts.objects = (await client.objects(photo("ada1"))) >= 0;
  facts.renamed = facts["found under the new name"] = facts.merged = facts["found as the other"] = null;
  if (client.rename) {
    await client.rename("Ada", "Lovelace");
    facts.renamed = (await client.names()).sort();
    await client.rename("Lovelace", "Countess");
    facts["found under the new name"] = await client.find(photo("ada3"));
    await client.rename("Countess", "Grace");
    facts.merged = (await client.names()).sort();
    facts["found as the other"] = await client.find(photo("ada3"));
  }
  await client.delete("Grace");
  facts.deleted = (await client.names()).sort();
  const crowd = readdirSync(album).filter((file) => file.startsWith("crowd")).sort();
  facts.crowd = [];
  for (const [i, file] of crowd.entries()) {
    const problem = await client.enrol(`crowd ${i}`, join(album, file));
    if (problem) facts.crowd.push(problem);
  }
  const found = await client.find(join(album, crowd[7]));
  facts["crowd is found"] = ["crowd 7", "unknown"].includes(found.join());
  facts.pages = await client.pages();
  return facts;
}

console.log(JSON.stringify(await tell(name === "aws-sdk-js" ? rekognition : compreface)));
