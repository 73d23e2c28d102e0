"""Generated requests over our own OpenAPI document: whatever is sent, no answer is a 500 or undescribed."""

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.conftest import API_TOKEN

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
BY_HYPOTHESIS = settings(
    max_examples=8,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def test_no_request_breaks_the_api(api_server, desk):
    document = schemathesis.openapi.from_url(f"{api_server}/api/openapi.json")
    headers = {"Authorization": f"Bearer {API_TOKEN}"}
    sent = []
    for operation in document.get_all_operations():
        for mode in schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE:

            @BY_HYPOTHESIS
            @given(case=operation.ok().as_strategy(generation_mode=mode))
            def answers_as_described(case):
                sent.append(case.operation.label)
                case.call_and_validate(headers=headers, checks=CHECKS)

            answers_as_described()
    assert len(set(sent)) == 9
