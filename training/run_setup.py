"""Everything of a run up to its first step: settings, samples, agent, and where it begins."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import os
import pathlib
import shutil

import gin
import tensorflow as tf
from absl import logging

import agent_wrapper
import checkpoint_directory
import checkpoint_files
from food_data import atomic_files, augmentation, dataset_check, embedding_store, framing
from training import agent_factory, flags, optimizer, run_data, training_loop

# Room for logs, pictures, TensorBoard's files and embeddings.
_MARGIN_BYTES = 32 * 2**20


@dataclasses.dataclass(frozen=True)
class RunSetup:
    """What `prepare` made."""

    settings: training_loop.Settings
    data: run_data.RunData
    embeddings: embedding_store.EmbeddingStore  # to serve with
    agent: agent_wrapper.Agent  # parts frozen, weights loaded, optimizer built
    augmentation: augmentation.Augmentation | None  # of training samples; None for none
    state: checkpoint_directory.TrainingState | None  # where it goes on; None for a new run
    must_match: dict[str, object]  # what may not change when it goes on later
    total_steps: int  # of the whole run
    metadata: dict[str, object]  # what metadata.json says of the run


def prepare(args: argparse.Namespace) -> RunSetup:
    """Checks, configures, reads, builds, loads; what contradicts itself fails before the next."""
    flags.check_flags(args)
    point = _configured(args)
    names = {field.name for field in dataclasses.fields(training_loop.Settings)} - {"seed"}
    settings = training_loop.Settings(
        **{name: getattr(args, name) for name in names}, seed=agent_factory.run_seed()
    )
    embeddings = embedding_store.EmbeddingStore.load(args.embeddings_dir)
    data = run_data.read_npz(
        args.dataset_file, args.split_file, args.validation_fraction, settings.seed, args.dry_run
    )
    if point is None:
        _check_data(args, data, embeddings)
    num_train, num_val = len(data.split.train_idx), len(data.split.val_idx)
    total_steps = settings.num_epochs * settings.steps(num_train)
    flags.configure_for_data(args, num_val, total_steps, optimizer.DEFAULT_LEARNING_RATE)
    augment, framed = augmentation.Augmentation(), framing.configured()
    augment = None if augment.is_identity else augment
    agent = agent_factory.create_agent()
    agent_factory.apply_freezing_logic(agent, *(getattr(args, name) for name in flags.FROZEN))
    if point is None and args.pretrained_checkpoint is not None:
        agent_factory.load_pretrained_checkpoint(agent, args.pretrained_checkpoint)
    agent.build_optimizer()
    must_match = _must_match(args, settings, data)
    if point is not None:
        point.check(must_match)
        agent_factory.load_resume_checkpoint(agent, point.prefix)
        where = point.prefix, point.state.epoch + 1, point.state.step
        logging.info("resumed from %s: epoch %d, %d steps into it", *where)
    check_disk(pathlib.Path(args.checkpoint_dir), agent, args.max_checkpoints, args.dry_run)
    metadata = {
        "resize": data.dataset.resize,
        "framing": dataclasses.asdict(framed),
        "dataset": data.name,
        "dataset_fingerprint": data.fingerprint,
        "num_train": num_train,
        "num_val": num_val,
        **dataclasses.asdict(settings),
    }
    # Of this run alone, also when it fine-tunes: nothing measures what is left of earlier pairs.
    pairs = data.trained_pairs()
    if pairs is not None:
        metadata["trained_pairs"] = pairs
    # Features of a frozen EfficientNet are the same in every epoch, unless pictures change. Every
    # worker of a cluster would compute those of all samples.
    may_cache = args.freeze_efficientnet and augment is None and args.cluster is None
    if may_cache and args.feature_cache != "off" and not args.dry_run:
        folder = pathlib.Path(args.checkpoint_dir) if args.feature_cache == "disk" else None
        cache = run_data.FeatureCache(agent, data, args.batch_size, folder)
        data = dataclasses.replace(data, features=cache)
    state = None if point is None else point.state
    return RunSetup(
        settings, data, embeddings, agent, augment, state, must_match, total_steps, metadata
    )


def _configured(args: argparse.Namespace) -> checkpoint_directory.ResumePoint | None:
    """Gives gin the configuration; where the run goes on, None for a new one."""
    path = args.resume_checkpoint
    if path == flags.AUTO:
        is_new = not checkpoint_directory.holds_run(args.checkpoint_dir)
        path = None if is_new else args.checkpoint_dir
    point = None if path is None else checkpoint_directory.find_resume_point(path)
    if point is None and args.pretrained_checkpoint is not None:
        # Now, rather than after the data has been read.
        checkpoint_files.TensorFile(checkpoint_files.resolve_prefix(args.pretrained_checkpoint))
    flags.configure(args)
    if point is not None or args.pretrained_checkpoint is not None:
        # Where a checkpoint follows, the file that a network starts from is of no use, or absent.
        with gin.unlock_config():
            gin.bind_parameter("EfficientNetEncoder.imagenet_weights_file", None)
    return point


def _check_data(
    args: argparse.Namespace, data: run_data.RunData, embeddings: embedding_store.EmbeddingStore
) -> None:
    """A new run does not begin with samples that the check refuses, nor with such as ask with other
    embeddings than the model will be served with. Says how they differ from those of the checkpoint
    that it starts from, if that is one of ours."""
    dataset = data.dataset
    report = dataset_check.check_file(args.dataset_file, data.split, dataset=dataset)
    for warning in report.warnings:
        logging.warning("data set: %s", warning)
    if report.errors:
        raise ValueError(f"{data.name}: " + "; ".join(report.errors))
    if pathlib.Path(args.dataset_file).is_dir():
        logging.info("data set: pictures of shards are not checked; build_dataset.py check does it")
    warnings = dataset_check.check_fits(dataset, embeddings, None, str(args.embeddings_dir))
    path = args.pretrained_checkpoint
    start = None if path is None else pathlib.Path(checkpoint_files.resolve_prefix(path)).parent
    if start is not None and (start / checkpoint_directory.METADATA_FILE).is_file():
        known = embedding_store.EmbeddingStore.load(start / checkpoint_directory.EMBEDDINGS_DIR)
        resize = checkpoint_directory.read_metadata(start).get("resize")
        try:
            warnings += dataset_check.check_fits(dataset, known, resize, str(start))
        except ValueError as error:  # Fine-tuning can learn what they mean.
            warnings.append(str(error))
    for warning in warnings:
        logging.warning("data set: %s", warning)


def _must_match(
    args: argparse.Namespace, settings: training_loop.Settings, data: run_data.RunData
) -> dict[str, object]:
    """What may not change when the run goes on."""
    digest = hashlib.sha256(data.split.train_idx.tobytes())
    digest.update(b";" + data.split.val_idx.tobytes())
    return {
        "dataset_fingerprint": data.fingerprint,
        "split_fingerprint": digest.hexdigest(),
        "batch_size": settings.batch_size,
        "steps_per_epoch": settings.steps(len(data.split.train_idx)),
        "selection_metric": settings.selection_metric,
        "mixed_precision": args.mixed_precision,
        "num_devices": tf.distribute.get_strategy().num_replicas_in_sync,
        "base_batch_size": args.base_batch_size,
        "feature_cache": args.feature_cache if args.freeze_efficientnet else None,
        **{name: getattr(args, name) for name in flags.FROZEN},
    }


def check_disk(
    directory: pathlib.Path, agent: agent_wrapper.Agent, max_checkpoints: int, dry_run: bool = False
) -> None:
    """Makes the directory, and sees that it can be written and has room for all checkpoints; a dry
    run makes nothing and looks at the last folder that exists."""
    folder = directory.absolute()
    if dry_run:
        folder = next(one for one in (folder, *folder.parents) if one.exists())
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise OSError(f"--checkpoint_dir: expected a folder to write into, got {folder}.")
    else:
        atomic_files.check_folder(folder, "--checkpoint_dir")
    weights, state = (
        sum(variable.shape.num_elements() * variable.dtype.size for variable in variables)
        for variables in (agent.network.variables, agent.optimizer.variables)
    )
    # While a checkpoint is written, the one it will replace is still there, and so are those of
    # this run that it goes on from.
    needed = (max_checkpoints + 1) * (weights + state) + 3 * weights + _MARGIN_BYTES
    for stem in (checkpoint_directory.BEST_STEM, checkpoint_directory.LAST_STEM):
        for prefix in checkpoint_files.numbered(directory, stem):
            paths = checkpoint_files.files_of(prefix)
            needed -= sum(path.stat().st_size for path in paths)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            f"--checkpoint_dir {directory}: expected {needed / 1e6:,.0f} MB free for checkpoints, "
            f"got {free / 1e6:,.0f} MB. Make room, choose another directory, or keep fewer with "
            "--max_checkpoints."
        )
