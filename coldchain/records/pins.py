# SPDX-License-Identifier: Apache-2.0
"""PINs with which people sign on a shared telephone: four or five digits, kept as a salted, slow hash.

So short a PIN hides little from whoever holds the file; the hash keeps it from being read by the way.
"""

from __future__ import annotations

import hashlib
import hmac
import re

PIN = re.compile(r"[0-9]{4,5}")
"""A code has six digits: the two cannot be confused."""
COST, BLOCK, LANES = 2**12, 8, 1
"""scrypt (RFC 7914): some ten milliseconds on a small computer."""


def hashed(pin: str, salt: bytes) -> str:
    """What the registry keeps.

    >>> hashed("7391", b"salt").split("$")[:2]
    ['scrypt', '73616c74']
    """
    assert PIN.fullmatch(pin), "four or five digits"
    made = hashlib.scrypt(pin.encode(), salt=salt, n=COST, r=BLOCK, p=LANES, dklen=24)
    return f"scrypt${salt.hex()}${made.hex()}"


def fits(pin: str, kept: str | None) -> bool:
    """Is it that PIN? An entry that is no hash of ours fits nothing.

    >>> fits("7391", hashed("7391", b"x")), fits("7392", hashed("7391", b"x")), fits("7391", "7391")
    (True, False, False)
    """
    scheme, _, rest = (kept or "").partition("$")
    salt, _, _ = rest.partition("$")
    try:
        return (
            scheme == "scrypt"
            and PIN.fullmatch(pin) is not None
            and hmac.compare_digest(hashed(pin, bytes.fromhex(salt)), kept or "")
        )
    except ValueError:
        return False
