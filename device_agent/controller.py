"""What a device asks of its controller over HTTP."""

import json
import ssl
import urllib.error
import urllib.request

from device_agent.errors import ClaimError
from protocol.errors import InputError

_TIMEOUT_SECONDS = 15


def post(url: str, body: dict[str, str], certificate: bytes | None, what: str) -> dict[str, object]:
    """Send a JSON document and give the answer's.

    Args:
        url: Where to.
        body: The document.
        certificate: Of the API, X.509 in DER, the only one to trust; None: the system's authorities.
        what: What is asked, for messages.

    Raises:
        InputError: `url` is not of HTTP, or the certificate is damaged.
        ClaimError: no answer, no sense in it, or a refusal.
    """
    if not url.startswith(("http://", "https://")):
        raise InputError(
            f"{url!r} is not a controller's address", remedy="fleet enroll NAME writes a good one"
        )
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked above
        url, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(  # noqa: S310 - likewise
            request, timeout=_TIMEOUT_SECONDS, context=_trust(certificate)
        ) as answer:
            result = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            try:
                problem = json.load(error)
                title, remedy = str(problem["title"]), problem.get("remedy")
            except (ValueError, KeyError, TypeError):
                title, remedy = f"answer {error.code}", None
        raise ClaimError(f"the controller refuses the {what}: {title}", where=url, remedy=remedy) from error
    except (OSError, ValueError) as error:
        raise ClaimError(
            f"no controller at {url} ({getattr(error, 'reason', error)})", remedy="start it: fleet up"
        ) from error
    if not isinstance(result, dict):
        raise ClaimError("the controller's answer makes no sense", where=url)
    return result


def _trust(certificate: bytes | None) -> ssl.SSLContext:
    """The certificate that came with the invitation; without one, the system's authorities."""
    try:
        context = ssl.create_default_context(cadata=certificate)
    except (ssl.SSLError, ValueError) as error:
        raise InputError(
            f"the certificate of the invitation cannot be read: {error}",
            remedy="fleet enroll NAME writes one",
        ) from error
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
