"""Prunes a trained network: python -m hemoscope_training.prune --plain F --data DIR --run DIR.

Blocks of weights that matter least for what they cost are left out, a few at a time, while
training goes on with the device's arithmetic in the loop: weights and activations are rounded
as the device rounds them, gradients pass the rounding as if it were not there (Jacob et al.
2018). The dense float network that it starts from teaches it beside the annotations. A block is
what the device's kernels can leave out: 16 outputs by 4 inputs at one place of a 3x3 window.

What a block matters is the mean square of its weights times their gradients, the first-order
change of the loss without it (Molchanov et al. 2017).
"""

import argparse
import copy
import csv
import itertools
import json
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import torch
import torch.nn.functional as functional
from onnx import numpy_helper
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from hemoscope_training.calibration import calibration_frames
from hemoscope_training.dataset import load_images
from hemoscope_training.layers import FRAME, HEADS, Layer, network_layers, run_float
from hemoscope_training.network import (
    CLASS_NAMES,
    INPUT_SCALE,
    STRIDE_PX,
    CellNetwork,
)
from hemoscope_training.quantize import (
    ACTIVATION_MAX,
    BRANCH_MAX,
    BRANCH_ZERO_POINT,
    WEIGHT_MAX,
    calibrate,
)
from hemoscope_training.targets import loss
from hemoscope_training.train import CropStream, normalise

HISTORY_FIELDS = ("step", "loss", "task_loss", "teacher_loss", "left_out", "learning_rate")
BLOCK_OUTPUTS = 16
BLOCK_INPUTS = 4
"""A block's channels: one register of the kernels holds the weights of so many."""

LAYER_SHARE_MAX = 0.85
"""No layer loses more of its blocks."""

THINNING_SHARE = 0.5
"""The part of training in which blocks are left out; the rest mends what that broke."""

THINNING_STEPS = 25
"""Steps from one leaving out to the next."""

EXACT_SHARE = 0.15
"""The last part of training computes in 32 bits where the rest has 16."""

PULL_STEPS = 40
"""Steps over which it is found which blocks to take back."""

IMPORTANCE_DECAY = 0.97
AVERAGE_DECAY = 0.998
GRADIENT_NORM_MAX = 5.0
TEACHER_WEIGHT = 1.0
TEACHER_CELL = 0.1
"""Where the teacher is this sure of a cell, its offsets and sizes are taught too."""


class _Rounded(torch.autograd.Function):
    """Rounds and clamps; the gradient passes inside the range."""

    @staticmethod
    def forward(context, values: torch.Tensor, low: float, high: float) -> torch.Tensor:
        context.save_for_backward((values >= low) & (values <= high))
        return values.clamp(low, high).round()

    @staticmethod
    def backward(context, gradient: torch.Tensor) -> tuple:
        (inside,) = context.saved_tensors
        return gradient * inside, None, None


