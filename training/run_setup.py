"""Everything of a run up to its first step: settings, samples, agent, and where it begins."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import pathlib

import tensorflow as tf
from absl import logging

import agent_wrapper
from food_data import augmentation, dataset_check, embedding_store, framing, splits
from training import (
    agent_factory,
    disk_space,
    flag_checks,
    flags,
    freezing,
    resume,
    run_data,
    starting_points,
    training_loop,
)

_FROZEN = ("freeze_efficientnet", "freeze_tokenlearner", "freeze_transformer")


@dataclasses.dataclass(frozen=True)
class RunSetup:
    """What `prepare` made.

    Attributes:
        settings: of the loop.
        data: the samples.
        embeddings: instructions to serve with.
        agent: parts frozen, weights loaded, optimizer built.
        augmentation: of training samples; None for none.
        point: where the run goes on; None for a new one.
        must_match: what may not change when it goes on later.
        total_steps: of the whole run.
        framing: how the checkpoints will look at photos; it makes no difference to training.
    """

    settings: training_loop.Settings
    data: run_data.RunData
    embeddings: embedding_store.EmbeddingStore
    agent: agent_wrapper.Agent
    augmentation: augmentation.Augmentation | None
    point: resume.ResumePoint | None
    must_match: dict[str, object]
    total_steps: int
    framing: framing.Framing

    @property
    def first_epoch(self) -> int:
        """The first epoch to come, from 1."""
        return 1 if self.point is None else self.point.state.epoch + 1

    def metadata(self) -> dict[str, object]:
        """What metadata.json says of the run."""
        return {
            "resize": self.data.dataset.resize,
            "framing": dataclasses.asdict(self.framing),
            "dataset": self.data.name,
            "dataset_fingerprint": self.data.fingerprint,
            "num_train": len(self.data.split.train_idx),
            "num_val": len(self.data.split.val_idx),
            **dataclasses.asdict(self.settings),
        }


def prepare(args: argparse.Namespace) -> RunSetup:
    """Checks, configures, reads, builds, loads; what contradicts itself fails before the next.

    Args:
        args: of `flags.parse`.

    Returns:
        The setup; nothing has been written but a split that was drawn.

    Raises:
        ValueError, LookupError, OSError: with what is wrong, and with which flag.
    """
    flag_checks.check_flags(args)
    point = _resume_point(args)
    flags.configure(args)
    if point is not None or args.pretrained_checkpoint is not None:
        flags.bind_no_imagenet_weights()
    flag_checks.check_settings(args)
    settings = _settings(args)
    embeddings = embedding_store.EmbeddingStore.load(args.embeddings_dir)
    data = read_data(args, settings.seed)
    if point is None:
        _check_data(data)
    flags.scale_learning_rate(args)
    total_steps = settings.num_epochs * settings.steps(len(data.split.train_idx))
    flag_checks.check_with_data(args, len(data.split.val_idx), total_steps)
    flags.bind_total_steps(total_steps)
    augment, framed = augmentation.Augmentation(), framing.configured()
    agent = _build_agent(args, is_new=point is None)
    must_match = _must_match(args, data, settings)
    if point is not None:
        point.restore(agent, must_match)
    disk_space.check(pathlib.Path(args.checkpoint_dir), agent, args.max_checkpoints)
    augment = None if augment.is_identity else augment
    data = _cached(args, data, agent, augment)
    return RunSetup(
        settings, data, embeddings, agent, augment, point, must_match, total_steps, framed
    )


def read_data(args: argparse.Namespace, seed: int) -> run_data.RunData:
    """The samples that the flags name; a split that is absent is drawn with the seed."""
    return run_data.read_npz(args.dataset_file, args.split_file, args.validation_fraction, seed)


def _resume_point(args: argparse.Namespace) -> resume.ResumePoint | None:
    if flags.is_auto(args):
        return resume.find(args.checkpoint_dir) if resume.holds_run(args.checkpoint_dir) else None
    return None if args.resume_checkpoint is None else resume.find(args.resume_checkpoint)


def _check_data(data: run_data.RunData) -> None:
    """Warnings are logged; errors stop the run."""
    report = dataset_check.check_dataset(data.dataset, data.split)
    for warning in report.warnings:
        logging.warning("data set: %s", warning)
    if report.errors:
        raise ValueError(f"{data.name}: " + "; ".join(report.errors))


def _cached(
    args: argparse.Namespace,
    data: run_data.RunData,
    agent: agent_wrapper.Agent,
    augment: augmentation.Augmentation | None,
) -> run_data.RunData:
    """With the features of a frozen EfficientNet, where they stay the same in every epoch."""
    may = args.freeze_efficientnet and augment is None and not args.dry_run
    # Every worker would compute the features of all samples.
    may = may and args.cluster is None
    if not may or args.feature_cache == "off":
        return data
    folder = pathlib.Path(args.checkpoint_dir) if args.feature_cache == "disk" else None
    return run_data.with_cached_features(data, agent, args.batch_size, folder)


def _settings(args: argparse.Namespace) -> training_loop.Settings:
    names = {field.name for field in dataclasses.fields(training_loop.Settings)} - {"seed"}
    given = {name: getattr(args, name) for name in names}
    return training_loop.Settings(**given, seed=agent_factory.run_seed())


def _build_agent(args: argparse.Namespace, is_new: bool) -> agent_wrapper.Agent:
    agent = agent_factory.create_agent()
    freezing.apply_freezing_logic(agent, *(getattr(args, name) for name in _FROZEN))
    if is_new and args.pretrained_checkpoint is not None:
        starting_points.load_pretrained_checkpoint(agent, args.pretrained_checkpoint)
    agent.build_optimizer()
    return agent


def _must_match(
    args: argparse.Namespace, data: run_data.RunData, settings: training_loop.Settings
) -> dict[str, object]:
    return {
        "dataset_fingerprint": data.fingerprint,
        "split_fingerprint": _split_fingerprint(data.split),
        "batch_size": settings.batch_size,
        "steps_per_epoch": settings.steps(len(data.split.train_idx)),
        "selection_metric": settings.selection_metric,
        "mixed_precision": args.mixed_precision,
        "num_devices": tf.distribute.get_strategy().num_replicas_in_sync,
        "base_batch_size": args.base_batch_size,
        "feature_cache": args.feature_cache if args.freeze_efficientnet else None,
        **{name: getattr(args, name) for name in _FROZEN},
    }


def _split_fingerprint(split: splits.Split) -> str:
    digest = hashlib.sha256(split.train_idx.tobytes())
    digest.update(b";" + split.val_idx.tobytes())
    return digest.hexdigest()
