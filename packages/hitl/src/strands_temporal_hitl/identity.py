"""Verifies who decides: verifiers for `HITLPlugin(verify=...)`, and signatures of trusted front ends.

    HITLPlugin(
        verify=JWTVerifier(jwks_url="https://id.example.org/keys", issuer="https://id.example.org/",
                           audience="approvals"),
        ticket_keys=[os.environ["TICKET_KEY"]],
    )

On the side of the person:

    ApprovalsClient(client, credential=Credential("bearer", token))
"""

from ._errors import NotVerifiedError, UnknownKeyError
from ._jwt import JWTVerifier
from ._people import Credential, Person, SignedPerson
from ._proving import ProvedName
from ._signing import SignedVerifier, sign_person
from ._verifying import Verifier

__all__ = [
    "Credential",
    "JWTVerifier",
    "NotVerifiedError",
    "Person",
    "ProvedName",
    "SignedPerson",
    "SignedVerifier",
    "UnknownKeyError",
    "Verifier",
    "sign_person",
]
