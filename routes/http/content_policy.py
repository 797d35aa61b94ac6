"""What a page may load: nothing from elsewhere, but covers from where a library says they are."""

from collections.abc import Collection
from urllib.parse import urlsplit

NAME = "Content-Security-Policy"


def content_policy(images: Collection[str] = ()) -> str:
    """Write the policy; images may also come from these origins."""
    sources = " ".join(["'self'", *sorted(images)])
    return (
        f"default-src 'none'; style-src 'self'; script-src 'self'; img-src {sources};"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def policy_with(covers: Collection[str | None]) -> dict[str, str]:
    """Make the header for a page that shows these covers, by their addresses.

    >>> policy_with(["https://covers.example/1.jpg", None])[NAME].split("; ")[3]
    "img-src 'self' https://covers.example"
    """
    parts = {urlsplit(cover) for cover in covers if cover}
    return {NAME: content_policy({f"{part.scheme}://{part.netloc}" for part in parts})}
