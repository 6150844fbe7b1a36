"""What callers may rely on: the agent and every engine take the same arguments."""

import inspect

import agent_wrapper
from serving.engines import engine, staged_engine


def test_agent_and_engines_take_the_same_arguments():
    expected = inspect.signature(engine.Engine.forward).parameters

    for kind in (agent_wrapper.Agent, staged_engine.StagedEngine):
        found = inspect.signature(kind.forward).parameters
        assert list(found) == list(expected)
        assert [p.default for p in found.values()] == [p.default for p in expected.values()]


def test_engine_error_is_what_loaders_of_checkpoints_raise():
    assert issubclass(engine.EngineError, ValueError)
