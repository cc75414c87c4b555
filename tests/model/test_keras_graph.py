from __future__ import annotations

import numpy as np
import pytest

from dnn2fpga.model.keras import from_keras
from dnn2fpga.quant.ops.relu import ReLU

from .keras_models import (
    IMAGE,
    assert_read,
    assert_same,
    batch_norm,
    fresh_names,  # noqa: F401
    keras,
    kinds_of,
    layers,
    names_of,
    network,
    refused,
    sequential,
)
from .rows import ROWS


def test_functional_chain():
    i = x = keras.Input((9, 9, 1))
    for part in (layers.Conv2D(2, 3), batch_norm(), layers.ReLU(), layers.Flatten(), layers.Dense(3)):
        x = part(x)
    assert kinds_of(assert_read(keras.Model(i, x))) == ["conv2d", "batch_normalization", "relu", "flatten", "dense"]


def test_functional_chain_of_named_inputs():
    i = keras.Input((4,), name="pixels")
    model = keras.Model({"pixels": i}, layers.Dense(3)(i))
    assert from_keras(model, ROWS).input_shape == (4,)


def test_functional_part_of_a_model():
    whole = network()
    assert_read(keras.Model(whole.inputs, whole.layers[1].output))
    assert_read(keras.Model(whole.layers[1].output, whole.outputs))


def test_a_branch_around_a_convolution():
    i = keras.Input(IMAGE)
    a = layers.Conv2D(3, 3, padding="same", name="a")(i)
    b = layers.Dropout(0.5)(layers.Activation("linear")(a))
    c = layers.Add(name="sum")([layers.Conv2D(3, 1, name="b", activation="relu")(b), b])
    graph = assert_read(keras.Model(i, layers.ReLU()(c)))
    nodes = {node.name: node.inputs for node in graph.nodes}
    assert nodes == {"a": ("/input",), "b": ("a",), "b_relu": ("b",), "sum": ("b_relu", "a"), "re_lu": ("sum",)}


@pytest.mark.parametrize("join", ["Add", "Subtract", "Multiply", "Maximum", "Concatenate"])
def test_joins(join):
    i = keras.Input(IMAGE)
    model = keras.Model(i, getattr(layers, join)()([layers.Conv2D(3, 1)(i), i]))
    assert kinds_of(assert_read(model)) == ["conv2d", join.lower()]


@pytest.mark.parametrize("axis", [1, 2, 3, -1, -2])
def test_concatenation_along_an_axis(axis):
    i = keras.Input(IMAGE)
    assert_read(keras.Model(i, layers.Concatenate(axis=axis)([layers.ReLU()(i), i, i])))


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (lambda x, y: x + y, "add"),
        (lambda x, y: x - y, "subtract"),
        (lambda x, y: x * y, "multiply"),
        (lambda x, y: keras.ops.maximum(x, y), "maximum"),
        (lambda x, y: keras.ops.add(x1=x, x2=y), "add"),
    ],
)
def test_operators_of_two_tensors(tmp_path, function, kind):
    i = keras.Input(IMAGE)
    model = keras.Model(i, function(layers.Conv2D(3, 1)(i), i))
    assert kinds_of(assert_read(model)) == ["conv2d", kind]
    for name in ("net.keras", "net.h5"):
        model.save(tmp_path / name)
        assert_same(from_keras(tmp_path / name, ROWS), model)


def test_nested_models_are_flattened():
    features = sequential((9, 9, 1), layers.Conv2D(2, 3), batch_norm(), name="features")
    head = sequential((7, 7, 2), layers.Flatten(), layers.Dense(3), name="head")
    assert_read(sequential((9, 9, 1), features, head))
    i = keras.Input((9, 9, 1))
    assert_read(keras.Model(i, head(features(i))))


def test_functional_within_sequential_within_functional():
    i = keras.Input((4,))
    inner = keras.Model(i, layers.Add()([layers.Dense(4)(i), i]), name="inner")
    middle = sequential((4,), layers.ReLU(), inner, name="middle")
    j = keras.Input((4,))
    graph = assert_read(keras.Model(j, [inner(j), middle(inner(middle(j)))]))
    assert names_of(graph) == [
        "dense", "add", "re_lu", "dense_1", "add_1", "dense_2", "add_2", "re_lu_1", "dense_3", "add_3", "outputs",
    ]  # fmt: skip


def test_layers_of_one_name_in_two_models_are_told_apart():
    parts = [sequential((4,), layers.Dense(4, name="same"), name=name) for name in ("a", "b")]
    graph = assert_read(sequential((4,), *parts))
    assert names_of(graph) == ["same", "same_1"]