class RoundedNetwork(nn.Module):
    """The device's arithmetic, that gradients pass; some blocks of weights are left out.

    Between layers there are the integers that the device stores, less their zero point.
    """

    def __init__(self, layers: list[Layer], steps: dict[str, float]) -> None:
        super().__init__()
        self.steps = steps
        # What each layer is besides its weights, which are these no longer.
        self.fused = layers
        self.weights = nn.ParameterDict(
            {layer.name: nn.Parameter(torch.from_numpy(layer.weight.copy())) for layer in layers}
        )
        self.biases = nn.ParameterDict(
            {layer.name: nn.Parameter(torch.from_numpy(layer.bias.copy())) for layer in layers}
        )
        for layer in layers:
            self.register_buffer(f"kept_{layer.name}", torch.ones(layer.weight.shape))

    def kept(self, name: str) -> torch.Tensor:
        """Ones where a layer's weights are kept, zeros where they are left out."""
        return getattr(self, f"kept_{name}")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map a normalised frame (n, 3, h, w) to maps (n, 7, h / 4, w / 4) in their own units."""
        results = {FRAME: x / INPUT_SCALE}
        for fused in self.fused:
            name = fused.name
            weight = self.weights[name] * self.kept(name)
            limits = weight.detach().abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-8)
            weight_step = limits / WEIGHT_MAX
            integers = _Rounded.apply(weight / weight_step, -WEIGHT_MAX, WEIGHT_MAX)
            value = functional.conv2d(
                results[fused.source], integers, None, fused.stride, weight.shape[2] // 2
            )
            scale = weight_step * (self.steps[fused.source] / self.steps[name])
            bias = self.biases[name] / self.steps[name]
            value = value * scale.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1)
            if fused.residual:
                residual = results[fused.residual]
                if fused.residual_upsample == 2:
                    residual = functional.interpolate(residual, scale_factor=2.0, mode="nearest")
                value = value + residual * (self.steps[fused.residual] / self.steps[name])
            if name == HEADS:
                return value * self.steps[name]
            low = 0 if fused.relu else -BRANCH_ZERO_POINT
            high = ACTIVATION_MAX if fused.relu else BRANCH_MAX - BRANCH_ZERO_POINT
            results[name] = _Rounded.apply(value, low, high)
        raise ValueError("the network has no heads")

    def layers(self) -> list[Layer]:
        """The layers with their weights as they are now."""
        return [
            replace(
                layer,
                weight=(self.weights[layer.name] * self.kept(layer.name)).detach().numpy(),
                bias=self.biases[layer.name].detach().numpy(),
            )
            for layer in self.fused
        ]


def _shipped_layers(tensors: Mapping[str, np.ndarray], path: Path) -> list[Layer]:
    """Layers of the shipped network with weights and biases from a file."""
    layers = network_layers(CellNetwork().eval())
    for layer in layers:
        weight = tensors[f"{layer.name}_weight"]
        if weight.shape != layer.weight.shape:
            raise ValueError(f"{path}: {layer.name} has another shape than the shipped network's")
        layer.weight = weight.copy()
        layer.bias = tensors[f"{layer.name}_bias"].copy()
    return layers


def read_plain(path: Path) -> list[Layer]:
    """Layers of the shipped network with the weights of a plain.onnx."""
    initializers = onnx.load(str(path)).graph.initializer
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in initializers}
    return _shipped_layers(tensors, path)


def read_pruned(path: Path) -> tuple[list[Layer], dict[str, float]]:
    """Layers and step sizes as `save` wrote them."""
    with np.load(path) as arrays:
        layers = _shipped_layers(arrays, path)
        names = [FRAME, *(layer.name for layer in layers)]
        return layers, {name: float(arrays[f"{name}_step"]) for name in names}


def blocks_of(values: torch.Tensor) -> torch.Tensor:
    """Sum values (outputs, inputs, k, k) over blocks: (outputs / 16, inputs / 4, k, k)."""
    outputs, inputs, *kernel = values.shape
    shape = (outputs // BLOCK_OUTPUTS, BLOCK_OUTPUTS, inputs // BLOCK_INPUTS, BLOCK_INPUTS)
    return values.view(*shape, *kernel).sum((1, 3))


def spread(blocks: torch.Tensor) -> torch.Tensor:
    """Repeat what holds for blocks for each of their weights: the inverse of `blocks_of`."""
    return blocks.repeat_interleave(BLOCK_OUTPUTS, 0).repeat_interleave(BLOCK_INPUTS, 1)


def can_be_thinned(weight: np.ndarray | torch.Tensor) -> bool:
    """Whether the kernels gain by blocks left out of such a layer: a 3x3 one behind the stem."""
    outputs, inputs, kernel, _ = weight.shape
    return kernel == 3 and outputs % BLOCK_OUTPUTS == 0 and inputs % BLOCK_OUTPUTS == 0


class Pruning:
    """Which blocks are left out, and what the others matter."""

    def __init__(self, network: RoundedNetwork) -> None:
        self.network = network
        strides = {FRAME: 1}
        for fused in network.fused:
            strides[fused.name] = strides[fused.source] * fused.stride
        # Pixels of a layer's output for one of the heads', times 16: what a block costs.
        self.costs = {
            fused.name: 16.0 * (STRIDE_PX / strides[fused.name]) ** 2
            for fused in network.fused
            if can_be_thinned(network.weights[fused.name])
        }
        self.importance = {
            name: torch.zeros_like(blocks_of(network.weights[name].detach())) for name in self.costs
        }

    @torch.no_grad()
    def watch(self) -> None:
        """Take this step's gradients into account."""
        for name, importance in self.importance.items():
            weight = self.network.weights[name]
            change = blocks_of(weight * weight.grad) ** 2
            importance.lerp_(change, 1 - IMPORTANCE_DECAY)

    @torch.no_grad()
    def leave_out_zeros(self) -> None:
        """Leave out the blocks that are zero already."""
        for name in self.costs:
            blocks = blocks_of(self.network.weights[name].abs())
            self.network.kept(name).copy_(spread((blocks > 0).float()))

    @torch.no_grad()
    def take_back(self, pulls: dict[str, torch.Tensor], share: float) -> None:
        """Take blocks back, those first that the loss pulls at most for their cost.

        `pulls` are the sums of their gradients' squares (Evci et al. 2020), `share` is what stays
        left out of the work.
        """
        names = list(self.costs)
        masks = [blocks_of(self.network.kept(name)).clamp(max=1) for name in names]
        places = [
            (float(pulls[name].flatten()[block]) / self.costs[name], index, int(block))
            for index, name in enumerate(names)
            for block in (masks[index].flatten() == 0).nonzero().flatten()
        ]
        work = sum(self.costs[name] * mask.numel() for name, mask in zip(names, masks, strict=True))
        too_many = (self.left_out() - share) * work
        for _, index, block in sorted(places, reverse=True):
            if too_many <= 0:
                break
            masks[index].view(-1)[block] = 1
            too_many -= self.costs[names[index]]
        for name, mask in zip(names, masks, strict=True):
            self.network.kept(name).copy_(spread(mask))

    def left_out(self) -> float:
        """The share of the pruned layers' work that is left out."""
        kept = total = 0.0
        for name, cost in self.costs.items():
            mask = self.network.kept(name)
            kept += cost * float(mask.sum())
            total += cost * mask.numel()
        return 1 - kept / total

    @torch.no_grad()
    def leave_out(self, share: float) -> None:
        """Leave out the blocks that matter least for their cost, up to a share of the work."""
        names = list(self.costs)
        places, values, costs = [], [], []
        work = 0.0
        for index, name in enumerate(names):
            importance = self.importance[name].flatten()
            kept = blocks_of(self.network.kept(name)).flatten() > 0
            work += self.costs[name] * len(kept)
            out = int((~kept).sum())
            # Those that a layer may still lose, the least important first.
            room = int(LAYER_SHARE_MAX * len(kept)) - out
            order = importance.masked_fill(~kept, math.inf).argsort()[: max(0, room)]
            places += [(index, int(place)) for place in order]
            values += (importance[order] / self.costs[name]).tolist()
            costs += [self.costs[name]] * len(order)
        missing = share * work - self.left_out() * work
        masks = [blocks_of(self.network.kept(name)).clamp(max=1) for name in names]
        for place in np.argsort(values):
            if missing <= 0:
                break
            index, block = places[place]
            masks[index].view(-1)[block] = 0
            missing -= costs[place]
        for name, mask in zip(names, masks, strict=True):
            self.network.kept(name).copy_(spread(mask))


