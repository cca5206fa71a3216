"""Names single-cell crops with a small residual network.

A crop shows two red cell diameters around a cell's centre, so that its size stays visible. The
fourth class, none, is for segmented pieces that are no whole cell.
"""

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from hemoscope_training.baseline.segmentation import RBC_DIAMETER_PX
from hemoscope_training.records import CLASS_NAMES

NONE = len(CLASS_NAMES)
CROP_NAMES = (*CLASS_NAMES, "none")
WINDOW_PX = int(2 * RBC_DIAMETER_PX)
CROP_PX = 64
WIDTHS = (16, 32, 64)

BATCH = 128
LEARNING_RATE_MAX = 4e-3
WEIGHT_DECAY = 1e-3
COLOUR_JITTER = 0.12
"""Standard deviation of the random gain of each colour in training."""


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch normalization, added to their input."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, features: Tensor) -> Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        inner = functional.relu(self.first_norm(self.first(features)))
        return functional.relu(self.second_norm(self.second(inner)) + self.shortcut(features))


class CropNetwork(nn.Module):
    """Three residual blocks, global average pooling and a linear layer for softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, WIDTHS[0], 3, 2, padding=1, bias=False), nn.BatchNorm2d(WIDTHS[0])
        )
        self.blocks = nn.Sequential(
            ResidualBlock(WIDTHS[0], WIDTHS[0], 1),
            ResidualBlock(WIDTHS[0], WIDTHS[1], 2),
            ResidualBlock(WIDTHS[1], WIDTHS[2], 2),
        )
        self.head = nn.Linear(WIDTHS[2], len(CROP_NAMES))

    def forward(self, crops: Tensor) -> Tensor:
        """Logits (n, 4) of uint8 crops (n, `CROP_PX`, `CROP_PX`, 3)."""
        features = crops.permute(0, 3, 1, 2).float() / 127.5 - 1
        features = self.blocks(functional.relu(self.stem(features)))
        return self.head(features.mean(dim=(2, 3)))


def cut(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Crop (`CROP_PX`, `CROP_PX`, 3) of a scaled, enhanced image around a box's centre.

    Beyond the frame the crop repeats the frame's last pixels.
    """
    centre = (float(box[0] + box[2]) / 2 - 0.5, float(box[1] + box[3]) / 2 - 0.5)
    scale = WINDOW_PX / CROP_PX
    shift = [position - scale * (CROP_PX - 1) / 2 for position in centre]
    mapping = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        image, mapping, (CROP_PX, CROP_PX), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )


def vary(crops: Tensor, generator: torch.Generator) -> Tensor:
    """Turn and mirror a batch (n, h, w, 3) at random, and shift its colours."""
    if torch.rand((), generator=generator) < 0.5:
        crops = crops.flip(1)
    crops = torch.rot90(crops, int(torch.randint(4, (), generator=generator)), (1, 2))
    gain = 1 + COLOUR_JITTER * torch.randn((len(crops), 1, 1, 3), generator=generator)
    return (crops * gain).clamp(0, 255)


def train(
    crops: np.ndarray, labels: np.ndarray, epochs: int, seed: int, batch: int = BATCH
) -> CropNetwork:
    """Train on crops (n, `CROP_PX`, `CROP_PX`, 3) with labels (n,); classes weigh alike.

    Each class's weight goes with the inverse square root of its share, a compromise between
    plain and balanced training.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = CropNetwork()
    weight = torch.tensor(1 / np.sqrt(class_shares(labels)), dtype=torch.float32)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=WEIGHT_DECAY)
    steps = epochs * (len(labels) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE_MAX, steps)
    inputs, targets = torch.from_numpy(crops), torch.from_numpy(labels)
    with tqdm(total=steps, desc="crop classifier", unit="step") as progress:
        for _ in range(epochs):
            order = torch.randperm(len(targets), generator=generator)
            for start in range(0, len(order) - batch + 1, batch):
                rows = order[start : start + batch]
                logits = network(vary(inputs[rows], generator))
                loss = functional.cross_entropy(logits, targets[rows], weight)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                progress.update()
                progress.set_postfix(loss=f"{loss.item():.3f}")
    return network.eval()


def class_shares(labels: np.ndarray) -> np.ndarray:
    """Share (4,) of each class among labels (n,); an absent class has a tiny one."""
    return np.maximum(np.bincount(labels, minlength=len(CROP_NAMES)) / len(labels), 1e-6)


@torch.no_grad()
def restore_shares(network: CropNetwork, trained: np.ndarray, natural: np.ndarray) -> None:
    """Shift the network's answers to how common each class is in frames.

    Training saw classes in shares that thinning and weighting made, the root of those among
    `trained` (n,); by Bayes' rule the logits move by the logarithm of the ratio to the shares
    among `natural` (m,).
    """
    shift = np.log(class_shares(natural)) - 0.5 * np.log(class_shares(trained))
    network.head.bias += torch.tensor(shift, dtype=torch.float32)


@torch.inference_mode()
def probabilities(network: CropNetwork, crops: np.ndarray) -> np.ndarray:
    """Softmax (n, 4) of crops (n, `CROP_PX`, `CROP_PX`, 3)."""
    parts = [
        torch.softmax(network(torch.from_numpy(crops[start : start + BATCH])), dim=1).numpy()
        for start in range(0, len(crops), BATCH)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, len(CROP_NAMES)), np.float32)


def crop_figures(labels: np.ndarray, predicted: np.ndarray) -> dict[str, float | list]:
    """Accuracy, macro-F1 over the classes among `labels`, and the confusion (rows: labels)."""
    count = len(CROP_NAMES)
    confusion = np.bincount(labels * count + predicted, minlength=count**2).reshape(count, count)
    either = np.maximum(1, confusion.sum(axis=0) + confusion.sum(axis=1))
    f1 = 2 * np.diag(confusion) / either
    present = confusion.sum(axis=1) > 0
    return {
        "crops": len(labels),
        "accuracy": float(np.trace(confusion) / max(1, len(labels))),
        "macro_f1": float(f1[present].mean()) if present.any() else 0.0,
        "confusion": confusion.tolist(),
    }
