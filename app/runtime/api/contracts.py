"""The contracts for everybody: no account is in them, so no token is asked for."""

from litestar import Response, get
from litestar.params import FromPath

from app.kernel.edge import answered
from app.kernel.openapi import described
from app.runtime.contracts import CONTRACTS
from app.runtime.schemas.contracts import ContractPage


@get("/api/v1/contracts", operation_class=described(view=ContractPage), sync_to_thread=False)
def listed() -> Response[bytes]:
    """The envelopes with their versions."""
    return answered(CONTRACTS.page())


@get("/api/v1/contracts/{name:str}", operation_class=described(), sync_to_thread=False)
def one(name: FromPath[str]) -> Response[bytes]:
    """The JSON Schema of one envelope."""
    return answered(CONTRACTS.find(name).schema)


ROUTES = (listed, one)
