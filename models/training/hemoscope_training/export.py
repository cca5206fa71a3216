"""Exports a trained snapshot: python -m hemoscope_training.export --snapshot F --data DIR.

With --pruned F instead, what `prune` made of one: its weights, and the steps of its activations.

Writes models/<name>/: model.onnx (the device's form), plain.onnx (float, standard operators),
golden.json (inputs and the integer reference's outputs) and manifest.toml. Class thresholds,
confidence calibration and metrics already in a manifest there are kept; `evaluate tune` sets
them from what the program printed.
"""

import argparse
import hashlib
import json
import tomllib
from pathlib import Path

import numpy as np
import torch

from hemoscope_training.calibration import calibration_frames
from hemoscope_training.layers import network_layers
from hemoscope_training.manifest import write_manifest
from hemoscope_training.network import (
    CLASS_NAMES,
    RBC_DIAMETER_PX,
    SIDE_MULTIPLE_PX,
    STRIDE_PX,
    ZERO_POINT,
    CellNetwork,
    multiply_accumulates,
    parameter_count,
)
from hemoscope_training.onnx_files import OPSET, device_model, plain_model
from hemoscope_training.prune import read_pruned
from hemoscope_training.quantize import calibrate, quantize, run_integer

GOLDEN_CASES = (("smallest", 16, 16, 1), ("wide", 64, 32, 2), ("tall", 48, 80, 3))
"""Name, width, height and seed of the frames whose outputs are kept."""


def golden_frame(width_px: int, height_px: int, seed: int) -> np.ndarray:
    """Make a frame (3, height, width) of 7-bit values from a linear congruential generator.

    state = state * 1664525 + 1013904223 mod 2^32, advanced before each value; a value is the
    state's top 7 bits; red, green, blue of each pixel in turn, rows from the top.
    """
    values = np.empty(width_px * height_px * 3, np.uint8)
    state = seed
    for index in range(len(values)):
        state = (state * 1664525 + 1013904223) % 2**32
        values[index] = state >> 25
    return values.reshape(height_px, width_px, 3).transpose(2, 0, 1).copy()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--snapshot", type=Path, help="final.pt of a training")
    source.add_argument("--pruned", type=Path, help="pruned.npz")
    add("--data", type=Path, required=True)
    add("--annotations", default="train.json", help="where calibration frames are taken")
    add("--facts", type=Path, help="facts.json of the training run")
    add("--epochs", type=float, default=0.0, help="epochs that the snapshot has seen")
    add("--out", type=Path, required=True, help="models/<name>")
    add("--version", default="1.0.0")
    add("--seed", type=int, default=11)
    settings = parser.parse_args()
    settings.out.mkdir(parents=True, exist_ok=True)

    network = CellNetwork()
    frames = calibration_frames(settings.data, settings.annotations, settings.seed)
    if settings.pruned:
        layers, steps = read_pruned(settings.pruned)
    else:
        network.load_state_dict(
            torch.load(settings.snapshot, weights_only=True, map_location="cpu")
        )
        network.eval()
        layers = network_layers(network)
        steps = calibrate(layers, frames)
    quantized = quantize(layers, steps)
    (settings.out / "plain.onnx").write_bytes(plain_model(layers).SerializeToString())
    (settings.out / "model.onnx").write_bytes(device_model(quantized).SerializeToString())

    cases = []
    for name, width_px, height_px, seed in GOLDEN_CASES:
        heads = run_integer(quantized, golden_frame(width_px, height_px, seed))
        cases.append(
            {
                "name": name,
                "width_px": width_px,
                "height_px": height_px,
                "seed": seed,
                "heads": heads.reshape(-1).tolist(),
            }
        )
    golden = {"format": 1, "cases": cases}
    (settings.out / "golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")

    facts = json.loads(settings.facts.read_text()) if settings.facts else {"settings": {}}
    path = settings.out / "manifest.toml"
    kept = tomllib.loads(path.read_text()) if path.exists() else {}
    write_manifest(
        path,
        {
            "format": 1,
            "name": settings.out.name,
            "version": settings.version,
            "classes": list(CLASS_NAMES),
            "opset": OPSET,
            "license_note": "MIT OR Apache-2.0 for the weights; CARD.md lists the data's licences",
            "device": {"file": "model.onnx", "sha256": _sha256(settings.out / "model.onnx")},
            "plain": {"file": "plain.onnx", "sha256": _sha256(settings.out / "plain.onnx")},
            "input": {
                "rbc_diameter_px": RBC_DIAMETER_PX,
                "side_multiple_px": SIDE_MULTIPLE_PX,
                "stride_px": STRIDE_PX,
                "zero_point": ZERO_POINT,
            },
            "class": kept.get(
                "class",
                [
                    {
                        "name": name,
                        "certain_permyriad": 5000,
                        "candidate_permyriad": 2500,
                        "calibration_slope_q8": 256,
                        "calibration_intercept_q8": 0,
                    }
                    for name in CLASS_NAMES
                ],
            ),
            "quantization": {
                "scheme": "static, activations unsigned 7-bit, weights signed 8-bit per channel",
                "calibration": "least squared error over the values' histograms",
                "calibration_frames": len(frames),
                "calibration_data": settings.annotations,
            },
            "training": {
                "data": [
                    facts["settings"].get("annotations", ""),
                    facts["settings"].get("partial_annotations", ""),
                ],
                "epochs": settings.epochs,
                "seed": int(facts["settings"].get("seed", 0)),
                "parameters": parameter_count(network),
                "mmac_320x240": round(multiply_accumulates(network, 240, 320) / 1e6, 1),
            },
            "metrics": kept.get("metrics", {}),
        },
    )


if __name__ == "__main__":
    main()
