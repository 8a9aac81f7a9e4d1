"""The trained form of a net computes the same as the net in use, and its gradients agree with numerical ones."""

import numpy as np
import pytest

from recognition.engine.mxnet_runtime import import_mxnet
from recognition.lab.training.learner import Learner, embedder_of
from recognition.lab.training.losses import TripletLoss
from recognition.lab.training.nets import new_net, training_graph
from tests.training_tools import patterns, tiny_net


class Trained:
    """The trained form of the tiny net on a batch, its output weighted and summed."""

    def __init__(self, net, pixels):
        self.mx, self.pixels = import_mxnet(threads=1), pixels
        self.graph = training_graph(net, frozen_batchnorm=False)
        self.symbol = self.graph.to_symbol(self.mx)

    def run(self, params=None):
        """The sum, and its gradients by name."""
        mx = self.mx
        arrays = {name: mx.nd.array(value) for name, value in (params or self.graph.params).items()}
        auxiliary = {name: arrays.pop(name) for name in self.symbol.list_auxiliary_states()}
        gradients = {name: mx.nd.zeros(value.shape) for name, value in arrays.items()}
        data = {"data": mx.nd.array(self.pixels)}
        executor = self.symbol.bind(mx.cpu(), arrays | data, args_grad=gradients, aux_states=auxiliary)
        output = executor.forward(is_train=True)[0]
        weights = np.random.default_rng(0).normal(size=output.shape)
        executor.backward([mx.nd.array(weights)])
        return (output.asnumpy() * weights).sum(), {name: array.asnumpy() for name, array in gradients.items()}


@pytest.mark.parametrize("name", ["relu0_gamma", "relu1_gamma", "pre_fc1_weight", "bn1_gamma", "conv1_weight"])
def test_gradients_are_the_numerical_ones(name):
    net = tiny_net(dropout=0)
    trained = Trained(net, net.preprocess(patterns(4, 4)[0]))
    gradient = trained.run()[1][name]
    params = trained.graph.params
    for place in list(np.ndindex(gradient.shape))[:3]:
        step = np.zeros_like(gradient)
        step[place] = 2e-3
        ends = [trained.run(params | {name: params[name] + sign * step})[0] for sign in (1, -1)]
        assert gradient[place] == pytest.approx((ends[0] - ends[1]) / 4e-3, rel=0.02, abs=0.01)


def test_the_trained_form_computes_what_the_net_does():
    net = new_net("mbf", 32, seed=1, width=0.125)
    chips = patterns(2, 1, size=112)[0]
    mx = import_mxnet(threads=1)
    found = []
    for graph in (net.graph, training_graph(net, frozen_batchnorm=True)):
        symbol = graph.to_symbol(mx)
        arrays = {name: mx.nd.array(value) for name, value in graph.params.items()}
        auxiliary = {name: arrays.pop(name) for name in symbol.list_auxiliary_states()}
        executor = symbol.bind(
            mx.cpu(), arrays | {"data": mx.nd.array(net.preprocess(chips))}, aux_states=auxiliary, grad_req="null"
        )
        found.append(executor.forward(is_train=graph is not net.graph)[0].asnumpy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(embedder_of(net)(chips), found[0], rtol=1e-2, atol=1e-3)


def test_the_seed_decides_the_weights():
    one, same, other = (new_net("mbf", 32, seed, width=0.125).graph.params for seed in (1, 1, 2))
    assert all((one[name] == same[name]).all() for name in one)
    assert (one["conv_1_conv2d_weight"] != other["conv_1_conv2d_weight"]).any()
    assert (one["conv_1_relu_gamma"] == 0.25).all()


def test_a_step_moves_no_array_by_more_than_its_share():
    """Without momentum and weight decay, and with weights of very different scales."""
    net, chips = tiny_net(dropout=0), patterns(4, 3)
    net.graph.params["conv0_weight"] *= 0.02
    learner = Learner(net, TripletLoss(), {}, batch=12, momentum=0.0, weight_decay=0.0, clip=0.01)
    before = learner.trained_graph().params
    learner.learn(*chips, rate=1e3, seed=0)
    after = learner.trained_graph().params
    for name in ("conv0_weight", "conv1_weight", "pre_fc1_weight"):
        moved = np.linalg.norm(after[name] - before[name]) / np.linalg.norm(before[name])
        assert moved == pytest.approx(0.01, rel=0.01)
