"""Owns the speed and memory figures of the local engine; knows its process, no Django.

    python -m tests.benchmarks.engine_speed [--only NAME] [--runs 3] [--onnxruntime] [--json FILE]

Every case has a process of its own, the very one that a site's worker starts. A figure in seconds
is from handing it the JPEG until the whole answer is back: pipe, decoding, the engine, encoding as
JPEG of quality 92 with all colour, with resolution and mark. The start of the process (once for
many photos) is not in it. The best of some runs counts; beside it stands its ratio to decoding the
same photo and encoding the same result, measured right after. Peak memory is all of the process,
with the interpreter; its ratio is to a process that decodes and encodes the same photo, no more.
onnxruntime is hidden unless asked for. Exits with 1 when a limit of the design is broken.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from typing import Any, Self

from django_hili.imaging.frames import pack, unpack_head

LIMITS = {"sr_1500_to_6000": {"seconds": 2.5, "peak_mb": 300}, "import": {"seconds": 0.150}}
"""What the design promises, on two cores."""
CASES: dict[str, tuple[str, int, dict[str, Any]]] = {
    "sr_1500_to_6000": ("photo", 1500, {"operations": ["sr"], "scale": 4}),
    "sr_jpeg_1500_to_6000": ("worn", 1500, {"operations": ["sr"], "scale": 4}),
    "sr_x2": ("photo", 1500, {"operations": ["sr"], "scale": 2}),
    "sr_x8": ("photo", 750, {"operations": ["sr"], "scale": 8}),
    "sr_x2_text": ("photo", 1500, {"operations": ["sr"], "scale": 2, "image_type": "text"}),
    "repair": ("noisy", 3000, {"operations": ["repair"]}),
    "repair_clean": ("photo", 3000, {"operations": ["repair"]}),
    "scratch": ("photo", 3000, {"operations": ["scratch"]}),
    "defogging": ("hazy", 3000, {"operations": ["defogging"]}),
    "bg": ("portrait", 3000, {"operations": ["bg"], "background": "white"}),
}
"""Name -> kind of picture, its side, what is asked for."""


def picture(kind: str, side: int) -> bytes:
    """A made-up JPEG of side x side pixels."""
    import numpy as np
    from PIL import Image

    from training.degrade import hazed, resize, to_bytes
    from training.pictures import leaves, textures
    from training.portraits import backdrop, person, photographed

    rng = np.random.default_rng(6)
    if kind == "portrait":
        front, cover = person(rng, 500, 500)
        small = photographed(rng, front, cover, backdrop(rng, "plain", cover))
    else:
        small = to_bytes(leaves(rng, 512, textures(rng, 512)))
        small = hazed(rng, small, 1.1) if kind == "hazy" else small
    pixels = resize(small, side, side)
    if kind in ("noisy", "worn"):
        pixels = to_bytes(pixels + rng.normal(0, 10, pixels.shape).astype(np.float32))
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=75 if kind == "worn" else 92)
    return file.getvalue()


HIDDEN = "import sys; sys.modules['onnxruntime'] = None; "
SERVE = "from django_hili.providers.local_process import main; main(['3221225472'])"
REQUEST = {
    "scale": None, "image_type": "people", "background": None, "background_rgb": None, "dpi": 300,
    "format": "jpeg", "max_megapixels": 40, "wants_mask": False,
}  # fmt: skip


class Served:
    """The engine's process, asked as a worker asks it."""

    def __init__(self, *, with_onnxruntime: bool) -> None:
        code = SERVE if with_onnxruntime else HIDDEN + SERVE
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def ask(self, request: dict[str, Any], photo: bytes) -> tuple[dict[str, Any], bytes]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(pack({**request, "photo_size": len(photo)}, photo))
        self._process.stdin.flush()
        while True:
            head, content = unpack_head(self._process.stdout.read(8))
            answer = json.loads(self._process.stdout.read(head))
            if answer["kind"] != "progress":
                return answer, self._process.stdout.read(content)

    def peak_mb(self) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        line = next(row for row in status.splitlines() if row.startswith("VmHWM"))
        return int(line.split()[1]) / 1024

    def processor_seconds(self) -> float:
        parts = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def case(name: str, photo: bytes, *, runs: int, with_onnxruntime: bool) -> dict[str, float]:
    """Ask for one case several times, and for the decoding and encoding alone as often."""
    request = {**REQUEST, **CASES[name][2]}
    if request["background"] == "white":
        request["background_rgb"] = [255, 255, 255]
    times, plain, processor = [], [], []
    with Served(with_onnxruntime=with_onnxruntime) as engine:
        for _ in range(runs):
            before, started = engine.processor_seconds(), time.perf_counter()
            answer, content = engine.ask(request, photo)
            times.append(time.perf_counter() - started)
            processor.append(engine.processor_seconds() - before)
            if answer["kind"] != "done":
                raise RuntimeError(answer)
            plain.append(decode_and_encode(photo, content))
        peak = engine.peak_mb()
    with Served(with_onnxruntime=with_onnxruntime) as idle:
        idle.ask({**REQUEST, "operations": []}, photo)
        plain_peak = idle.peak_mb()
    size = answer["width"] * answer["height"] / 1e6
    return {
        "seconds": min(times),
        "processor_seconds": min(processor),
        "megapixels_per_second": size / min(times),
        "ratio_to_decode_and_encode": min(times) / min(plain),
        "peak_mb": peak,
        "peak_ratio": peak / plain_peak,
    }


def decode_and_encode(photo: bytes, result: bytes) -> float:
    """Seconds to open the photo and to write its result, no more."""
    from PIL import Image

    from django_hili.imaging.encode import encode_jpeg

    with Image.open(BytesIO(result)) as opened:
        pixels = opened.convert("RGB")
    started = time.perf_counter()
    with Image.open(BytesIO(photo)) as opened:
        opened.load()
    encode_jpeg(pixels, dpi=300)
    return time.perf_counter() - started


def importing() -> dict[str, float]:
    """Time to import the engine's door, numpy and Pillow included; the best of five fresh
    processes.
    """
    door = "import django_hili.engine.pipeline"
    # What onnxruntime costs is its own, and only paid when a net is first run.
    code = f"import time; t = time.perf_counter(); {door}; print(time.perf_counter() - t)"
    runs = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(5)]
    return {"seconds": min(runs)}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--only", default="")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--onnxruntime", action="store_true", help="let the engine use it")
    options = parser.parse_args()
    figures: dict[str, dict[str, float]] = {"import": importing()}
    photos: dict[tuple[str, int], bytes] = {}
    for name, (kind, side, _) in CASES.items():
        if options.only not in name:
            continue
        if (kind, side) not in photos:
            photos[kind, side] = picture(kind, side)
        figures[name] = case(
            name, photos[kind, side], runs=options.runs, with_onnxruntime=options.onnxruntime
        )
    for name, values in figures.items():
        columns = "  ".join(f"{key} {value:.3g}" for key, value in values.items())
        sys.stdout.write(f"{name:18s} {columns}\n")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), "utf-8")
    broken = [
        f"{name}: {key} {figures[name][key]:.3g} is over {limit}"
        for name, limits in LIMITS.items()
        for key, limit in limits.items()
        if name in figures and figures[name][key] > limit
    ]
    sys.stdout.write("\n".join([*broken, ""]))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
