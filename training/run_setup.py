"""Everything of a run up to its first step: the agent and its weights, the samples, the settings.

`prepare` checks, configures, reads, builds and loads, in an order in which what contradicts itself
fails before the next thing costs time.
"""

from __future__ import annotations

import keras2  # noqa: F401

import argparse
import dataclasses
import hashlib
import itertools
import os
import pathlib

import gin
import numpy as np
import tensorflow as tf
from absl import logging

import agent_wrapper
import checkpoint_directory
import checkpoint_files
import checkpoint_loading
import policy_specs
import saved_models
from food_data import (
    atomic_files,
    augmentation,
    dataset_check,
    framing,
    npz_dataset,
    pipeline,
    rlds,
    splits,
    vocabulary,
)
from training import flags, optimizer

# The agent.


@gin.configurable
def gradient_accumulation(steps: int = 1) -> int:
    """In how many micro-batches a batch is computed; bind `gradient_accumulation.steps`."""
    if steps < 1:
        raise ValueError(f"gradient_accumulation.steps: expected at least 1, got {steps}.")
    return steps


@gin.configurable
def run_seed(seed: int = 0) -> int:
    """The one seed of a run: of weights, dropout and order of samples; bind `run_seed.seed`."""
    return seed


def create_agent() -> agent_wrapper.Agent:
    """A new agent with random weights, as the gin configuration in force says."""
    seed = run_seed()
    tf.keras.utils.set_random_seed(seed)
    agent = agent_wrapper.Agent(optimizer.create_optimizer(), seed, gradient_accumulation())
    agent.optimizer.set_trunk(agent.network.parts()["efficientnet"].net.trunk_variables())
    return agent


def apply_freezing_logic(
    agent: agent_wrapper.Agent,
    freeze_efficientnet: bool = False,
    freeze_tokenlearner: bool = False,
    freeze_transformer: bool = False,
) -> list[str]:
    """Freezes parts: no gradient, no BatchNorm update, no optimizer slot. Call before the first
    step. The regression head is no part of the transformer: it always learns.

    Returns the names of the frozen parts. Raises ValueError if the optimizer has begun, or nothing
    would be left to learn.
    """
    if agent.optimizer_has_slots:
        raise ValueError("apply_freezing_logic: expected a new optimizer, got one that has slots.")
    wanted = (freeze_efficientnet, freeze_tokenlearner, freeze_transformer)
    names, parts = ("efficientnet", "tokenlearner", "transformer"), agent.network.parts()
    frozen = list(itertools.compress(names, wanted))
    for name in frozen:
        # Only ever to False: to True would wake layers inside that never learn.
        parts[name].trainable = False
    if not agent.network.used_trainable_variables:
        raise ValueError(f"apply_freezing_logic: {frozen} frozen, nothing is left to learn.")
    return frozen


def load_pretrained_checkpoint(
    agent: agent_wrapper.Agent, path: str | os.PathLike[str]
) -> checkpoint_loading.LoadReport:
    """Weights to fine-tune from; optimizer and step counter stay new.

    `path` is a prefix, a directory or a stem of a public RT-1 checkpoint, of ours, or of the lab
    form. Head and positions may differ, and stay at their random start then: the report names them.
    Raises checkpoint_loading.CheckpointLoadError for other differences; the agent is unchanged.
    """
    _check_coding(agent, path)
    return checkpoint_loading.custom_load_checkpoint(
        agent, path, **checkpoint_loading.OTHER_HEAD_OR_LENGTH
    )


def load_resume_checkpoint(
    agent: agent_wrapper.Agent, path: str | os.PathLike[str]
) -> checkpoint_loading.LoadReport:
    """Weights, optimizer and step counter of a run to go on with, into an agent of the same
    configuration, parts already frozen. Raises and leaves as `load_pretrained_checkpoint`, but
    nothing may differ."""
    _check_coding(agent, path)
    return checkpoint_loading.custom_load_checkpoint(agent, path, restore_optimizer=True)


def _check_coding(agent: agent_wrapper.Agent, path: str | os.PathLike[str]) -> None:
    """Weights fit whatever their outputs mean; the metadata of our own checkpoints say it."""
    prefix = pathlib.Path(checkpoint_files.resolve_prefix(path))
    if (prefix.parent / checkpoint_directory.METADATA_FILE).is_file():
        metadata = checkpoint_directory.read_metadata(prefix.parent)
    else:
        metadata = saved_models.exported(prefix)
    # Directories from before there was a choice do not name it; foreign ones say nothing.
    coding = None if metadata is None else metadata.get("action_coding", "endpoints")
    if coding not in (None, agent.action_coding):
        raise checkpoint_loading.CheckpointLoadError(
            f"{path}: expected outputs of the coding {agent.action_coding!r}, got {coding!r}. Bind "
            f"the same: --gin_bindings \"RT1ActionTokenizer.coding = '{coding}'\"."
        )


