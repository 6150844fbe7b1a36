"""The processes that train together, each with its part of every batch.

They do the same steps in the same order, because each step is a message from everyone to everyone:
what one of them decides by itself (a signal that only it got) the others would wait for in vain.
So decisions are made together, here. Worker 0 is the chief, which alone writes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from training import stop_signals


@dataclasses.dataclass(frozen=True)
class Workers:
    """This process among those that train together; alone unless told otherwise.

    Attributes:
        index: its number, from 0.
        count: of all of them.
    """

    index: int = 0
    count: int = 1

    @property
    def is_chief(self) -> bool:
        """Whether this one writes."""
        return self.index == 0

    def own_part(self, num_items: int) -> slice:
        """Which of N items are this one's: parts of equal size, or one more; may be empty."""
        return slice(
            self.index * num_items // self.count, (self.index + 1) * num_items // self.count
        )

    def batch_weight(self, batch_size: int) -> float:
        """1; or 0 where a batch has fewer samples than there are workers and none is this one's.

        The input pipeline gives such a worker another's sample, so that all take the same steps.

        Args:
            batch_size: of the batch, over all workers.
        """
        return float(self.index < batch_size)

    def sum(self, values: np.ndarray) -> np.ndarray:
        """The sum over all workers, float32; every worker has to call it, with the same shape."""
        if self.count == 1:
            return np.asarray(values)
        return _sum(tf.constant(values, tf.float32)).numpy()

    def wait(self) -> None:
        """Until every worker has come here."""
        self.sum(np.zeros(1))

    def check(self, signals: stop_signals.StopSignals) -> None:
        """Ends all workers after the same step.

        Raises:
            stop_signals.Preempted: if a signal has come to any of them.
        """
        if self.count == 1:
            signals.check()
            return
        received = np.zeros(len(stop_signals.SIGNALS))
        if signals.received is not None:
            received[stop_signals.SIGNALS.index(signals.received)] = 1.0
        for number, how_many in zip(stop_signals.SIGNALS, self.sum(received)):
            if how_many:
                raise stop_signals.Preempted(number.name)

    def checked(self, items: Iterable, signals: stop_signals.StopSignals) -> Iterable:
        """The same items, with a check before each where this one can decide it alone."""
        return signals.checked(items) if self.count == 1 else items


@tf.function(autograph=False, reduce_retracing=True)
def _sum(values: tf.Tensor) -> tf.Tensor:
    strategy = tf.distribute.get_strategy()
    num_local = len(strategy.extended.worker_devices)

    def of_replica(values: tf.Tensor) -> tf.Tensor:
        context = tf.distribute.get_replica_context()
        # A worker with several GPUs speaks once.
        is_first = tf.equal(context.replica_id_in_sync_group % num_local, 0)
        values = tf.where(is_first, values, tf.zeros_like(values))
        return context.all_reduce(tf.distribute.ReduceOp.SUM, values)

    return strategy.experimental_local_results(strategy.run(of_replica, args=(values,)))[0]
