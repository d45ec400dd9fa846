"""Owns the speed and memory figures of the local engine; knows the engine, no Django.

    python -m tests.benchmarks.engine_speed [--json FILE]

Every case runs in a process of its own. Beside each time stands its ratio to decoding and encoding
the same file in the same run: machines differ, ratios less so. Exits with 1 when a limit of the
design is broken.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

LIMITS = {"sr_1500_to_6000": {"seconds": 2.5, "peak_mb": 300}, "import": {"seconds": 0.150}}
"""What the design promises, on two cores."""
CASES: dict[str, tuple[str, int, dict[str, Any]]] = {
    "sr_1500_to_6000": ("photo", 1500, {"operations": ["sr"], "scale": 4}),
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
    if kind == "noisy":
        pixels = to_bytes(pixels + rng.normal(0, 10, pixels.shape).astype(np.float32))
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=92)
    return file.getvalue()


def peak_mb() -> float:
    """This process's own peak; `ru_maxrss` would start from its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def case(name: str, path: Path) -> dict[str, float]:
    """Decode, enhance and encode one file; called in a process of its own."""
    import numpy as np
    from PIL import Image

    from django_hili.engine.pipeline import enhance

    started = time.perf_counter()
    with Image.open(path) as file:
        pixels = np.asarray(file)
    decoded = time.perf_counter()
    size = pixels.shape[0] * pixels.shape[1]
    before = time.process_time()
    result = enhance(pixels, **CASES[name][2])
    enhanced, engine_mb = time.perf_counter(), peak_mb()
    processor = time.process_time() - before
    del pixels
    image = Image.fromarray(result.pixels)
    del result  # Pillow has its own copy now
    image.save(BytesIO(), "JPEG", quality=92, dpi=(300, 300))
    encoded = time.perf_counter()
    working = enhanced - decoded
    return {
        "seconds": encoded - started,
        "engine_seconds": working,
        "engine_processor_seconds": processor,
        "megapixels_per_second": max(size, image.width * image.height) / 1e6 / working,
        "ratio_to_decode_and_encode": working / (encoded - started - working),
        "engine_peak_mb": engine_mb,
        "peak_mb": peak_mb(),
    }


def baseline(path: Path) -> dict[str, float]:
    """Decode and encode the same file, no more: what memory a photo costs anyway."""
    import numpy as np
    from PIL import Image

    with Image.open(path) as file:
        pixels = np.asarray(file)
    Image.fromarray(pixels).save(BytesIO(), "JPEG", quality=92)
    return {"peak_mb": peak_mb()}


def importing() -> dict[str, float]:
    """Time to import the engine's door, numpy and Pillow included; the best of five fresh
    processes.
    """
    door = "import django_hili.engine.pipeline"
    code = f"import time; t = time.perf_counter(); {door}; print(time.perf_counter() - t)"
    runs = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(5)]
    return {"seconds": min(runs)}


def apart(*arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.engine_speed", *arguments]
    answer: dict[str, float] = json.loads(subprocess.check_output(command))
    return answer


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    if options.case:
        name, path = options.case
        answer = baseline(Path(path)) if name == "baseline" else case(name, Path(path))
        sys.stdout.write(json.dumps(answer))
        return 0
    figures: dict[str, dict[str, float]] = {"import": importing()}
    with TemporaryDirectory() as folder:
        for name, (kind, side, _) in CASES.items():
            if options.only not in name:
                continue
            path = Path(folder) / f"{kind}-{side}.jpg"
            if not path.exists():
                path.write_bytes(picture(kind, side))
            figures[name] = apart("--case", name, str(path))
            plain = apart("--case", "baseline", str(path))["peak_mb"]
            figures[name]["peak_ratio"] = figures[name]["peak_mb"] / plain
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
