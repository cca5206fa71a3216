"""Trains the network: python -m hemoscope_training.train --data DIR --run DIR.

Two worker processes of one thread each share every step, which on two cores is faster than one
process of two threads; with a GPU one process does all. A stopped run goes on where its last
snapshot was. `history.csv` receives the losses, `snapshots/` the averaged weights over time.
"""

import argparse
import copy
import csv
import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing
from torch.utils.data import DataLoader, IterableDataset
from tqdm import tqdm

from hemoscope_training.augment import (
    FINISHING,
    PLATELET,
    AugmentSettings,
    collect_platelets,
    random_crop,
)
from hemoscope_training.dataset import SmearImage, grouped_folds, load_images
from hemoscope_training.network import (
    INPUT_SCALE,
    RBC_DIAMETER_PX,
    ZERO_POINT,
    CellNetwork,
    multiply_accumulates,
    parameter_count,
)
from hemoscope_training.targets import loss, make_targets

HISTORY_FIELDS = ("epoch", "step", "loss", "heat_loss", "box_loss", "size_loss", "learning_rate")
FINISHING_SHARE = 0.12
"""The last part of training, without seams and with few pasted cells."""

WARM_UP_STEPS = 150
GRADIENT_NORM_MAX = 5.0
AVERAGE_DECAY = 0.9985


class CropStream(IterableDataset):
    """Endless random crops; the share of finishing crops follows `progress`."""

    def __init__(
        self, images: list[SmearImage], side_px: int, seed: int, progress: torch.Tensor
    ) -> None:
        self.images = images
        self.platelets = collect_platelets(images)
        self.side_px = side_px
        self.seed = seed
        self.progress = progress
        shares = [1.0 + (image.boxes[:, 0] == PLATELET).any() for image in images]
        self.shares = np.array(shares) / np.sum(shares)

    def __iter__(self) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield crop (3, n, n) uint8 of 7-bit values and its four target maps."""
        cv2.setNumThreads(1)
        worker = torch.utils.data.get_worker_info()
        worker_index = worker.id if worker else 0
        # The progress belongs to the seed, so that a resumed run does not repeat its crops.
        start = int(self.progress.item() * 1e6)
        rng = np.random.default_rng([self.seed, worker_index, start])
        while True:
            index = int(rng.choice(len(self.images), p=self.shares))
            finishing = self.progress.item() > 1 - FINISHING_SHARE
            settings = FINISHING if finishing else AugmentSettings()
            crop = random_crop(
                self.images, index, self.shares, self.platelets, self.side_px, rng, settings
            )
            targets = make_targets(crop.boxes, crop.ignored, crop.unlabelled_rbc, self.side_px)
            seven_bit = np.ascontiguousarray((crop.pixels >> 1).transpose(2, 0, 1))
            yield seven_bit, targets.heat, targets.weight, targets.boxes, targets.box_weight


def normalise(seven_bit: torch.Tensor) -> torch.Tensor:
    """Turn 7-bit input values into what the network computes with."""
    return (seven_bit.float() - ZERO_POINT) * INPUT_SCALE


def _optimizer(network: torch.nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    matrices = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": 1e-3},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate)


def _learning_rate(settings: argparse.Namespace, step: int, progress: float) -> float:
    warm_up = min(1.0, (step + 1) / WARM_UP_STEPS)
    return settings.learning_rate * warm_up * (0.5 * (1 + math.cos(math.pi * progress)) + 0.003)


@torch.no_grad()
def _average(average: torch.nn.Module, network: torch.nn.Module, step: int) -> None:
    """Move the averaged weights a little towards the current ones."""
    decay = min(AVERAGE_DECAY, (1 + step) / (10 + step))
    current = network.state_dict()
    for name, value in average.state_dict().items():
        if value.dtype.is_floating_point:
            value.lerp_(current[name], 1 - decay)
        else:
            value.copy_(current[name])


def _share_gradients(network: torch.nn.Module, world: int) -> None:
    gradients = [parameter.grad for parameter in network.parameters()]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= world
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


class Run:
    """One worker's share of a training run."""

    def __init__(self, rank: int, world: int, settings: argparse.Namespace) -> None:
        self.rank, self.world, self.settings = rank, world, settings
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(settings.seed)
        images = load_images(settings.data, settings.annotations)
        if settings.fold is not None:
            images = grouped_folds(images, settings.folds, settings.seed)[settings.fold][0]
        if settings.partial_annotations:
            images += load_images(settings.data, settings.partial_annotations, partial=True)
        self.image_count = len(images)
        self.progress = torch.zeros(1).share_memory_()
        self.network = CellNetwork().to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval()
        self.optimizer = _optimizer(self.network, settings.learning_rate)
        self.step = 0
        self.seconds = 0.0
        self.state_path = settings.run / "state.pt"
        if self.state_path.exists():
            self._load_state()
        stream = CropStream(images, settings.side_px, settings.seed + 1000 * rank, self.progress)
        self.loader = DataLoader(
            stream,
            batch_size=settings.batch // world,
            num_workers=settings.loaders,
            prefetch_factor=4,
            persistent_workers=True,
        )

    @property
    def epoch(self) -> float:
        """Crops seen, in multiples of the number of images."""
        return self.step * self.settings.batch / self.image_count

    def _progress_now(self, started: float) -> float:
        if self.settings.minutes:
            value = (self.seconds + time.monotonic() - started) / (60 * self.settings.minutes)
        else:
            value = self.epoch / self.settings.epochs
        self.progress[0] = min(1.0, value)
        if self.world > 1:
            distributed.broadcast(self.progress, 0)
        return self.progress.item()

    def _load_state(self) -> None:
        state = torch.load(self.state_path, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.progress[0] = state["progress"]

    def _save_state(self, started: float) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds + time.monotonic() - started,
            "progress": self.progress.item(),
        }
        temporary = self.state_path.with_suffix(".part")
        torch.save(state, temporary)
        os.replace(temporary, self.state_path)
        torch.save(
            self.average.state_dict(),
            self.settings.run / "snapshots" / f"epoch-{self.epoch:07.1f}.pt",
        )

    def _train_step(self, forward, batch: list[torch.Tensor], progress: float) -> dict:
        seven_bit, *targets = (part.to(self.device) for part in batch)
        rate = _learning_rate(self.settings, self.step, progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        x = normalise(seven_bit).contiguous(memory_format=torch.channels_last)
        total, parts = loss(forward(x), *targets)
        self.optimizer.zero_grad(set_to_none=False)
        total.backward()
        if self.world > 1:
            _share_gradients(self.network, self.world)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_NORM_MAX)
        self.optimizer.step()
        self.step += 1
        if self.rank == 0:
            _average(self.average, self.network, self.step)
        return parts | {"learning_rate": rate}

    def train(self) -> None:
        """Train until the wanted epochs or minutes are done."""
        settings = self.settings
        started = time.monotonic()
        forward = torch.compile(self.network) if settings.compile else self.network
        first = self.rank == 0
        history = (settings.run / "history.csv").open("a", newline="") if first else None
        writer = csv.DictWriter(history, HISTORY_FIELDS) if first else None
        if first and history.tell() == 0:
            writer.writeheader()
        bar = tqdm(total=100.0, unit="%", disable=not first, mininterval=5)
        sums: dict[str, float] = {}
        for batch in self.loader:
            progress = self._progress_now(started)
            if progress >= 1:
                break
            parts = self._train_step(forward, batch, progress)
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value
            if not first:
                continue
            bar.n = round(100 * progress, 2)
            if self.step % settings.log_steps == 0:
                means = {name: f"{value / settings.log_steps:.6f}" for name, value in sums.items()}
                writer.writerow({"epoch": f"{self.epoch:.2f}", "step": self.step} | means)
                history.flush()
                bar.set_postfix(epoch=f"{self.epoch:.1f}", loss=means["loss"])
                bar.refresh()
                sums.clear()
            if self.step % settings.snapshot_steps == 0:
                self._save_state(started)
        if first:
            self._save_state(started)
            torch.save(self.average.state_dict(), settings.run / "final.pt")
        bar.close()


