"""Real files of known type, as Debian and Python packages brought them to this machine, for magika.

A file's type is what its name ends with; endings that stand for several types are left out. Files with the
same content count once.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

ENDINGS = {
    "asm": (".S",), "batch": (".bat",), "bzip": (".bz2",), "c": (".c",), "cab": (".cab",),
    "clojure": (".clj",), "cmake": (".cmake",), "coffeescript": (".coffee",), "cpp": (".cpp", ".cc"),
    "cs": (".cs",), "css": (".css",), "csv": (".csv",), "dart": (".dart",), "deb": (".deb",),
    "diff": (".diff", ".patch"), "dockerfile": ("Dockerfile",), "elf": (".so", ".o"), "erlang": (".erl",),
    "fortran": (".f90", ".f"), "gif": (".gif",), "go": (".go",), "groovy": (".groovy",), "gzip": (".gz",),
    "haskell": (".hs",), "html": (".html", ".htm"), "ico": (".ico",), "ini": (".ini",),
    "ipynb": (".ipynb",), "jar": (".jar",), "java": (".java",), "javabytecode": (".class",),
    "javascript": (".js", ".mjs"), "jpeg": (".jpg", ".jpeg"), "json": (".json",), "julia": (".jl",),
    "kotlin": (".kt",), "latex": (".tex",), "lisp": (".el", ".lisp"), "lua": (".lua",), "m4": (".m4",),
    "makefile": ("Makefile", ".mk"), "markdown": (".md",), "matlab": (".matlab",), "mp3": (".mp3",),
    "npy": (".npy",), "npz": (".npz",), "objectivec": (".mm",), "ocaml": (".ml",), "ogg": (".ogg",),
    "onnx": (".onnx",), "otf": (".otf",), "pascal": (".pas",), "pcap": (".pcap",), "pdf": (".pdf",),
    "pebin": (".exe", ".dll"), "pem": (".pem",), "perl": (".pl", ".pm"), "php": (".php",),
    "pickle": (".pkl", ".pickle"), "png": (".png",), "po": (".po",), "postscript": (".ps", ".eps"),
    "powershell": (".ps1",), "proto": (".proto",), "python": (".py",), "pythonbytecode": (".pyc",),
    "r": (".R",), "rst": (".rst",), "rtf": (".rtf",), "ruby": (".rb",), "rust": (".rs",),
    "scala": (".scala",), "scss": (".scss",), "shell": (".sh", ".bash"), "sql": (".sql",),
    "sqlite": (".sqlite", ".db"), "svg": (".svg",), "swift": (".swift",), "tar": (".tar",),
    "tcl": (".tcl",), "toml": (".toml",), "ttf": (".ttf",), "typescript": (".ts",), "wasm": (".wasm",),
    "wav": (".wav",), "webp": (".webp",), "woff": (".woff",), "woff2": (".woff2",), "xml": (".xml",),
    "xz": (".xz",), "yaml": (".yaml", ".yml"), "zip": (".zip", ".whl"), "zst": (".zst",),
}  # fmt: skip
"""Of magika's types, the endings that stand for it and for nothing else."""
BLOCK, SIDE, PADDING = 4096, 1024, 256
SMALLEST = 64
LEAST, MOST = 12, 40
"""Files of one type that are evaluated."""
CALIBRATION = 4
"""Files of one type that calibrate, and are not evaluated."""


def gather(known: Sequence[str]) -> tuple[dict[str, list[bytes]], dict[str, list[bytes]]]:
    """Beginnings and ends of files by type: for calibration, and for evaluation.

    Args:
        known: Names of the types that the model knows.

    Returns:
        For each file `first block + last block`, as `features` wants them.
    """
    by_ending = {end: kind for kind, ends in ENDINGS.items() if kind in known for end in ends}
    found: dict[str, list[Path]] = {}
    for path in _files():
        kind = by_ending.get(path.name) or by_ending.get(path.suffix)
        if kind is not None:
            found.setdefault(kind, []).append(path)
    calibration, evaluation = {}, {}
    for kind, paths in sorted(found.items()):
        contents = _contents(paths)
        if len(contents) >= LEAST + CALIBRATION:
            calibration[kind], evaluation[kind] = contents[:CALIBRATION], contents[CALIBRATION:]
    return calibration, evaluation


def _files() -> Iterator[Path]:
    """What packages put here, in an order that does not depend on the file system."""
    roots = ["/usr/share", "/usr/lib", "/usr/include", "/usr/local", sys.base_prefix, sys.prefix]
    for root in sorted({os.path.realpath(root) for root in roots}):
        for place, folders, names in os.walk(root):
            folders.sort()
            for name in sorted(names):
                yield Path(place, name)


def _contents(paths: list[Path]) -> list[bytes]:
    """Different contents, spread over all places: in the order of the digests of the paths."""
    seen: dict[bytes, bytes] = {}
    for path in sorted(paths, key=lambda path: sha256(str(path).encode()).digest()):
        try:
            if path.is_symlink() or path.stat().st_size < SMALLEST:
                continue
            content = path.read_bytes()
        except OSError:
            continue
        seen.setdefault(
            sha256(content).digest(),
            content[:BLOCK] + content[-BLOCK:] if len(content) > 2 * BLOCK else content,
        )
        if len(seen) == MOST + CALIBRATION:
            break
    return list(seen.values())


def features(content: bytes) -> np.ndarray:
    """int32 [1, 2048]: 1,024 bytes from the beginning and from the end, without white space there."""
    begin, end = content[:BLOCK].lstrip()[:SIDE], content[-BLOCK:].rstrip()[-SIDE:]
    ready = np.full((1, 2 * SIDE), PADDING, np.int32)
    ready[0, : len(begin)] = np.frombuffer(begin, np.uint8)
    ready[0, 2 * SIDE - len(end) :] = np.frombuffer(end, np.uint8)
    return ready
