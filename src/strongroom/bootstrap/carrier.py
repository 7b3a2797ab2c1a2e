"""The carrier of jobs: Celery over Redis (or RabbitMQ). Transport only; PostgreSQL is the truth.

Messages are acknowledged early and results are not kept: a row of the outbox whose lease ran out is
sent again, so a lost message costs a lease's length and nothing else.
"""

from collections.abc import Callable
from typing import Final

from celery import Celery

from strongroom.db.outbox import OutboxMessage

TASK: Final = "strongroom.deliver"
QUEUE: Final = "strongroom"


def carrier(broker_url: str) -> Celery:
    """A Celery application that only knows where the broker is."""
    app = Celery("strongroom", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_default_queue=QUEUE,
        task_ignore_result=True,
        task_acks_late=False,
        task_serializer="json",
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_transport_options={"socket_timeout": 10, "socket_connect_timeout": 2},
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        enable_utc=True,
    )
    return app


def publisher(broker_url: str) -> Callable[[OutboxMessage], None]:
    """What the outbox's dispatcher calls; raises when the broker is away."""
    app = carrier(broker_url)

    def publish(message: OutboxMessage) -> None:
        app.send_task(
            TASK, args=(str(message.organisation_id), str(message.id)), retry=False, queue=QUEUE
        )

    return publish
