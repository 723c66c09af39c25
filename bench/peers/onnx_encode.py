"""The encoder in ONNX Runtime: two ISTA steps a layer in eval mode. Settings: layers, size, channels, batch, threads.

The graph is written as a careful user would: the step size is in the weights of the analyses and the threshold in
their bias, so that convolution, sum and ReLU can become one node.
"""
import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

import worker

LAMBDA, ETA = 0.1, 0.3


class Graph:
    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
        return name

    def node(self, kind, inputs, **attributes):
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name


def csc_layer(g, l, x, channels, atoms, kernel, stride, pad, rng):
    W = rng.standard_normal((atoms, channels, kernel, kernel))
    W /= np.sqrt((W ** 2).sum(axis=(1, 2, 3), keepdims=True))
    where = dict(kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)
    weights, threshold = g.constant(f"etaW{l}", ETA * W), g.constant(f"threshold{l}", np.full(atoms, -ETA * LAMBDA))
    z = g.node("Relu", [g.node("Conv", [x, weights, threshold], **where)])
    r = g.node("Sub", [x, g.node("ConvTranspose", [z, g.constant(f"W{l}", W)], **where)])
    z = g.node("Relu", [g.node("Add", [g.node("Conv", [r, weights, threshold], **where), z])])
    one, zero = g.constant(f"one{l}", np.ones(atoms)), g.constant(f"zero{l}", np.zeros(atoms))
    return g.node("BatchNormalization", [z, one, zero, zero, one], epsilon=1e-5)


def encoder(s):
    g, x, channels, rng = Graph(), "x", s["channels"], np.random.default_rng(0)
    for l, (atoms, kernel, stride, pad) in enumerate(worker.layers(s["layers"])):
        x = csc_layer(g, l, x, channels, atoms, kernel, stride, pad, rng)
        channels = atoms
    z = g.node("LpNormalization", [g.node("Flatten", [x])], axis=1, p=2)
    shape = [s["batch"], s["channels"], s["size"], s["size"]]
    graph = helper.make_graph(g.nodes, "encoder", [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info(z, onnx.TensorProto.FLOAT, [s["batch"], None])], g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model, shape, rng


def make():
    s = worker.settings()
    model, shape, rng = encoder(s)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = s["threads"], 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    x = {"x": rng.uniform(-1, 1, shape).astype(np.float32)}
    return lambda: session.run(None, x), s["batch"]


worker.serve(make)
