"""Sends pixels to a graph through NVIDIA's client, tritonclient[grpc]: python triton_client.py ADDRESS MODEL."""

import sys

import numpy as np
import tritonclient.grpc as triton


def main(address: str, model: str) -> None:
    """Print the three most probable labels of a red picture."""
    client = triton.InferenceServerClient(address)
    height, width = client.get_model_metadata(model).inputs[0].shape[1:3]
    image = np.zeros((1, 32 if height < 0 else height, 32 if width < 0 else width, 3), np.uint8)
    image[..., 0] = 255
    pixels = triton.InferInput("images", image.shape, "UINT8")
    pixels.set_data_from_numpy(image)
    top = triton.InferRequestedOutput("probabilities", class_count=3)
    for answer in client.infer(model, [pixels], outputs=[top]).as_numpy("probabilities")[0]:
        probability, _, label = answer.decode().split(":")
        print(f"{label} {float(probability):.2f}")


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["127.0.0.1:50051", "cifar10-resnet"]))
