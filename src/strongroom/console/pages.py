"""The console's pages: sign in, balances, withdrawals, addresses, and the approver's queue."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

from strongroom.bootstrap.api import Services
from strongroom.console import approving, card, governing, pictures, session, vault
from strongroom.console.headers import protect
from strongroom.db.database import UnitOfWork
from strongroom.identity import service as identity
from strongroom.identity.errors import CredentialUnknown
from strongroom.identity.types import Caller
from strongroom.ledger import service as ledger
from strongroom.wallets import service as wallets
from strongroom.withdrawals import service as withdrawals
from strongroom.withdrawals.types import WithdrawalView

HERE = Path(__file__).parent
QUEUE_MAX = 50
ADDRESSES_MAX = 50
SEE_OTHER = 303
router = APIRouter(prefix="/console", include_in_schema=False)
templates = Jinja2Templates(HERE / "templates")
Viewer = Annotated[Caller, Depends(session.viewer)]
Found = Annotated[Services, Depends(session.services)]
Answer = TypeVar("Answer")


def install(app: FastAPI, _: Services) -> None:
    """Add the console to the application."""
    app.include_router(router)
    app.include_router(approving.router)
    app.add_api_route("/", _to_console, include_in_schema=False)
    app.mount("/console/static", StaticFiles(directory=HERE / "static"), name="console-static")
    app.add_exception_handler(session.SignInNeeded, _to_sign_in)
    app.middleware("http")(protect)


@router.get("/sign-in", response_class=HTMLResponse)
def sign_in_page(request: Request) -> Response:
    """The form that asks for a credential's token."""
    return templates.TemplateResponse(request, "sign_in.html", {"problem": None})


@router.post("/sign-in", dependencies=[Depends(session.same_origin)])
def sign_in(
    request: Request, found: Found, token: Annotated[str, Form(max_length=200)]
) -> Response:
    """Begin a session, or say that the token is not good."""
    response = RedirectResponse("/console", SEE_OTHER)
    try:
        session.sign_in(found, token, response, secure=request.url.scheme == "https")
    except CredentialUnknown as error:
        problem = {"problem": str(error)}
        return templates.TemplateResponse(request, "sign_in.html", problem, status_code=401)
    return response


@router.post("/sign-out", dependencies=[Depends(session.same_origin)])
def sign_out(request: Request, found: Found) -> Response:
    """End the session."""
    response = RedirectResponse("/console/sign-in", SEE_OTHER)
    session.sign_out(found, request, response)
    return response


@router.get("", response_class=HTMLResponse)
def overview(request: Request, found: Found, viewer: Viewer) -> Response:
    """Balances, and what waits."""
    context = _read(found, viewer, lambda uow: _overview(uow, viewer))
    return templates.TemplateResponse(request, "overview.html", context)


@router.get("/balances", response_class=HTMLResponse)
def balances(request: Request, found: Found, viewer: Viewer) -> Response:
    """The table of balances alone: the page asks for it again every few seconds."""
    context = _read(found, viewer, lambda uow: _overview(uow, viewer))
    return templates.TemplateResponse(request, "_balances.html", context)


@router.get("/addresses", response_class=HTMLResponse)
def addresses(request: Request, found: Found, viewer: Viewer) -> Response:
    """The deposit addresses given out last, each with what the browser needs to verify it."""
    context = _read(found, viewer, lambda uow: _addresses(uow, viewer))
    return templates.TemplateResponse(request, "addresses.html", context)


@router.get("/approvals", response_class=HTMLResponse)
def approvals(request: Request, found: Found, viewer: Viewer) -> Response:
    """The approver's queue."""
    context = _read(found, viewer, lambda uow: _queue(uow, viewer))
    return templates.TemplateResponse(request, "approvals.html", context)


@router.get("/queue", response_class=HTMLResponse)
def queue(request: Request, found: Found, viewer: Viewer) -> Response:
    """The queue's cards alone: the page asks for them again every few seconds."""
    context = _read(found, viewer, lambda uow: _queue(uow, viewer))
    return templates.TemplateResponse(request, "_queue.html", context)


@router.get("/withdrawals/{withdrawal_id}", response_class=HTMLResponse)
def withdrawal(request: Request, withdrawal_id: UUID, found: Found, viewer: Viewer) -> Response:
    """One withdrawal: what is signed, who signed, every step."""
    context = _read(found, viewer, lambda uow: _detail(uow, viewer, withdrawal_id))
    return templates.TemplateResponse(request, "withdrawal.html", context)


