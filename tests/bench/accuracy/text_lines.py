"""Lines of text, upright and upside down, for the text-direction classifier. Synthetic: rendered.

The words are those of the licences that every Debian system carries; the fonts come from Debian packages, one
style of each family. Lines look like what a text detector cuts out: some paper, some contrast, some noise.
Fonts and words of the calibration lines are not those of the evaluation lines.
"""

import importlib
import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.accuracy.fetch import debian_folder, wheel_folder

PILLOW = "pillow==12.0.0"
FONTS = (
    ("fonts-dejavu-core", "DejaVuSans.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf"),
    ("fonts-liberation2", "LiberationSans-Regular.ttf", "LiberationSerif-Regular.ttf"),
    ("fonts-freefont-ttf", "FreeSans.ttf", "FreeSerif.ttf", "FreeMono.ttf"),
    ("fonts-crosextra-carlito", "Carlito-Regular.ttf"),
    ("fonts-crosextra-caladea", "Caladea-Regular.ttf"),
    ("fonts-lato", "Lato-Regular.ttf"),
    ("fonts-open-sans", "OpenSans-Regular.ttf"),
    ("fonts-roboto-unhinted", "Roboto-Regular.ttf"),
    ("fonts-linuxlibertine", "LinLibertine_R.otf", "LinBiolinum_R.otf"),
    ("fonts-sil-gentium", "Gentium-R.ttf"),
    ("fonts-inconsolata", "Inconsolata.otf"),
    ("fonts-hack", "Hack-Regular.ttf"),
    ("fonts-comfortaa", "Comfortaa-Regular.ttf"),
    ("fonts-cabin", "Cabin-Regular.otf"),
    ("fonts-quicksand", "Quicksand-Regular.ttf"),
    ("fonts-ebgaramond", "EBGaramond12-Regular.otf"),
    ("fonts-oxygen", "Oxygen-Sans.ttf"),
    ("fonts-play", "Play-Regular.ttf"),
    ("fonts-vollkorn", "Vollkorn-Regular.ttf"),
)
_SIXTH = 6
"""Every sixth font calibrates, the others are evaluated."""
HEIGHT, WIDTH = 48, 192
WORDS = Path("/usr/share/common-licenses")


def samples(count: int, *, calibration: bool) -> tuple[np.ndarray, np.ndarray, int]:
    """Lines, labels, and from how many fonts.

    Args:
        count: How many lines; half of them upside down.
        calibration: Whether they are for calibration.

    Returns:
        float32 [count, 1, 3, 48, 192] as the classifier wants them, and int64 [count]: 1 is upside down.

    Raises:
        PeerError: A package cannot be fetched.
    """
    pillow = str(wheel_folder(PILLOW))
    if pillow not in sys.path:
        sys.path.append(pillow)
    fonts = [font for index, font in enumerate(_fonts()) if (index % _SIXTH == _SIXTH - 1) == calibration]
    words = _words()
    half = len(words) // 10
    words = words[:half] if calibration else words[half:]
    random = np.random.default_rng(1 if calibration else 2)
    lines = [_line(fonts[i % len(fonts)], words, random) for i in range(count)]
    labels = np.arange(count) // len(fonts) % 2
    turned = [line[::-1, ::-1] if label else line for line, label in zip(lines, labels, strict=True)]
    return np.stack([_network_input(line) for line in turned]), labels.astype(np.int64), len(fonts)


def _fonts() -> list[Path]:
    return [next(debian_folder(package).rglob(name)) for package, *names in FONTS for name in names]


def _words() -> list[str]:
    text = "\n".join(path.read_text("utf-8", "replace") for path in sorted(WORDS.iterdir()) if path.is_file())
    return re.findall(r"[A-Za-z0-9][\w,.()'-]*", text)


def _line(font: Path, words: list[str], random: np.random.Generator) -> np.ndarray:
    """uint8 [height, width, 3]: one to four words."""
    image, draw, fonts = (
        importlib.import_module(f"PIL.{name}") for name in ("Image", "ImageDraw", "ImageFont")
    )
    first = int(random.integers(len(words) - 4))
    text = " ".join(words[first : first + int(random.integers(1, 5))])
    face: Any = fonts.truetype(str(font), int(random.integers(24, 48)))
    left, top, right, bottom = face.getbbox(text)
    margin = random.integers(1, 8, 4)
    size = (right - left + margin[0] + margin[1], bottom - top + margin[2] + margin[3])
    paper, ink = random.integers(150, 256, 3), random.integers(0, 110, 3)
    if random.random() < 0.25:
        paper, ink = ink, paper
    canvas = image.new("RGB", tuple(map(int, size)), tuple(map(int, paper)))
    draw.Draw(canvas).text((margin[0] - left, margin[2] - top), text, font=face, fill=tuple(map(int, ink)))
    noise = random.normal(0, random.uniform(0, 12), (*canvas.size[::-1], 3))
    return np.clip(np.asarray(canvas) + noise, 0, 255).astype(np.uint8)


def _network_input(line: np.ndarray) -> np.ndarray:
    """float32 [1, 3, 48, 192], as rapidocr prepares a line: height 48, at most 192 wide, then zeros."""
    image = importlib.import_module("PIL.Image")
    width = min(WIDTH, math.ceil(HEIGHT * line.shape[1] / line.shape[0]))
    scaled = image.fromarray(np.ascontiguousarray(line)).resize((width, HEIGHT), image.Resampling.BILINEAR)
    ready = np.zeros((1, 3, HEIGHT, WIDTH), np.float32)
    # rapidocr reads images with OpenCV: blue comes first.
    pixels = np.asarray(scaled, np.float32)[:, :, ::-1].transpose(2, 0, 1)
    ready[0, :, :, :width] = (pixels / 255 - 0.5) / 0.5
    return ready
