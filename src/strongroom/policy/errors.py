"""What can be wrong with a policy, a draft of it or its address book before the signer sees it."""

from strongroom.kit.errors import Conflict, Forbidden, Invalid, NotFound


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


class SourceInvalid(Invalid):
    """The source document does not read; the message begins with the path of what is wrong."""

    code = "policy.source_invalid"


class WindowWrong(SourceInvalid):
    """A window of time that is none."""

    code = "policy.window_wrong"


class DraftUnknown(NotFound):
    """The organisation has no such draft."""

    code = "policy.draft_unknown"


class DraftEnded(Conflict):
    """The draft was published or withdrawn already."""

    code = "policy.draft_ended"


class DraftInvalid(Conflict):
    """The draft has findings that must be mended first: by another draft."""

    code = "policy.draft_invalid"


class DraftOutdated(Conflict):
    """Another version was activated since the draft was made."""

    code = "policy.draft_outdated"


class SignatureUnwanted(Invalid):
    """A signature by nobody whom the draft asks for, or over other bytes."""

    code = "policy.signature_unwanted"


class SignaturesMissing(Conflict):
    """Some who must sign the draft have not."""

    code = "policy.signatures_missing"


class PersonNeeded(Forbidden):
    """A program asked for what only a person may do."""

    code = "policy.person_needed"


class EntryUnknown(NotFound):
    """The address book has no such entry."""

    code = "policy.entry_unknown"


class ProposalUnknown(NotFound):
    """The address book has no such proposal."""

    code = "policy.proposal_unknown"


class ProposalOpen(Conflict):
    """A proposal about the same address waits for its decision."""

    code = "policy.proposal_open"


class ProposalDecided(Conflict):
    """The proposal was decided before."""

    code = "policy.proposal_decided"


class FourEyesNeeded(Forbidden):
    """One person may not both propose and decide."""

    code = "policy.four_eyes_needed"


class ReasonNeeded(Invalid):
    """A refusal without a reason."""

    code = "policy.reason_needed"


class ProofWrong(Invalid):
    """What was shown does not prove that the address is its owner's."""

    code = "policy.proof_wrong"
