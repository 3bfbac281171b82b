"""What a file of variables was saved as. Only UTF-8 is read: other encodings are named, so that they can be changed."""

from __future__ import annotations

# A file's first bytes and what they mean; the longer ones first. Source: the Unicode standard, section 23.8.
_MARKS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_SAMPLE = 2048


def foreign(data: bytes) -> str:
    """The encoding's name where it is UTF-16 or UTF-32, with a byte order mark or without; "" otherwise."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    sample = data[:_SAMPLE]
    zeros = sample.count(0)
    if len(sample) < 4 or zeros * 5 < len(sample):
        return ""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if zeros * 10 > len(sample) * 6:
        return "UTF-32"
    return "UTF-16" if max(even, odd) > 4 * min(even, odd) else ""