# The samples.


@dataclasses.dataclass(frozen=True)
class RunData:
    """The samples of a run, read once and shared by all that follows."""

    dataset: npz_dataset.FoodDataset
    split: splits.Split
    features: FeatureCache | None = None  # in the place of pictures

    def batches(self, indices: np.ndarray, batch_size: int, **options: object) -> tf.data.Dataset:
        """Of some samples; options are those of `pipeline.create_npz_dataset`."""
        options["features"] = self.features
        return pipeline.create_npz_dataset(self.dataset, indices, batch_size, **options)


class FeatureCache:
    """What a frozen EfficientNet gives for the samples of a run, so that later epochs cost only
    TokenLearner, transformer and head: float32 [B, N, D] of B sample numbers, `cache[samples]`.

    The encoder's own dropout is off in it: one draw for ever would be no dropout. Example: a 300 px
    picture gives 81 features of 512 numbers, 166 kB; 10,000 samples are 1.7 GB of memory.
    """

    def __init__(self, agent: agent_wrapper.Agent, data: RunData, batch_size: int):
        """Runs the encoder once over all samples."""
        samples = np.concatenate(data.split)
        self._rows = np.full(len(data.dataset), -1)
        self._rows[samples] = np.arange(len(samples))
        encode = tf.function(agent.network.image_features, reduce_retracing=True, autograph=False)
        done = 0
        for indices in filter(len, data.split):
            for batch in pipeline.create_npz_dataset(data.dataset, indices, batch_size):
                del batch[policy_specs.ACTION_KEY]
                found = encode({key: value[:, tf.newaxis] for key, value in batch.items()}).numpy()
                if not done:
                    self.shape = (len(samples), *found.shape[1:])
                    self._features = np.empty(self.shape, np.float32)
                self._features[done : done + len(found)] = found
                done += len(found)
        logging.info("features: %s, %d MB", self.shape, self._features.nbytes >> 20)

    def __getitem__(self, samples: np.ndarray) -> np.ndarray:
        return self._features[self._rows[samples]]


def read_npz(args: argparse.Namespace) -> RunData:
    """A data set and its split: read, or drawn by the seed and, except in a dry run, saved."""
    dataset = rlds.read_dataset(args.dataset_file)
    path = pathlib.Path(args.split_file or splits.split_path(args.dataset_file))
    if path.is_file():
        return RunData(dataset, splits.read_split(path, len(dataset)))
    split = splits.make_split(dataset, args.validation_fraction, run_seed())
    logging.info("split: drawn with seed %d, for %s", run_seed(), path)
    try:
        if not args.dry_run:
            splits.write_split(path, split)
    except OSError as error:
        raise OSError(f"{error}: --split_file names another place for the split.") from error
    return RunData(dataset, split)


# The run.


