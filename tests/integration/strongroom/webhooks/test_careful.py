"""Where a message never goes, how long it may take, and what a crash or a second courier does."""

import os
import signal
import subprocess
import sys
import time

from strongroom.webhooks.guard import Guard
from strongroom.webhooks.sender import Sender
from tests.factories.parts.place import REPOSITORY, free_port
from tests.factories.receiver import dripping, silent
from tests.integration.strongroom.webhooks.conftest import GUARD, Post

COURIER = """
import ipaddress, sys
from strongroom.db.database import Database
from strongroom.kit.clock import FixedClock
from datetime import UTC, datetime
from strongroom.webhooks.courier import Courier
from strongroom.webhooks.guard import Guard
from strongroom.webhooks.rules import Secrets
from strongroom.webhooks.sender import Sender
clock = FixedClock(datetime(2026, 5, 1, tzinfo=UTC))
database = Database(sys.argv[1], clock=clock, application_name="webhooks")
guard = Guard([ipaddress.ip_network("127.0.0.0/8")])
courier = Courier(database, Sender(guard), Secrets(b"k" * 32), lane="ailing", slots=2)
courier.step()
courier.close()
"""


def test_nothing_reaches_an_address_that_is_not_public(receiver):
    answer = Sender(Guard()).post(receiver.url, {}, b"{}")
    assert (answer.status, receiver.received) == (None, [])
    assert answer.outcome.startswith("Not sent: 127.0.0.1 is no public address")


def test_a_name_that_leads_to_a_private_address_is_not_followed(receiver):
    answer = Sender(Guard()).post(f"https://localhost:{receiver.port}/", {}, b"{}")
    assert answer.status is None
    assert answer.outcome == "Not sent: The name leads to an address that is not public."


def test_a_redirect_is_not_followed(receiver):
    receiver.answer = lambda _: 307
    answer = Sender(GUARD).post(receiver.url, {}, b"{}")
    assert (answer.status, answer.delivered, len(receiver.received)) == (307, False, 1)
    assert answer.outcome == "Answered 307; a redirect is not followed."


def test_an_answer_that_drips_for_ever_is_cut_off():
    with dripping(0.1) as url:
        started = time.monotonic()
        answer = Sender(GUARD, timeout_seconds=1.0).post(url, {}, b"{}")
        assert time.monotonic() - started < 2
    assert (answer.status, answer.outcome) == (None, "No answer in time.")


def test_whatever_goes_wrong_is_an_outcome():
    sender = Sender(GUARD, timeout_seconds=0.5)
    with silent() as url:
        assert sender.post(url, {}, b"{}").outcome == "No answer in time."
        secure = url.replace("http:", "https:")
        assert sender.post(secure, {}, b"{}").outcome == "No answer in time."
    closed = f"http://127.0.0.1:{free_port()}/"
    assert sender.post(closed, {}, b"{}").outcome == "No answer: ConnectionRefusedError."
    nowhere = sender.post("https://nobody.invalid/", {}, b"{}")
    assert nowhere.outcome == "The host's name is not known."
    assert "Give a whole https address" in sender.post("gopher://a", {}, b"{}").outcome


def test_a_plain_answer_where_tls_is_spoken_is_no_secure_connection(receiver):
    answer = Sender(GUARD).post(receiver.url.replace("http:", "https:"), {}, b"{}")
    assert answer.outcome.startswith("No secure connection: ")


def test_a_courier_killed_after_its_post_sends_again_under_the_same_id(post: Post, receiver):
    endpoint = post.endpoint(receiver.url)
    post.happen("deposit.seen")
    post.plan()
    url = post.worker.url
    environment = {
        **os.environ,
        "PYTHONPATH": f"{REPOSITORY}/src",
        "STRONGROOM_CRASH_AT": "webhooks.sent:1",
    }
    command = [sys.executable, "-c", COURIER, url]
    child = subprocess.run(command, env=environment, timeout=60, check=False)
    assert child.returncode == -signal.SIGKILL
    assert post.log(endpoint) == []
    assert post.send() == 0, "the dead one's lease still stands"
    post.later(91)
    post.send()
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert post.states(endpoint) == [("deposit.seen", "delivered", 0)]


def test_an_endpoint_is_in_one_pair_of_hands(post: Post, receiver):
    endpoint = post.endpoint(receiver.url)
    post.happen("deposit.seen")
    post.plan()

    def slow(_: int) -> int:
        time.sleep(0.5)
        return 200

    receiver.answer = slow
    courier = post.courier("ailing")
    assert courier.step()
    assert not courier.step()
    assert not post.courier("sound").step()
    receiver.wait(1)
    post.close("ailing")
    assert post.log(endpoint) == [(200, "Answered 200.")]
    assert len(receiver.received) == 1


def test_one_whose_lease_ran_out_records_nothing(post: Post, receiver):
    endpoint = post.endpoint(receiver.url)
    post.happen("deposit.seen")
    post.plan()

    def slow(n: int) -> int:
        if n == 0:
            post.later(91)
            post.send("ailing")
        return 200

    receiver.answer = slow
    late = post.courier("ailing")
    post._couriers.clear()
    late.step()
    late.close()
    assert len(receiver.received) == 2
    assert post.log(endpoint) == [(200, "Answered 200.")]
