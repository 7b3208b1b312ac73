// Says what a photo shows, and who is on it: node story.js photo.jpg GALLERY
// Every call goes to the web door of `convoy up`; CONVOY_WEB names another one, CONVOY_TOKEN a token.
import { readFile } from "node:fs/promises";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { ClassificationService } from "./generated/convoy/v1/classification_pb.js";
import { ImageSchema } from "./generated/convoy/v1/common_pb.js";
import { Decision, RecognitionService } from "./generated/convoy/v1/recognition_pb.js";

const [photo, gallery] = process.argv.slice(2);
if (!photo) {
  console.error("usage: node story.js photo.jpg [GALLERY]");
  process.exit(2);
}

const token = process.env.CONVOY_TOKEN;
const transport = createConnectTransport({
  baseUrl: process.env.CONVOY_WEB ?? "http://127.0.0.1:8080",
  httpVersion: "1.1",
  interceptors: [
    (next) => (request) => {
      if (token) request.header.set("authorization", `Bearer ${token}`);
      return next(request);
    },
  ],
});
const image = create(ImageSchema, { content: { case: "encoded", value: await readFile(photo) } });

try {
  const { results } = await createClient(ClassificationService, transport).classify({ images: [image], topK: 3 });
  for (const { name, probability } of results[0]?.labels ?? []) {
    console.log(`${name} ${(100 * probability).toFixed(0)} %`);
  }
  if (gallery) {
    const { faces } = await createClient(RecognitionService, transport).identify({ gallery, image });
    for (const face of faces) {
      const best = face.decision === Decision.MATCH ? face.matches[0] : undefined;
      console.log(best ? best.displayName || best.personId : "nobody I know");
    }
  }
} catch (failure) {
  const error = ConnectError.from(failure);
  console.error(`${Code[error.code]}: ${error.rawMessage}`);
  process.exit(1);
}
