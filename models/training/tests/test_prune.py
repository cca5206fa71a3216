"""Which blocks are left out and what the rounded network computes; needs requirements.txt."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hemoscope_training import network_cost, prune
from hemoscope_training.layers import HEADS, run_float
from hemoscope_training.network import INPUT_SCALE, ZERO_POINT
from hemoscope_training.quantize import HEADS_STEPS, calibrate, quantize, run_integer

PLAIN = Path(__file__).parents[2] / "smear-resnet" / "plain.onnx"
SIDE_PX = 32


def frame(seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 128, (3, SIDE_PX, SIDE_PX), dtype=np.uint8)


@pytest.fixture
def network() -> prune.RoundedNetwork:
    layers = prune.read_plain(PLAIN)
    return prune.RoundedNetwork(layers, calibrate(layers, [frame()]))


def as_input(values: np.ndarray) -> torch.Tensor:
    return (torch.from_numpy(values)[None].float() - ZERO_POINT) * INPUT_SCALE


def test_the_rounded_network_computes_what_the_device_does(network):
    quantized = quantize(network.layers(), network.steps)
    expected = run_integer(quantized, frame()).astype(np.float32) / HEADS_STEPS
    with torch.no_grad():
        maps = network(as_input(frame()))[0].permute(1, 2, 0).numpy()
    # A value next to the middle of a step may be rounded either way.
    assert np.abs(maps - expected).mean() < 0.02


def test_gradients_reach_every_weight_that_is_kept(network):
    pruning = prune.Pruning(network)
    pruning.importance = {
        name: torch.rand_like(value) for name, value in pruning.importance.items()
    }
    pruning.leave_out(0.5)
    network(as_input(frame())).square().mean().backward()
    for name in pruning.costs:
        gradient = network.weights[name].grad
        assert (gradient[network.kept(name) == 0] == 0).all(), name
        assert (gradient[network.kept(name) == 1] != 0).any(), name


@pytest.mark.parametrize("share", [0.1, 0.5, 0.7])
def test_as_much_work_is_left_out_as_is_asked_for(network, share):
    pruning = prune.Pruning(network)
    pruning.importance = {
        name: torch.rand_like(value) for name, value in pruning.importance.items()
    }
    pruning.leave_out(share)
    assert pruning.left_out() == pytest.approx(share, abs=0.002)
    for name in pruning.costs:
        assert float((network.kept(name) == 0).float().mean()) <= prune.LAYER_SHARE_MAX, name


def test_the_least_important_for_their_cost_go_first(network):
    pruning = prune.Pruning(network)
    for name, importance in pruning.importance.items():
        importance.fill_(pruning.costs[name] if name != "neck" else 0.0)
    pruning.leave_out(0.01)
    assert float(network.kept("neck").mean()) < 1
    assert all(
        bool(network.kept(name).all()) for name in pruning.costs if name not in ("neck", HEADS)
    )


def test_blocks_are_taken_back_where_the_loss_pulls_most(network):
    pruning = prune.Pruning(network)
    with torch.no_grad():
        for name in pruning.costs:
            network.weights[name].zero_()
    pruning.leave_out_zeros()
    assert pruning.left_out() == 1
    pulls = {name: torch.zeros_like(value) for name, value in pruning.importance.items()}
    pulls["merge4"][1, 2, 0, 1] = 1.0
    cost = pruning.costs["merge4"]
    work = sum(pruning.costs[name] * pull.numel() for name, pull in pulls.items())
    pruning.take_back(pulls, 1 - cost / work)
    kept = prune.blocks_of(network.kept("merge4"))
    assert kept[1, 2, 0, 1] == prune.BLOCK_OUTPUTS * prune.BLOCK_INPUTS
    assert int((kept > 0).sum()) == 1


def test_what_is_saved_is_read_back(network, tmp_path):
    prune.save(tmp_path / "pruned.npz", network)
    layers, steps = prune.read_pruned(tmp_path / "pruned.npz")
    assert steps == pytest.approx(network.steps)
    x = as_input(frame())
    assert torch.equal(run_float(layers, x), run_float(network.layers(), x))


def test_a_channel_without_weights_is_its_bias(network):
    layers = network.layers()
    layers[1].weight[5] = 0.0
    quantized = quantize(layers, network.steps)[1]
    steps = network.steps[layers[1].name]
    value = quantized.bias[5] * quantized.scale[5] * steps
    assert value == pytest.approx(layers[1].bias[5], abs=steps / 100)


def test_blocks_of_zeros_are_not_counted_as_work():
    weight = np.ones((32, 3, 3, 16), np.int8)
    assert network_cost.kept_share(weight) == 1
    weight[:16, 1, 2, 4:8] = 0
    assert network_cost.kept_share(weight) == 1 - 1 / (2 * 9 * 4)
    # One weight of a block keeps all of it.
    weight[3, 1, 2, 5] = 7
    assert network_cost.kept_share(weight) == 1
