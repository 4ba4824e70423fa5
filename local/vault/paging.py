"""Pages of a list: `value`, and while there is more, a `nextLink` to follow unchanged.

The size of the service's pages and the content of its tokens are not known. These tokens are
opaque, and a link keeps the query that it continues.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from urllib.parse import quote

from local.vault.odata import FilterError
from local.vault.replies import Reply, json_reply
from local.vault.visit import Visit
from local.vault.wire import Json


def page_reply(visit: Visit, bodies: Sequence[Json], quota: int = 149) -> Reply:
    """One page of a list that is at hand whole: its token is the number of bodies before it."""
    text = skip_token(visit) or "0"
    if not text.isdecimal():
        raise FilterError("the skip token is not one of ours")
    first, size = int(text), visit.options.page_size
    page = list(bodies[first : first + size])
    if first + size < len(bodies):
        return linked_reply(visit, page, str(first + size), quota)
    return json_reply(visit.call, visit.options, {"value": page}, quota=quota)


def linked_reply(visit: Visit, page: Sequence[Json], token: str, quota: int) -> Reply:
    """A page that is not the last; `token` is what `skip_token` gives back later."""
    packed = base64.urlsafe_b64encode(token.encode()).decode()
    query = {**visit.call.query, "$skipToken": packed}
    text = "&".join(f"{quote(key, safe='$')}={quote(value)}" for key, value in query.items())
    link = f"{visit.call.origin}{visit.call.path}?{text}"
    document = {"value": page, "nextLink": link}
    return json_reply(visit.call, visit.options, document, quota=quota)


def skip_token(visit: Visit) -> str | None:
    """What the token of this call holds; raises FilterError when it is not one of ours."""
    token = visit.call.query.get("$skipToken")
    if not token:
        return None
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise FilterError("the skip token is not one of ours") from error
