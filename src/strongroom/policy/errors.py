"""What can be wrong with a policy bundle before the signer has seen it."""

from strongroom.kit.errors import Conflict, Invalid


class BundleInvalid(Invalid):
    """The document is no policy bundle; the message begins with the path of what is wrong."""

    code = "policy.bundle_invalid"


class VersionWrong(Conflict):
    """The bundle does not follow the active one: its version or its `previous` differ."""

    code = "policy.version_wrong"


class OrganisationWrong(Conflict):
    """The bundle names another organisation or another chain."""

    code = "policy.organisation_wrong"


class NoneActive(Conflict):
    """The organisation has no active policy yet: nothing may move but deposits."""

    code = "policy.none_active"


class NotStaged(Conflict):
    """No such bundle was sent to the signer."""

    code = "policy.not_staged"