@router.get("/vault", response_class=HTMLResponse)
def vault_page(request: Request, found: Found, viewer: Viewer) -> Response:
    """How the vault stands on chain, its health, and what the policy wants changed."""
    context = _read(found, viewer, lambda uow: _frame(uow, viewer, "vault") | vault.page(uow))
    return templates.TemplateResponse(request, "vault.html", context)


@router.get("/policy", response_class=HTMLResponse)
def policy_page(request: Request, found: Found, viewer: Viewer) -> Response:
    """The policy in words, who enforces what, and drafts with the signatures they lack."""
    context = _read(
        found, viewer, lambda uow: _frame(uow, viewer, "policy") | governing.rules_page(uow)
    )
    return templates.TemplateResponse(request, "policy.html", context)


@router.get("/address-book", response_class=HTMLResponse)
def address_book(request: Request, found: Found, viewer: Viewer) -> Response:
    """The address book: agreed, waiting, and its history."""
    context = _read(
        found, viewer, lambda uow: _frame(uow, viewer, "policy") | governing.book_page(uow)
    )
    return templates.TemplateResponse(request, "address_book.html", context)


def _read(found: Services, viewer: Caller, look: Callable[[UnitOfWork], Answer]) -> Answer:
    with found.database.read(viewer.organisation_id, viewer.actor) as uow:
        return look(uow)


def _frame(uow: UnitOfWork, viewer: Caller, page: str) -> dict[str, Any]:
    """What every page shows: whose it is, who looks, which page it is."""
    person = None if viewer.person_id is None else identity.person(uow, viewer.person_id)
    return {
        "organisation": identity.organisation(uow),
        "person": person,
        "roles": sorted(viewer.roles),
        "page": page,
        "waiting": len(_waiting(uow)),
    }


def _overview(uow: UnitOfWork, viewer: Caller) -> dict[str, Any]:
    rows = [pictures.line(row) for row in ledger.balances(uow, viewer.organisation_id)]
    return {
        **_frame(uow, viewer, "overview"),
        "client": [row for row in rows if row.account.startswith("client:")],
        "held": [
            row for row in rows if row.account in HELD_ACCOUNTS and row.posted.strip("0.") != ""
        ],
        "recent": withdrawals.page(uow, limit=10),
    }


def _addresses(uow: UnitOfWork, viewer: Caller) -> dict[str, Any]:
    newest = wallets.addresses(uow)[: -ADDRESSES_MAX - 1 : -1]
    return {
        **_frame(uow, viewer, "addresses"),
        "addresses": [
            {
                "label": view.label,
                "account": view.client_account.removeprefix("client:"),
                "shown": pictures.provenance(view),
            }
            for view in newest
        ],
    }


HELD_ACCOUNTS = {"suspense:unscreened", "quarantine", "unattributed"}


def _waiting(uow: UnitOfWork) -> list[WithdrawalView]:
    """What approvers may have to sign: payments, and rejections that free a Safe's number."""
    return [
        view
        for state in ("awaiting_approval", "voiding")
        for view in withdrawals.page(uow, state=state, limit=QUEUE_MAX)
        if state == "awaiting_approval" or view.wallet_kind == "vault"
    ]


def _queue(uow: UnitOfWork, viewer: Caller) -> dict[str, Any]:
    cards = [card.of(uow, viewer, view) for view in _waiting(uow)]
    return {**_frame(uow, viewer, "approvals"), "cards": cards}


def _detail(uow: UnitOfWork, viewer: Caller, withdrawal_id: UUID) -> dict[str, Any]:
    view = withdrawals.get(uow, withdrawal_id)
    return {
        **_frame(uow, viewer, "approvals"),
        "card": card.of(uow, viewer, view),
        "view": view,
        "history": withdrawals.history(uow, withdrawal_id),
    }


def _to_console() -> Response:
    """Lead whoever types the bare address to the console."""
    return RedirectResponse("/console", SEE_OTHER)


def _to_sign_in(request: Request, _: Exception) -> Response:
    """Lead to the sign-in page; a fragment asked for by htmx leads the whole page there."""
    if request.headers.get("HX-Request"):
        return Response(status_code=401, headers={"HX-Redirect": "/console/sign-in"})
    return RedirectResponse("/console/sign-in", SEE_OTHER)
