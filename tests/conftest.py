"""The quick lane: every test function that is not marked slow, with the first of its parameters alone."""


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="no slow tests, and of all parameters of a test the first")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("quick"):
        return
    kept, left, seen = [], [], set()
    for item in items:
        function = item.nodeid.partition("[")[0]
        first = function not in seen and item.get_closest_marker("slow") is None
        seen |= {function} if first else set()
        (kept if first else left).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept
