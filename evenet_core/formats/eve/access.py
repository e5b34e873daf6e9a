"""PNAC (802.1X) and SCEPProfile."""

from __future__ import annotations

from typing import Any

from evenet_core.formats.convert import base64_text, each
from evenet_core.formats.eve.enums import EAP_METHOD
from evenet_core.formats.mapping import Field, Place, Table

__all__ = ["ENROLMENT", "PORT_ACCESS"]

PORT_ACCESS = Table(
    Field("logicallabel", "port"),
    Field("eapIdentity", "identity"),
    Field("eapMethod", "method", EAP_METHOD),
    Field("certEnrollmentProfileName", "enrolment"),
)


def _finish_enrolment(made: dict[str, Any], _: dict[str, Any], __: Place) -> None:
    """The challenge password is encrypted, or, where nobody minds, as it is."""
    if isinstance(made.get("cipher_data"), str):
        made["challenge_password"] = made.pop("cipher_data")


ENROLMENT = Table(
    Field("profileName", "name"),
    Field("scepUrl", "url"),
    Field("useControllerProxy", "use_controller_proxy"),
    Field("scepChallengePassword", "cipher_data"),
    Field("caCertPem", "ca_pem", each(base64_text)),
    Field("csrProfile", "request"),
    finish=_finish_enrolment,
)
