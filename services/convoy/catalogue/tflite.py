"""Turns a .tflite file into ONNX, and says what the file itself answers: a script for the converter's Python.

It needs tf2onnx, TensorFlow and NumPy, and nothing of Convoy, since it may run in an environment of its own:
`python tflite.py NET.tflite NET.onnx ANSWERS.npz`. The answers are those of TensorFlow's interpreter to random pixels:
`input` and `output_0`, `output_1` and so on. Where the interpreter does not know an operator, there are none.
"""

import sys

OPSET = 17


def keep_the_bias() -> None:
    """Make tf2onnx keep the bias of a dense layer whose input has more than two axes; as of 1.17 it drops it."""
    import numpy as np
    from tf2onnx.handler import tfl_op
    from tf2onnx.tflite_handlers.tfl_math import TflFullyConnectedOp

    class FullyConnected:
        @classmethod
        def to_tf(cls, ctx, node, **kwargs):  # type: ignore[no-untyped-def]
            source, weights = node.input[:2]
            columns = ctx.get_shape(weights)[1]
            if node.attr["keep_num_dims"].i == 0 and ctx.get_rank(source) != 2 and columns > 0:
                shape = ctx.make_const(f"{node.name}_rows", np.array([-1, columns], np.int64)).output[0]
                kind = ctx.get_dtype(source)
                rows = ctx.make_node("Reshape", [source, shape], shapes=[[-1, columns]], dtypes=[kind])
                rows.skip_conversion = True
                ctx.replace_input(node, source, rows.output[0], 0)
            TflFullyConnectedOp.to_tf(ctx, node, **kwargs)

    tfl_op(["TFL_FULLY_CONNECTED"])(FullyConnected)


def answer(source: str) -> dict:  # type: ignore[type-arg]
    """Run the file on random numbers from 0 to 1. Raises ValueError or RuntimeError for operators nobody knows."""
    import numpy as np
    import tensorflow as tf

    graph = tf.lite.Interpreter(source)
    graph.allocate_tensors()
    (taken,) = graph.get_input_details()
    pixels = np.random.default_rng(0).random(taken["shape"], np.float32)
    pixels = (pixels * 255 if taken["dtype"] == np.uint8 else pixels).astype(taken["dtype"])
    graph.set_tensor(taken["index"], pixels)
    graph.invoke()
    given = enumerate(graph.get_output_details())
    return {"input": pixels} | {f"output_{place}": graph.get_tensor(one["index"]) for place, one in given}


def main(source: str, target: str, answers: str) -> None:
    """Convert the file, and write what it answers."""
    import numpy as np
    from tf2onnx import convert

    keep_the_bias()
    convert.from_tflite(source, opset=OPSET, output_path=target)
    try:
        numbers = answer(source)
    except (ValueError, RuntimeError) as error:
        print(f"not compared: {error}", file=sys.stderr)
    else:
        np.savez(answers, **numbers)


if __name__ == "__main__":
    main(*sys.argv[1:])
