"""Which keys open the gateway."""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from arc_encoder.core.errors import ConfigError

VARIABLE = "ARC_API_KEY"


class ApiKeys:
    """Keys from a file and from the environment; never from a command line, which others can see.

    Args:
        file: with one key a line; None for none.

    Raises:
        ConfigError: a file that cannot be read, or that holds no key.
    """

    def __init__(self, file: str | Path | None = None, variable: str = VARIABLE) -> None:
        keys = [os.environ[variable]] if os.environ.get(variable) else []
        if file is not None:
            try:
                found = [line.strip() for line in Path(file).read_text(encoding="utf-8").splitlines() if line.strip()]
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"api_key_file={file} cannot be read ({error})") from error
            if not found:
                raise ConfigError(f"api_key_file={file} holds no key; write one a line, or leave the setting out")
            keys += found
        self._keys = [key.encode() for key in keys]

    @property
    def needed(self) -> bool:
        """Whether there are any; without, everybody may ask."""
        return bool(self._keys)

    def opens(self, header: bytes | None) -> bool:
        """Whether an Authorization header carries a key; all are compared, in constant time."""
        if not self._keys:
            return True
        scheme, _, key = (header or b"").partition(b" ")
        right = [hmac.compare_digest(key.strip(), each) for each in self._keys]
        return scheme.lower() == b"bearer" and any(right)
