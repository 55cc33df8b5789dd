"""The wire shapes of the list of contracts."""

from app.kernel.wire import View


class ContractView(View):
    """`sha256` is the fingerprint of the schema without its words; the schema itself is at `/api/v1/contracts/{name}`."""

    name: str
    version: str
    sha256: str


class ContractPage(View):
    items: list[ContractView]
