"""Shows what a person must not overlook: characters that move the cursor, hide, or turn text around."""

from __future__ import annotations

import re

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed
    "\u00ad\u061c\u115f\u1160\u180e\u3164\uffa0"  # soft hyphen, Arabic mark, blank letters
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible and turning characters
    "\ud800-\udfff\U000e0000-\U000e007f]"  # lone surrogates, tags
)


def visible(text: str) -> str:
    r"""Return `text` with every hidden character written out, such as `\x1b` or `\u202e`; tabs and newlines stay."""
    return _HIDDEN.sub(lambda match: _written(ord(match.group())), text)


def one_line(text: str, width: int = 80) -> str:
    """Return `text` on one line, written out and shortened, as a title wants it."""
    flat = visible(" ".join(text.split()))
    return flat if len(flat) <= width else flat[: width - 1] + "…"


def _written(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
