"""For all tests: the tests of one fleet tell one story, in order, so they stay on one worker."""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.name == "test_first_light.py":
            item.add_marker(pytest.mark.xdist_group(f"first-light-{item.callspec.params['fleet']}"))