@dataclasses.dataclass(frozen=True)
class Settings:
    """Of a run, beside what gin holds."""

    num_epochs: int
    batch_size: int  # over all workers; the last batch of a pass over the samples may be smaller
    seed: int = 0  # of the order of the samples and of their augmentation
    steps_per_epoch: int | None = None  # between two validations; None: one pass over the samples
    selection_metric: str = "centroid_mae"  # its smallest value makes the best checkpoint
    checkpoint_every_steps: int | None = None  # save also within an epoch, to go on from
    early_stopping_epochs: int | None = None  # end after so many without a new best

    def batches_per_pass(self, num_samples: int) -> int:
        """Over all training samples."""
        return -(-num_samples // self.batch_size)

    def steps(self, num_samples: int) -> int:
        """Of one epoch."""
        return self.steps_per_epoch or self.batches_per_pass(num_samples)


@dataclasses.dataclass(frozen=True)
class RunSetup:
    """What `prepare` made."""

    settings: Settings
    data: RunData
    agent: agent_wrapper.Agent  # parts frozen, weights loaded, optimizer built
    state: checkpoint_directory.TrainingState | None = None  # where it goes on; None for a new run
    augmentation: augmentation.Augmentation | None = None  # of training samples; None for none
    embeddings: vocabulary.EmbeddingStore | None = None  # to serve with
    must_match: dict[str, object] | None = None  # what may not change when it goes on later
    metadata: dict[str, object] | None = None  # what metadata.json says of the run


def prepare(args: argparse.Namespace) -> RunSetup:
    """Everything up to the first step; `args` are those of `flags`, checked."""
    path = args.resume_checkpoint
    if path == flags.AUTO:
        is_new = not checkpoint_directory.holds_run(args.checkpoint_dir)
        path = None if is_new else args.checkpoint_dir
    point = None if path is None else checkpoint_directory.find_resume_point(path)
    flags.configure(args)
    if point is not None or args.pretrained_checkpoint is not None:
        # Where a checkpoint follows, the file that a network starts from is of no use, or absent.
        with gin.unlock_config():
            gin.bind_parameter("EfficientNetEncoder.imagenet_weights_file", None)
    given = {key: value for key, value in vars(args).items() if key in Settings.__annotations__}
    settings = Settings(**{**given, "seed": run_seed()})
    embeddings = vocabulary.EmbeddingStore.load(args.embeddings_dir)
    data = read_npz(args)
    dataset, split = data.dataset, data.split
    if point is None:
        _check_data(args, data, embeddings)
    total_steps = settings.num_epochs * settings.steps(len(split.train_idx))
    flags.configure_for_data(args, total_steps, has_validation=len(split.val_idx) > 0)
    augment = augmentation.Augmentation()
    augment = None if augment.is_identity else augment
    agent = create_agent()
    apply_freezing_logic(agent, *(getattr(args, name) for name in flags.FROZEN))
    if point is None and args.pretrained_checkpoint is not None:
        load_pretrained_checkpoint(agent, args.pretrained_checkpoint)
    agent.build_optimizer()
    must_match = _must_match(args, settings, data)
    if point is not None:
        point.check(must_match)
        load_resume_checkpoint(agent, point.prefix)
        where = point.prefix, point.state.epoch + 1, point.state.step
        logging.info("resumed from %s: epoch %d, %d steps into it", *where)
    if not args.dry_run:
        atomic_files.check_folder(pathlib.Path(args.checkpoint_dir), "--checkpoint_dir")
    metadata = {
        "resize": dataset.resize,
        "framing": dataclasses.asdict(framing.configured()),
        "dataset": pathlib.Path(args.dataset_file).name,
        "dataset_fingerprint": must_match["dataset_fingerprint"],
        "num_train": len(split.train_idx),
        "num_val": len(split.val_idx),
        **dataclasses.asdict(settings),
    }
    if dataset.action_names is not None and dataset.food_types is not None:
        # Of this run alone, also when it fine-tunes: nothing measures what is left of earlier ones.
        columns = (dataset.action_names, dataset.food_types)
        pairs = set(zip(*(column[split.train_idx].tolist() for column in columns)))
        metadata["trained_pairs"] = list(map(list, sorted(pairs)))
    # Every worker of a cluster would compute the features of all samples.
    may_cache = args.freeze_efficientnet and augment is None and args.cluster is None
    if may_cache and args.feature_cache != "off" and not args.dry_run:
        data = dataclasses.replace(data, features=FeatureCache(agent, data, args.batch_size))
    state = point and point.state
    return RunSetup(settings, data, agent, state, augment, embeddings, must_match, metadata)


def _must_match(args: argparse.Namespace, settings: Settings, data: RunData) -> dict[str, object]:
    """What may not change when the run goes on."""
    train_idx, val_idx = data.split
    digest = hashlib.sha256(train_idx.tobytes() + b";" + val_idx.tobytes())
    return {
        "dataset_fingerprint": npz_dataset.dataset_fingerprint(data.dataset),
        "split_fingerprint": digest.hexdigest(),
        "batch_size": settings.batch_size,
        "steps_per_epoch": settings.steps(len(train_idx)),
        "selection_metric": settings.selection_metric,
        "mixed_precision": args.mixed_precision,
        "num_devices": tf.distribute.get_strategy().num_replicas_in_sync,
        "base_batch_size": args.base_batch_size,
        "feature_cache": args.feature_cache if args.freeze_efficientnet else None,
        **{name: getattr(args, name) for name in flags.FROZEN},
    }


def _check_data(
    args: argparse.Namespace, data: RunData, embeddings: vocabulary.EmbeddingStore
) -> None:
    """Refuses samples with which no run should begin, also such as ask with other embeddings than
    the model will be served with; warns where the checkpoint that it starts from has others."""
    dataset = data.dataset
    report = dataset_check.check_file(args.dataset_file, data.split, dataset=dataset)
    if report.errors:
        raise ValueError(f"{args.dataset_file}: " + "; ".join(report.errors))
    warnings = [*report.warnings]
    if pathlib.Path(args.dataset_file).is_dir():
        warnings.append("pictures of shards are not checked; build_dataset.py check does it")
    warnings += dataset_check.check_fits(dataset, embeddings, None, str(args.embeddings_dir))
    path = args.pretrained_checkpoint
    start = None if path is None else pathlib.Path(checkpoint_files.resolve_prefix(path)).parent
    if start is not None and (start / checkpoint_directory.METADATA_FILE).is_file():
        known = vocabulary.EmbeddingStore.load(start / checkpoint_directory.EMBEDDINGS_DIR)
        resize = checkpoint_directory.read_metadata(start).get("resize")
        try:
            warnings += dataset_check.check_fits(dataset, known, resize, str(start))
        except ValueError as error:  # Fine-tuning can learn what they mean.
            warnings.append(str(error))
    for warning in warnings:
        logging.warning("data set: %s", warning)
