"""TensorFlow Lite itself, with its reference kernels."""

import numpy as np
import pytest


def reference(content, x):
    """What the file of these bytes gives for a batch, one at a time."""
    tf = pytest.importorskip("tensorflow")
    resolver = tf.lite.experimental.OpResolverType.BUILTIN_REF
    interpreter = tf.lite.Interpreter(model_content=content, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    i, o = (details()[0]["index"] for details in (interpreter.get_input_details, interpreter.get_output_details))
    found = []
    for one in x:
        interpreter.set_tensor(i, one[np.newaxis])
        interpreter.invoke()
        found.append(interpreter.get_tensor(o)[0].copy())
    return np.array(found)
