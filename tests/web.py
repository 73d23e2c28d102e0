"""httpx with the certificate authorities read once: that takes longer than most tests."""

from functools import partial

import httpx

_AUTHORITIES = httpx.create_ssl_context()

Client = partial(httpx.Client, verify=_AUTHORITIES)
request = partial(httpx.request, verify=_AUTHORITIES)
get = partial(httpx.get, verify=_AUTHORITIES)
options = partial(httpx.options, verify=_AUTHORITIES)
head = partial(httpx.head, verify=_AUTHORITIES)
post = partial(httpx.post, verify=_AUTHORITIES)
put = partial(httpx.put, verify=_AUTHORITIES)
patch = partial(httpx.patch, verify=_AUTHORITIES)
delete = partial(httpx.delete, verify=_AUTHORITIES)
stream = partial(httpx.stream, verify=_AUTHORITIES)