def test_a_layer_called_again_is_another_node_with_the_same_weights():
    i = keras.Input((4,))
    shared = layers.Dense(4, name="shared", activation="relu")
    other = layers.Dense(4, name="shared_1")
    graph = assert_read(keras.Model(i, shared(other(shared(shared(i))))))
    assert names_of(graph) == [
        "shared", "shared_relu", "shared_2", "shared_2_relu", "shared_1", "shared_3", "shared_3_relu",
    ]  # fmt: skip
    assert np.array_equal(graph.nodes[0].weights["kernel"], graph.nodes[5].weights["kernel"])


def test_a_shared_layer_of_which_the_model_is_a_part_only():
    shared = layers.Dense(4)
    i = keras.Input((4,))
    shared(keras.Input((4,)))  # a call that is none of the model's
    assert_read(keras.Model(i, shared(shared(i))))


def test_several_inputs_and_outputs_are_packed_in_the_models_order():
    i, j = keras.Input((4,), name="z"), keras.Input((2, 3), name="a")
    unused = keras.Input((5,), name="unused")
    a = layers.Dense(6)(i)
    b = layers.Add()([layers.Flatten()(j), a])
    graph = assert_read(keras.Model([i, unused, j], [b, layers.ReLU()(a), j]))
    assert [(node.name, node.spec.start) for node in graph.nodes if node.spec.kind == "slice"] == [("z", 0), ("a", 9)]
    assert (graph.nodes[-1].name, graph.nodes[-1].inputs) == ("outputs", ("add", "re_lu", "a"))


@pytest.mark.filterwarnings("ignore")  # Keras wants inputs called as their keys
def test_inputs_and_outputs_in_dictionaries_are_sorted_by_key():
    i, j = keras.Input((4,), name="z"), keras.Input((4,), name="a")
    d = layers.Subtract()([i, j])
    model = keras.Model({"z": i, "a": j}, {"q": d, "b": layers.ReLU()(d)})
    graph = from_keras(model, ROWS)
    rng = np.random.default_rng(0)
    a, z = rng.normal(size=(2, 5, 4)).astype(np.float32)
    y = model.predict({"a": a, "z": z}, verbose=0)
    np.testing.assert_allclose(graph.run(np.hstack([a, z])), np.hstack([y["b"], y["q"]]), atol=1e-6)


def test_nested_models_of_several_inputs_and_outputs():
    i, j = keras.Input((4,)), keras.Input((4,))
    inner = keras.Model([i, j], [layers.Subtract()([i, j]), layers.Dense(4)(j), layers.ReLU()(i)], name="inner")
    x = keras.Input((4,))
    first, second, _ = inner([x, layers.ReLU()(x)])
    graph = assert_read(keras.Model(x, inner([second, first])[1]))
    assert kinds_of(graph) == ["relu", "subtract", "dense"]  # the rest reaches no output


def test_one_output_given_twice():
    i = keras.Input((4,))
    a = layers.Dense(3)(i)
    assert_read(keras.Model(i, [a, a]))


def lowered_dense(config, weights):
    return [("_first", ReLU(), {}), ("_second", ReLU(), {})] if config["name"] == "a" else []


def test_layers_that_become_others():
    i = keras.Input((4,))
    a = layers.Dense(4, name="a", activation="tanh")(i)
    model = keras.Model(i, layers.Add()([layers.Dense(4, name="none")(a), i]))
    graph = from_keras(model, ROWS, {"Dense": lowered_dense})
    assert [(node.name, node.inputs) for node in graph.nodes] == [
        ("a_first", ("/input",)),
        ("a_second", ("a_first",)),
        ("a_tanh", ("a_second",)),
        ("add", ("a_tanh", "/input")),
    ]


def test_activations_that_are_layers():
    model = sequential((4,), layers.Dense(3, activation=layers.ReLU(), name="a"))
    assert names_of(assert_read(model)) == ["a", "a_activation"]


def test_models_that_do_nothing_are_refused():
    refused(sequential((4,), layers.Dropout(0.5)), "^model 'net' gives its input back; nothing in it is left to build$")


def test_joins_of_different_shapes_are_refused():
    i = keras.Input(IMAGE)
    refused(keras.Model(i, layers.Add()([i, layers.Conv2D(1, 1)(i)])), "^layer 'add': its inputs must have the same")


def test_several_inputs_and_outputs_without_a_kind_for_them_are_refused():
    i, j = keras.Input((4,)), keras.Input((4,))
    few = [row for row in ROWS if row.spec.kind not in ("slice", "pack")]
    for model, what in ((keras.Model([i, j], i - j), "inputs"), (keras.Model(i, [i, layers.ReLU()(i)]), "outputs")):
        with pytest.raises(ValueError, match=f"^the model has 2 {what}; only models with one are supported$"):
            from_keras(model, few)
