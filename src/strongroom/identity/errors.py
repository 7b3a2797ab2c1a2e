"""What can be wrong with a caller, a person or a credential."""

from strongroom.kit.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated


class CredentialMissing(Unauthenticated):
    """No bearer token came with the request."""

    code = "identity.credential_missing"


class CredentialUnknown(Unauthenticated):
    """The token is not known, has expired or was revoked; which of them is not told."""

    code = "identity.credential_unknown"


class RoleMissing(Forbidden):
    """The caller is known, and holds none of the roles that the request needs."""

    code = "identity.role_missing"


class OrganisationTaken(Conflict):
    """The same genesis, or another one on the same account index, was registered before."""

    code = "identity.organisation_taken"


class NameTaken(Conflict):
    """A department, handle, address or token of that name is there already."""

    code = "identity.name_taken"


class DepartmentUnknown(NotFound):
    """The organisation has no such department."""

    code = "identity.department_unknown"


class PersonUnknown(NotFound):
    """The organisation has no such person."""

    code = "identity.person_unknown"


class OrganisationUnknown(NotFound):
    """The caller's organisation is not there."""

    code = "identity.organisation_unknown"


class RoleUnknown(Invalid):
    """A role that is not in the list, or one that this caller may not give."""

    code = "identity.role_unknown"
