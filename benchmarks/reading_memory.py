"""How much memory reading a large data set takes while a model trains on it.

    python -m benchmarks.reading_memory --folder /where/there/are/4/GB

Writes an uncompressed .npz of 24,000 samples (4.1 GB of random pixels) into a temporary folder,
removed at the end, and uses it in two fresh processes: memory-mapped as training reads it, and
loaded as a whole for comparison. Each trains a few steps of `configs/small.gin`, then runs through
the pipeline for one epoch, so that every byte of the file is touched.

Memory is the process's own (RssAnon of /proc), looked at every 10 ms. Pages of the file that the
operating system holds for it are counted apart (RssFile): they are dropped when memory is needed.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
_POLL_S = 0.01
_MODES = ("mapped", "loaded")
_KEYS = ("RssAnon", "RssFile", "VmHWM")


@dataclasses.dataclass(frozen=True)
class Measurement:
    """Of one process; all in MB.

    Attributes:
        before: its own memory before the data set was opened: TensorFlow and a model that has made
            one step.
        own: its own at most afterwards.
        file: pages of files at most.
        resident: both together at most, as the system counts (VmHWM).
        output: what the process printed.
    """

    before: float
    own: float
    file: float
    resident: float
    output: str


def write_random_dataset(path: pathlib.Path, num_samples: int, seed: int = 0) -> None:
    """Writes an uncompressed data set of random pixels and labels, a piece at a time.

    Args:
        path: of the .npz.
        num_samples: N.
        seed: of everything.
    """
    from food_data import npz_dataset, npz_files

    generator = np.random.default_rng(seed)
    embeddings = generator.standard_normal((num_samples, 512), np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    with npz_files.open_writer(path) as writer:
        shape = (num_samples, *npz_dataset.IMAGE_SHAPE)
        with writer.stream("images", shape, np.uint8) as images:
            for start in range(0, num_samples, 64):
                rows = min(64, num_samples - start)
                images.append(generator.integers(0, 256, (rows, *shape[1:]), np.uint8))
        writer.write("actions", generator.random((num_samples, 4), np.float32))
        writer.write("embeddings", embeddings)


def use_dataset(file: pathlib.Path, mode: str, config: str, steps: int, batch_size: int) -> None:
    """What a measured process does; it prints "ready" before it opens the data set.

    Args:
        file: the .npz.
        mode: "mapped" or "loaded".
        config: gin file of the model.
        steps: of training.
        batch_size: B.
    """
    import gin

    import policy_specs
    from food_data import npz_dataset, pipeline
    from training import agent_factory, train_steps

    gin.parse_config_file(str(config))
    agent = agent_factory.create_agent()
    example = {
        key: np.zeros((batch_size, *spec.shape[1:]), spec.dtype.as_numpy_dtype)
        for key, spec in pipeline.SIGNATURE.items()
    }
    example[policy_specs.EMBEDDING_KEY][:, 0] = 1
    train_steps.train_step(agent, example)
    _say("ready")
    sys.stdin.readline()
    dataset = npz_dataset.read_npz(file)
    if mode == "loaded":
        dataset = dataclasses.replace(dataset, images=np.array(dataset.images))
    batches = pipeline.create_npz_dataset(dataset, None, batch_size, shuffle_seed=0)
    start = time.monotonic()
    for batch in batches.take(steps):
        train_steps.train_step(agent, batch)
    _say(f"{steps} steps: {steps * batch_size / (time.monotonic() - start):.0f} images/s")
    start, count = time.monotonic(), 0
    for batch in batches:
        count += len(batch[policy_specs.ACTION_KEY])
    _say(f"an epoch of the pipeline alone: {count / (time.monotonic() - start):.0f} images/s")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def measure(command: list[str]) -> Measurement:
    """Runs `use_dataset` in a fresh process and watches it.

    Args:
        command: that runs it.

    Returns:
        What was seen.

    Raises:
        RuntimeError: if the process fails.
    """
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
        line = process.stdout.readline()
        status = memory_mb(process.pid) if line == b"ready\n" else {}
        before, peaks = status.get("RssAnon", 0.0), dict(status)
        if status:
            process.stdin.write(b"go\n")
            process.stdin.flush()
        while process.poll() is None:
            for key, value in memory_mb(process.pid).items():
                peaks[key] = max(peaks.get(key, 0.0), value)
            time.sleep(_POLL_S)
        output = process.stdout.read().decode().strip()
        if process.returncode or not status:
            errors.seek(0)
            raise RuntimeError(
                f"Expected exit code 0, got {process.returncode}: {errors.read()[-2000:].decode()}"
            )
    return Measurement(before, *(peaks[key] for key in _KEYS), output)


def memory_mb(pid: int) -> dict[str, float]:
    """{"RssAnon", "RssFile", "VmHWM"} of a process in MB; empty when it has ended."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return {}
    found = re.findall(r"^(\w+):\s+(\d+) kB$", status, re.MULTILINE)
    return {key: int(value) / 1000 for key, value in found if key in _KEYS}


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", help="for the temporary file; default: the system's")
    parser.add_argument("--num_samples", type=int, default=24_000)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--modes", nargs="+", default=_MODES, choices=_MODES)
    parser.add_argument("--config_file", default=str(ROOT / "configs" / "small.gin"))
    parser.add_argument("--use", nargs=2, metavar=("MODE", "FILE"), help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """The command line: see the module."""
    arguments = _arguments(argv)
    steps, batch_size, config = arguments.steps, arguments.batch_size, arguments.config_file
    if arguments.use:
        mode, file = arguments.use
        use_dataset(pathlib.Path(file), mode, config, steps, batch_size)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        file = pathlib.Path(folder, "random.npz")
        write_random_dataset(file, arguments.num_samples)
        _say(f"{arguments.num_samples} samples, {file.stat().st_size / 1e6:.0f} MB uncompressed")
        for mode in arguments.modes:
            command = [sys.executable, "-m", "benchmarks.reading_memory", "--use", mode, str(file)]
            command += ["--steps", str(steps), "--batch_size", str(batch_size)]
            seen = measure([*command, "--config_file", config])
            _say(
                f"{mode}: own memory {seen.own:.0f} MB at most, {seen.own - seen.before:.0f} MB "
                f"more than before the data set was opened; file pages {seen.file:.0f} MB; "
                f"resident {seen.resident:.0f} MB"
            )
            _say("  " + seen.output.replace("\n", "\n  "))


if __name__ == "__main__":
    main()
