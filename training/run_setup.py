"""Everything of a run up to its first step: settings, samples, agent, and where it begins."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import pathlib
import shutil
import tempfile

import gin
import tensorflow as tf
from absl import logging

import agent_wrapper
import checkpoint_directory
import checkpoint_loading
from food_data import augmentation, dataset_check, embedding_store, framing, npz_dataset
from training import agent_factory, flags, optimizer, run_data, training_loop

# Room for logs, pictures, TensorBoard's files and embeddings.
_MARGIN_BYTES = 32 * 2**20


@dataclasses.dataclass(frozen=True)
class RunSetup:
    """What `prepare` made.

    Attributes:
        settings: of the loop.
        data: the samples.
        embeddings: instructions to serve with.
        agent: parts frozen, weights loaded, optimizer built.
        augmentation: of training samples; None for none.
        state: where the run goes on; None for a new one.
        must_match: what may not change when it goes on later.
        total_steps: of the whole run.
        metadata: what metadata.json says of the run.
    """

    settings: training_loop.Settings
    data: run_data.RunData
    embeddings: embedding_store.EmbeddingStore
    agent: agent_wrapper.Agent
    augmentation: augmentation.Augmentation | None
    state: checkpoint_directory.TrainingState | None
    must_match: dict[str, object]
    total_steps: int
    metadata: dict[str, object]


def prepare(args: argparse.Namespace) -> RunSetup:
    """Checks, configures, reads, builds, loads; what contradicts itself fails before the next."""
    flags.check_flags(args)
    point, path = None, args.resume_checkpoint
    if path == flags.AUTO:
        is_new = not checkpoint_directory.holds_run(args.checkpoint_dir)
        path = None if is_new else args.checkpoint_dir
    if path is not None:
        point = checkpoint_directory.find_resume_point(path)
    flags.configure(args)
    if point is not None or args.pretrained_checkpoint is not None:
        # Where a checkpoint follows, the file that a network starts from is of no use, or absent.
        with gin.unlock_config():
            gin.bind_parameter("EfficientNetEncoder.imagenet_weights_file", None)
    names = {field.name for field in dataclasses.fields(training_loop.Settings)} - {"seed"}
    settings = training_loop.Settings(
        **{name: getattr(args, name) for name in names}, seed=agent_factory.run_seed()
    )
    embeddings = embedding_store.EmbeddingStore.load(args.embeddings_dir)
    data = run_data.read_npz(
        args.dataset_file, args.split_file, args.validation_fraction, settings.seed
    )
    if point is None:
        report = dataset_check.check_file(args.dataset_file, data.split)
        for warning in report.warnings:
            logging.warning("data set: %s", warning)
        if report.errors:
            raise ValueError(f"{data.name}: " + "; ".join(report.errors))
    if point is None:
        _check_fits(args, data.dataset, embeddings)
    num_train, num_val = len(data.split.train_idx), len(data.split.val_idx)
    total_steps = settings.num_epochs * settings.steps(num_train)
    flags.configure_for_data(args, num_val, total_steps, optimizer.DEFAULT_LEARNING_RATE)
    augment, framed = augmentation.Augmentation(), framing.configured()
    agent = agent_factory.create_agent()
    agent_factory.apply_freezing_logic(agent, *(getattr(args, name) for name in flags.FROZEN))
    if point is None and args.pretrained_checkpoint is not None:
        agent_factory.load_pretrained_checkpoint(agent, args.pretrained_checkpoint)
    agent.build_optimizer()
    digest = hashlib.sha256(data.split.train_idx.tobytes())
    digest.update(b";" + data.split.val_idx.tobytes())
    must_match = {
        "dataset_fingerprint": data.fingerprint,
        "split_fingerprint": digest.hexdigest(),
        "batch_size": settings.batch_size,
        "steps_per_epoch": settings.steps(num_train),
        "selection_metric": settings.selection_metric,
        "mixed_precision": args.mixed_precision,
        "num_devices": tf.distribute.get_strategy().num_replicas_in_sync,
        "base_batch_size": args.base_batch_size,
        "feature_cache": args.feature_cache if args.freeze_efficientnet else None,
        **{name: getattr(args, name) for name in flags.FROZEN},
    }
    if point is not None:
        point.check(must_match)
        agent_factory.load_resume_checkpoint(agent, point.prefix)
        state = point.state
        message = "resumed from %s: epoch %d, %d steps into it"
        logging.info(message, point.prefix, state.epoch + 1, state.step)
    check_disk(pathlib.Path(args.checkpoint_dir), agent, args.max_checkpoints)
    metadata = {
        "resize": data.dataset.resize,
        "framing": dataclasses.asdict(framed),
        "dataset": data.name,
        "dataset_fingerprint": data.fingerprint,
        "num_train": num_train,
        "num_val": num_val,
        **dataclasses.asdict(settings),
    }
    augment = None if augment.is_identity else augment
    # Features of a frozen EfficientNet are the same in every epoch, unless pictures change. Every
    # worker of a cluster would compute those of all samples.
    may_cache = args.freeze_efficientnet and augment is None and args.cluster is None
    if may_cache and args.feature_cache != "off" and not args.dry_run:
        folder = pathlib.Path(args.checkpoint_dir) if args.feature_cache == "disk" else None
        data = run_data.with_cached_features(data, agent, args.batch_size, folder)
    return RunSetup(
        settings,
        data,
        embeddings,
        agent,
        augment,
        None if point is None else point.state,
        must_match,
        total_steps,
        metadata,
    )


def _check_fits(
    args: argparse.Namespace,
    dataset: npz_dataset.FoodDataset,
    embeddings: embedding_store.EmbeddingStore,
) -> None:
    """Refuses samples that ask with other embeddings than the model will be served with, and says
    how they differ from those of the checkpoint that it starts from, if that is one of ours."""
    warnings = dataset_check.check_fits(dataset, embeddings, None, str(args.embeddings_dir))
    path = args.pretrained_checkpoint
    start = None if path is None else pathlib.Path(checkpoint_loading.resolve_prefix(path)).parent
    if start is not None and (start / checkpoint_directory.METADATA_FILE).is_file():
        known = embedding_store.EmbeddingStore.load(start / checkpoint_directory.EMBEDDINGS_DIR)
        resize = checkpoint_directory.read_metadata(start).get("resize")
        try:
            warnings += dataset_check.check_fits(dataset, known, resize, str(start))
        except ValueError as error:  # Fine-tuning can learn what they mean.
            warnings.append(str(error))
    for warning in warnings:
        logging.warning("data set: %s", warning)


def check_disk(directory: pathlib.Path, agent: agent_wrapper.Agent, max_checkpoints: int) -> None:
    """Makes the directory, and sees that it can be written and has room for all checkpoints."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise OSError(f"--checkpoint_dir {directory}: cannot be written: {error}.") from error
    weights, state = (
        sum(variable.shape.num_elements() * variable.dtype.size for variable in variables)
        for variables in (agent.network.variables, agent.optimizer.variables)
    )
    # While a checkpoint is written, the one it will replace is still there, and so are those of
    # this run that it goes on from.
    needed = (max_checkpoints + 1) * (weights + state) + 3 * weights + _MARGIN_BYTES
    for stem in (checkpoint_directory.BEST_STEM, checkpoint_directory.LAST_STEM):
        for prefix in checkpoint_directory.numbered(directory, stem):
            paths = checkpoint_directory.files_of(prefix)
            needed -= sum(path.stat().st_size for path in paths)
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise OSError(
            f"--checkpoint_dir {directory}: expected {needed / 1e6:,.0f} MB free for checkpoints, "
            f"got {free / 1e6:,.0f} MB. Make room, choose another directory, or keep fewer with "
            "--max_checkpoints."
        )
