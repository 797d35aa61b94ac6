"""A queue that is held and released again."""

from queue import PriorityQueue

from dramatiq.worker import ConsumerThread

from actors import broker
from actors.middleware.pause import hold, release
from workers.core.vocabulary import Queue


def test_a_consumer_that_never_noticed_the_pause_takes_messages_again(stores: None) -> None:
    held_up = ConsumerThread(
        broker=broker,
        queue_name=Queue.live,
        prefetch=4,
        work_queue=PriorityQueue(),
        worker_timeout=50,
    )
    held_up.consumer = broker.consume(Queue.live, prefetch=4)
    broker.get_actor("recompute_student").send("S1")
    hold(held_up)
    assert next(held_up.consumer) is None
    release(held_up)
    message = next(held_up.consumer)
    assert message is not None
    assert message.args == ("S1",)
