"""Cached features train exactly as computed ones do, in the order of the input pipeline."""

from __future__ import annotations

import numpy as np
import pytest

import policy_specs
import transformer_network
from food_data import npz_dataset, pipeline
from tests import small_model
from training import feature_cache, freezing, train_steps

pytest_plugins = ["tests.model_fixtures"]
pytestmark = [pytest.mark.usefixtures("clean_gin"), pytest.mark.slow]

NUM_SAMPLES = 7
SIZE = policy_specs.IMAGE_SIZE
# Pictures as the data set has them; the encoder makes them small.
FULL_SIZE = (f"observation_spec.image_height = {SIZE}", f"observation_spec.image_width = {SIZE}")
ENCODER_WITHOUT_DROPOUT = "DropoutSettings.backbone_drop_connect = 0.0"
HEAD_DROPOUT = ("DropoutSettings.token_learner = 0.3", ENCODER_WITHOUT_DROPOUT)


@pytest.fixture(scope="module")
def dataset() -> npz_dataset.FoodDataset:
    return npz_dataset.FoodDataset(
        images=small_model.images(0, NUM_SAMPLES, side=SIZE),
        actions=small_model.execution_parameters(1, NUM_SAMPLES),
        embeddings=small_model.embeddings(2, NUM_SAMPLES),
    )


def frozen_agent():
    agent = small_model.build(*small_model.TINY, *FULL_SIZE, *HEAD_DROPOUT)
    freezing.apply_freezing_logic(agent, freeze_efficientnet=True)
    return agent


@pytest.fixture(scope="module")
def cache(dataset) -> feature_cache.FeatureCache:
    indices = np.array([6, 0, 3, 2, 5])
    return feature_cache.FeatureCache.build(frozen_agent(), dataset, indices, batch_size=2)


def observation(dataset, samples) -> dict:
    return {
        policy_specs.IMAGE_KEY: dataset.images[samples][:, np.newaxis],
        policy_specs.EMBEDDING_KEY: dataset.embeddings[samples][:, np.newaxis],
    }


def test_features_are_those_of_the_network(dataset, cache):
    expected = frozen_agent().network.image_features(observation(dataset, cache.indices))

    assert cache.features.shape == (5, 4, 64)
    np.testing.assert_allclose(cache.features, expected, rtol=1e-4, atol=1e-5)


def test_batches_have_the_order_and_the_labels_of_the_pipeline(dataset, cache):
    options = {"shuffle_seed": 5, "first_epoch": 2, "first_batch": 1}
    cached = cache.batches(2, **options)
    plain = pipeline.create_npz_dataset(dataset, cache.indices, 2, **options)

    for _ in range(2):
        ours, reference = list(cached), list(plain)
        assert len(ours) == len(reference)
        for a, b in zip(ours, reference):
            for key in (policy_specs.EMBEDDING_KEY, policy_specs.ACTION_KEY):
                np.testing.assert_array_equal(a[key], b[key])


def test_each_sample_gets_its_own_features(dataset, cache):
    (batch,) = cache.batches(5, shuffle_seed=1)

    actions = batch[policy_specs.ACTION_KEY].numpy()
    for features, action in zip(batch[transformer_network.FEATURES_KEY], actions):
        sample = int(np.flatnonzero((dataset.actions == action).all(1))[0])
        row = list(cache.indices).index(sample)
        np.testing.assert_array_equal(features, cache.features[row])


def test_every_pass_is_another_epoch(cache):
    batches = cache.batches(5, shuffle_seed=1)
    first, second = (next(iter(batches))[policy_specs.ACTION_KEY].numpy() for _ in range(2))

    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(np.sort(first, axis=0), np.sort(second, axis=0))


def test_training_on_cached_features_is_exact(dataset):
    """Head dropout on, three steps; the features come from batches of the same samples."""
    indices, results = np.arange(4), []
    for cached in (False, True):
        agent = frozen_agent()
        batches = pipeline.create_npz_dataset(dataset, indices, 2)
        if cached:
            cache = feature_cache.FeatureCache.build(agent, dataset, indices, batch_size=2)
            batches = cache.batches(2)
        losses = [train_steps.train_step(agent, batch)["loss"] for batch in batches]
        results.append((losses, small_model.values(agent.network.variables)))

    (losses, values), (cached_losses, cached_values) = results
    assert losses == cached_losses
    assert small_model.same(values, cached_values)


def test_on_disk_as_in_memory(dataset, cache, tmp_path):
    progress = []

    on_disk = feature_cache.FeatureCache.build(
        frozen_agent(), dataset, cache.indices, 2, tmp_path, progress.append
    )

    assert progress == [2, 4, 5]
    assert isinstance(on_disk.features, np.memmap)
    file = tmp_path / feature_cache.FILE_NAME
    assert file.stat().st_size == 5 * 4 * 64 * 4
    np.testing.assert_array_equal(on_disk.features, cache.features)
    np.testing.assert_array_equal(np.fromfile(file, np.float32), cache.features.ravel())


def test_an_encoder_that_learns_is_refused(dataset):
    agent = small_model.build(*small_model.TINY, *FULL_SIZE)

    with pytest.raises(ValueError, match="expected a frozen EfficientNet"):
        feature_cache.FeatureCache.build(agent, dataset, np.arange(2), 2)


def test_bad_arguments(dataset, cache):
    with pytest.raises(ValueError, match="batch_size >= 1, got 0"):
        cache.batches(0)
    with pytest.raises(ValueError, match="features of 2 samples, got 5"):
        feature_cache.FeatureCache(cache.features, dataset, np.arange(2))