def _work(rank: int, world: int, settings: argparse.Namespace) -> None:
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    if world > 1:
        rendezvous = (settings.run / "rendezvous").resolve()
        distributed.init_process_group(
            "gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=world
        )
    Run(rank, world, settings).train()
    if world > 1:
        distributed.destroy_process_group()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with the COCO files and images/")
    add("--run", type=Path, required=True, help="folder for snapshots, history and state")
    add("--annotations", default="train.json")
    add("--partial-annotations", default="", help="COCO file whose red cells are incomplete")
    add("--folds", type=int, default=5, help="groups of a K-fold split")
    add("--fold", type=int, help="leave out this fold (0 to folds - 1)")
    add("--epochs", type=float, default=136.0)
    add("--minutes", type=float, default=0.0, help="train for a time instead of epochs")
    add("--batch", type=int, default=16)
    add("--side-px", type=int, default=256)
    add("--learning-rate", type=float, default=2.2e-3)
    add("--seed", type=int, default=7)
    add("--workers", type=int, default=2, help="processes that share a step; 1 with a GPU")
    add("--loaders", type=int, default=1, help="processes that make crops, for each worker")
    add("--compile", action="store_true", help="let torch.compile fuse the small operations")
    add("--log-steps", type=int, default=50)
    add("--snapshot-steps", type=int, default=700)
    settings = parser.parse_args()
    if settings.fold is not None and not 0 <= settings.fold < settings.folds:
        parser.error(f"--fold {settings.fold} is not one of 0 to {settings.folds - 1}")
    (settings.run / "snapshots").mkdir(parents=True, exist_ok=True)
    (settings.run / "rendezvous").unlink(missing_ok=True)
    network = CellNetwork()
    facts = {
        "parameters": parameter_count(network),
        "mmac_320x240": round(multiply_accumulates(network, 240, 320) / 1e6, 1),
        "rbc_diameter_px": RBC_DIAMETER_PX,
        "settings": {key: str(value) for key, value in vars(settings).items()},
        "augmentation": asdict(AugmentSettings()),
    }
    (settings.run / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    world = 1 if torch.cuda.is_available() else settings.workers
    if world == 1:
        _work(0, 1, settings)
    else:
        multiprocessing.spawn(_work, (world, settings), world)


if __name__ == "__main__":
    main()