def teacher_loss(maps: torch.Tensor, taught: torch.Tensor) -> torch.Tensor:
    """How far maps (n, 7, h, w) are from the teacher's, for each cell that it is sure of."""
    classes = len(CLASS_NAMES)
    wanted = torch.sigmoid(taught[:, :classes])
    entropy = functional.binary_cross_entropy(wanted, wanted, reduction="sum")
    found = functional.binary_cross_entropy_with_logits(maps[:, :classes], wanted, reduction="sum")
    certainty = wanted.amax(1, keepdim=True)
    certainty = certainty * (certainty > TEACHER_CELL)
    boxes = (maps[:, classes:] - taught[:, classes:]).abs() * certainty
    return (found - entropy + boxes.sum()) / certainty.sum().clamp(min=1)


def share_at(progress: float, share: float) -> float:
    """The share to leave out at a point of training: fast at first, slower towards the end."""
    remaining = max(0.0, 1 - progress / THINNING_SHARE)
    return share * (1 - remaining**3)


def _learning_rate(settings: argparse.Namespace, step: int, progress: float) -> float:
    warm_up = min(1.0, (step + 1) / 50)
    return settings.learning_rate * warm_up * (0.5 * (1 + math.cos(math.pi * progress)) + 0.003)


@torch.no_grad()
def _average(average: RoundedNetwork, network: RoundedNetwork, step: int) -> None:
    decay = min(AVERAGE_DECAY, (1 + step) / (10 + step))
    current = network.state_dict()
    for name, value in average.state_dict().items():
        if name.startswith("kept_"):
            value.copy_(current[name])
        else:
            value.lerp_(current[name], 1 - decay)


