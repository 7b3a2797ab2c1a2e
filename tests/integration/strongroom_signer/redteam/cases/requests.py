"""Requests that are none."""

from tests.integration.strongroom_signer.redteam.stage import Attack, Scene, attack


@attack("request_malformed")
def member_beside_the_body(_it: Scene) -> Attack:
    """A request that says of itself that it comes from an administrator."""
    return {"op": "status", "trace": "", "body": {}, "peer": "administrator"}


@attack("request_malformed")
def body_that_is_a_list(_it: Scene) -> Attack:
    """A body that is no object."""
    return {"op": "relay", "trace": "", "body": []}


@attack("operation_unknown")
def operation_that_is_a_list(_it: Scene) -> Attack:
    """An operation that is no text."""
    return {"op": ["relay"], "trace": "", "body": {}}


@attack("operation_unknown")
def operation_by_another_name(_it: Scene) -> Attack:
    """A Python name in the operation's place."""
    return {"op": "__class__", "trace": "", "body": {}}


@attack("purpose_unknown")
def purpose_that_is_an_object(_it: Scene) -> Attack:
    """A purpose that is no text."""
    return {"op": "relay", "trace": "", "body": {"purpose": {"sweep": True}}}