def _losses(
    network: RoundedNetwork, teacher: list[Layer], batch: list[torch.Tensor], halved: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss against the annotations and against the teacher."""
    seven_bit, *targets = batch
    x = normalise(seven_bit).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=halved):
        taught = run_float(teacher, x)
        maps = network(x)
    task, _ = loss(maps.float(), *targets)
    return task, teacher_loss(maps.float(), taught.float().clone())


def _pulls(
    network: RoundedNetwork,
    pruning: Pruning,
    teacher: list[Layer],
    batches: Iterable[list[torch.Tensor]],
) -> dict[str, torch.Tensor]:
    """Sums of the squared gradients of every block, those left out too."""
    pulls = {name: torch.zeros_like(value) for name, value in pruning.importance.items()}
    for batch in batches:
        network.zero_grad()
        sum(_losses(network, teacher, batch, halved=True)).backward()
        for name, pull in pulls.items():
            pull += blocks_of(network.weights[name].grad) ** 2
    return pulls


def save(path: Path, network: RoundedNetwork) -> None:
    """Write weights, biases and step sizes for `export --pruned`."""
    arrays = {}
    for layer in network.layers():
        arrays[f"{layer.name}_weight"] = layer.weight
        arrays[f"{layer.name}_bias"] = layer.bias
    arrays |= {f"{name}_step": np.float64(step) for name, step in network.steps.items()}
    np.savez(path, **arrays)


def train(settings: argparse.Namespace) -> None:
    """Prune and train for the wanted number of steps or minutes."""
    torch.manual_seed(settings.seed)
    # The loader's process would wait for OpenCV's threads, which it does not have.
    cv2.setNumThreads(1)
    images = load_images(settings.data, settings.annotations)
    if settings.partial_annotations:
        images += load_images(settings.data, settings.partial_annotations, partial=True)
    progress = torch.zeros(1).share_memory_()
    stream = CropStream(images, settings.side_px, settings.seed, progress)
    batches = iter(DataLoader(stream, settings.batch, num_workers=1, prefetch_factor=4))
    layers = read_plain(settings.plain)
    if settings.start:
        network = RoundedNetwork(*read_pruned(settings.start))
    else:
        frames = calibration_frames(settings.data, settings.annotations, settings.seed)
        network = RoundedNetwork(layers, calibrate(layers, frames))
    pruning = Pruning(network)
    if settings.start:
        pulls = _pulls(network, pruning, layers, itertools.islice(batches, PULL_STEPS))
        pruning.leave_out_zeros()
        pruning.take_back(pulls, settings.share)
    average = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    started = time.monotonic()
    bar = tqdm(total=100.0, unit="%", mininterval=5)
    sums = dict.fromkeys(("loss", "task_loss", "teacher_loss"), 0.0)
    with (settings.run / "history.csv").open("w", newline="") as history:
        writer = csv.DictWriter(history, HISTORY_FIELDS)
        writer.writeheader()
        for step, batch in enumerate(batches):
            done = step / settings.steps
            if settings.minutes:
                done = (time.monotonic() - started) / 60 / settings.minutes
            progress[0] = min(1.0, done)
            if done >= 1:
                break
            rate = _learning_rate(settings, step, done)
            for group in optimizer.param_groups:
                group["lr"] = rate
            task, teacher = _losses(network, layers, batch, halved=done < 1 - EXACT_SHARE)
            total = task + TEACHER_WEIGHT * teacher
            optimizer.zero_grad()
            total.backward()
            pruning.watch()
            nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_NORM_MAX)
            optimizer.step()
            if step % THINNING_STEPS == THINNING_STEPS - 1:
                wanted = share_at(done, settings.share)
                if wanted > pruning.left_out():
                    pruning.leave_out(wanted)
            _average(average, network, step)
            for name, value in zip(sums, (total, task, teacher), strict=True):
                sums[name] += value.item()
            bar.n = round(100 * done, 2)
            bar.refresh()
            if (step + 1) % settings.log_steps == 0:
                row = {name: f"{value / settings.log_steps:.5f}" for name, value in sums.items()}
                row |= {"step": step + 1, "learning_rate": f"{rate:.6f}"}
                row["left_out"] = f"{pruning.left_out():.4f}"
                writer.writerow(row)
                history.flush()
                sums = dict.fromkeys(sums, 0.0)
            if (step + 1) % settings.snapshot_steps == 0:
                save(settings.run / "pruned.npz", average)
    bar.close()
    save(settings.run / "pruned.npz", average)
    facts = {
        "settings": {key: str(value) for key, value in vars(settings).items()},
        "steps": step,
        "minutes": round((time.monotonic() - started) / 60, 1),
        "left_out_share": round(pruning.left_out(), 4),
        "left_out_of_layers": {
            name: round(1 - float(network.kept(name).mean()), 3) for name in pruning.costs
        },
    }
    (settings.run / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--plain", type=Path, required=True, help="plain.onnx of the network to prune")
    add("--data", type=Path, required=True, help="folder with the COCO files and images/")
    add("--run", type=Path, required=True, help="folder for the result and the history")
    add("--start", type=Path, help="pruned.npz to go on from; blocks are taken back for --share")
    add("--annotations", default="train.json")
    add("--partial-annotations", default="", help="COCO file whose red cells are incomplete")
    add("--share", type=float, default=0.5, help="of the work of the 3x3 layers to leave out")
    add("--steps", type=int, default=5000)
    add("--minutes", type=float, default=0.0, help="train for a time instead of steps")
    add("--batch", type=int, default=16)
    add("--side-px", type=int, default=256)
    add("--learning-rate", type=float, default=1e-3)
    add("--seed", type=int, default=11)
    add("--log-steps", type=int, default=25)
    add("--snapshot-steps", type=int, default=500)
    settings = parser.parse_args()
    if not 0 < settings.share < LAYER_SHARE_MAX:
        parser.error(f"--share {settings.share} is not between 0 and {LAYER_SHARE_MAX}")
    settings.run.mkdir(parents=True, exist_ok=True)
    train(settings)


if __name__ == "__main__":
    main()
